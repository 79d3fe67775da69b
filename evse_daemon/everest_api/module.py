"""What the module classes of EVerest's API do alike: discovery, heartbeat, communication check, request and reply.

class auth_token_provider_API(EverestApiModule):
    api_type = "auth_token_provider"
    channels = (hears("provided_token", ProvidedIdToken, "a token"),)
    main = Provides(AuthTokenProvider)

    def init(self) -> None:
        super().init()
        self.hear("provided_token", self._on_token)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from pydantic import Field

from evse_daemon.everest_api import communication
from evse_daemon.everest_api.channels import Channel
from evse_daemon.everest_api.envelope import read, read_request, write, write_request
from evse_daemon.framework.bus import Bus
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.interface import ArgumentError, Command, Kind
from evse_daemon.framework.module import Context, Message, Module, ModuleOptions
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt import topics

VERSION = 1
QOS = 2
"""As EVerest publishes; what is worthless when late goes with 0, so that it is never late."""

MARGIN_S = 0.5
"""What stands for a reply that did not come is given so long before the caller of a command would give up."""

SHORTEST_HEARTBEAT_MS = 100

MAX_OPEN_REQUESTS = 64
"""Requests of the station that may wait for the program's reply."""

Reply = Callable[[Any], None]
"""Sends the reply to a request."""

_of_station: WeakKeyDictionary[Bus, set[str]] = WeakKeyDictionary()
"""The modules of EVerest's API of each station: the first of them tells that they are ready."""


class ApiOptions(ModuleOptions):
    cfg_communication_check_to_s: int = 5
    """How long the program may say nothing (s) before it counts as lost; 0 switches that off."""
    cfg_heartbeat_interval_ms: int = 1000
    """Interval of the heartbeat, 100 at least; 0 switches it off."""

    @property
    def heartbeat_ms(self) -> int:
        """What comes of it."""
        return (
            max(self.cfg_heartbeat_interval_ms, SHORTEST_HEARTBEAT_MS)
            if self.cfg_heartbeat_interval_ms > 0
            else 0
        )


class RequestingOptions(ApiOptions):
    cfg_request_reply_to_s: int = Field(550, ge=1, le=550)
    """How long the program may take to reply (s); at most as long as the caller of the command waits."""


class LatchingOptions(ApiOptions):
    latch_variable_values: bool = True
    """The program may ask for the latest values (``m2e/NAME/get``)."""


class EverestApiModule(Module):
    """Base of the module classes of EVerest's API."""

    class Options(ApiOptions):
        """See ApiOptions."""

    api_type: ClassVar[str] = ""
    """The name of the module class without _API."""
    channels: ClassVar[tuple[Channel, ...]] = ()
    fault: ClassVar[str] = "generic/CommunicationFault"
    """The error of the implementation ``main`` that says that the program is not there."""
    must_be_watched: ClassVar[bool] = False
    """Power depends on the program: it cannot ask not to be watched."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, ApiOptions)
        self.api_options = context.options
        self.communication = communication.begun(context.options.cfg_communication_check_to_s)
        self.seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self._channels = {(channel.way, channel.name): channel for channel in self.channels}
        self._latest: dict[str, Any] = {}
        self._heartbeats = 0
        self._deadline: Timer | None = None
        self._requests: dict[str, tuple[Channel, Callable[[Any], None], Timer]] = {}
        _of_station.setdefault(context.bus, set()).add(self.module_id)

    def init(self) -> None:
        for topic in (topics.EVEREST_API_DISCOVER, topics.everest_api_query(self.api_type)):
            self._serve(topic, lambda _payload, reply: reply(self.discovery()))
        self._listen(
            topics.everest_api_heard(self.api_type, self.module_id, "communication_check"), self._on_check
        )
        if any(channel.way == "asks" for channel in self.channels):
            self._listen(topics.everest_api_reply(self.api_type, self.module_id, "+"), self._on_reply)
        options = self.api_options
        for channel in self.channels:
            if channel.latched and isinstance(options, LatchingOptions) and options.latch_variable_values:
                get = topics.everest_api_get(self.api_type, self.module_id, channel.name)
                self._serve(get, partial(self._tell_latest, channel.name))

    def ready(self) -> None:
        if self.module_id == min(_of_station[self.context.bus]):
            self.mqtt.publish(topics.EVEREST_API_READY_BEACON, write({}), qos=QOS)
        if self.api_options.heartbeat_ms:
            self._beat()
            self.every(self.api_options.heartbeat_ms / 1000, self._beat)
        if not self.communication.there:
            self._raise_fault()
        elif self.must_be_watched:
            self.log.warning("nobody notices when the program is gone: cfg_communication_check_to_s is 0")

    @property
    def there(self) -> bool:
        """Whether the program is there."""
        return self.communication.there

    def link_changed(self) -> None:
        """The program has come, or is lost. An error of that is raised before, and cleared after this."""

    # What the station says

    def say(self, name: str, value: Any = None) -> None:
        """Tells the program something; for a type of EVerest its value, else what is JSON already."""
        channel = self._channels["says", name]
        json = (
            None
            if channel.payload is None
            else channel.adapter.dump_python(value, mode="json", exclude_none=True)
        )
        if channel.latched:
            self._latest[name] = json
        topic = topics.everest_api_said(self.api_type, self.module_id, name)
        late = channel.kind is Kind.TELEMETRY
        self.mqtt.publish(
            topic, write(json), qos=0 if late else QOS, latest=channel.kind is Kind.STATE, volatile=late
        )

    def ask(self, name: str, value: Any, timeout_s: float, replied: Callable[[Any], None]) -> None:
        """Asks the program for something.

        Args:
            name: of the channel.
            value: its payload.
            timeout_s: how long the reply may take.
            replied: gets what was replied; None where there was no reply in time, or none that fits.
        """
        channel = self._channels["asks", name]
        if not self.there or not self.mqtt.connected or len(self._requests) >= MAX_OPEN_REQUESTS:
            replied(None)
            return
        request_id = str(uuid.uuid4())
        topic = topics.everest_api_reply(self.api_type, self.module_id, request_id)
        self._requests[topic] = (channel, replied, self.after(timeout_s, partial(self._unanswered, topic)))
        json = (
            None
            if channel.payload is None
            else channel.adapter.dump_python(value, mode="json", exclude_none=True)
        )
        said = topics.everest_api_said(self.api_type, self.module_id, name)
        self.mqtt.publish(said, write_request(topic, json), volatile=True)

    def discovery(self) -> dict[str, Any]:
        """What the module tells of itself."""
        monitoring: dict[str, Any] = {
            "heartbeat_period_ms": self.api_options.heartbeat_ms,
            "communication_check_period_s": self.api_options.cfg_communication_check_to_s,
        }
        if isinstance(self.api_options, RequestingOptions):
            monitoring["request_reply_timeout_s"] = self.api_options.cfg_request_reply_to_s
        found = {
            "type": self.api_type,
            "module_id": self.module_id,
            "version": VERSION,
            "communication_monitoring": monitoring,
        }
        return {"apis": [found]}

    # What the program says

    def hear(self, name: str, handler: Callable[[Any], None]) -> None:
        """Has a handler called with each value that the program tells; only in ``init``."""
        channel = self._channels["hears", name]

        def received(text: str) -> None:
            handler(
                None if channel.payload is None else read(channel.adapter, text, name, secret=channel.secret)
            )

        topic = topics.everest_api_heard(self.api_type, self.module_id, name)
        self._listen(topic, received, order=channel.order)

    def serve(self, name: str, handler: Callable[[Any, Reply], None]) -> None:
        """Has a handler called with each request of the program, and with what sends the reply; only in ``init``."""
        channel = self._channels["serves", name]

        def received(payload: str, reply: Reply) -> None:
            value = (
                None
                if channel.payload is None
                else read(channel.adapter, payload, "payload", secret=channel.secret)
            )
            handler(
                value,
                lambda result: reply(
                    channel.result_adapter.dump_python(result, mode="json", exclude_none=True)
                ),
            )

        self._serve(topics.everest_api_heard(self.api_type, self.module_id, name), received)

    def timeout_s(self, command: Command[..., Any]) -> float:
        """How long the program may take for what a command asks for: its caller has to get an answer still."""
        assert isinstance(self.api_options, RequestingOptions)
        return min(self.api_options.cfg_request_reply_to_s, command.timeout_s - MARGIN_S)

    def not_done(self, name: str, error: CallError) -> None:
        """A request came to nothing: EVerest's API has no reply for that."""
        self.seldom.warning(
            ("not done", name), "a request of a program failed", request=name, reason=error.message
        )

    def _serve(self, topic: str, handler: Callable[[str, Reply], None]) -> None:
        def received(text: str) -> None:
            request = read_request(text, self.context.station)
            handler(request.payload, partial(self._reply, request.reply_to))

        self._listen(topic, received, order=True)

    def _reply(self, topic: str, result: Any) -> None:
        if topic:
            self.mqtt.publish(topic, "null" if result is None else write(result), qos=QOS)

    def _listen(self, topic: str, handler: Callable[[Any], None], *, order: bool = False) -> None:
        """Has a handler called with the text of each message, of replies with the whole message."""
        wants_message = topic.endswith("+")

        def received(message: Message) -> None:
            try:
                handler(message if wants_message else message.payload)
            except ArgumentError as error:
                self.seldom.warning(
                    topic,
                    "not understood, nothing was changed",
                    topic=message.topic[:200],
                    problem=str(error),
                )

        self.mqtt.subscribe(topic, self.context.inbox, received, order=order)

    def _tell_latest(self, name: str, _payload: str, reply: Reply) -> None:
        reply(self._latest.get(name))

    # Replies of the program

    def _on_reply(self, message: Message) -> None:
        open_request = self._requests.pop(message.topic, None)
        if open_request is None:
            return  # late, or nobody's
        channel, replied, timer = open_request
        timer.cancel()
        try:
            result = read(channel.result_adapter, message.payload, channel.name, secret=channel.secret)
        except ArgumentError:
            replied(None)
            raise
        replied(result)

    def _unanswered(self, topic: str) -> None:
        open_request = self._requests.pop(topic, None)
        if open_request is not None:
            channel, replied, _ = open_request
            self.seldom.warning(channel.name, "the program has not replied in time", request=channel.name)
            replied(None)

    # The program's life

    def _beat(self) -> None:
        topic = topics.everest_api_said(self.api_type, self.module_id, "heartbeat")
        self.mqtt.publish(topic, write(self._heartbeats), volatile=True)
        self._heartbeats += 1

    def _on_check(self, text: str) -> None:
        if text.strip() not in ("true", "false"):
            raise ArgumentError("communication_check: must be true or false")
        alive = text.strip() == "true"
        now_s = self.clock.now_s()
        if not alive and self.communication.link not in ("unchecked", "lost"):
            self.seldom.warning(
                "false",
                "a program says communication_check false",
                effect="it counts as lost" if self.must_be_watched else "it is not watched any more",
            )
        self._set(communication.heard(self.communication, alive, now_s, must_be_watched=self.must_be_watched))

    def _set(self, known: communication.Communication) -> None:
        before, self.communication = self.communication, known
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if known.deadline_s is not None:
            self._deadline = self.after(
                known.deadline_s - self.clock.now_s(),
                lambda: self._set(communication.passed(self.communication, self.clock.now_s())),
            )
        if before.sub_type == known.sub_type:
            return
        if not known.there:
            self._raise_fault()
            self.seldom.warning("lost", "a program is lost", program=self.api_type)
        if before.there != known.there:
            self.link_changed()
        if before.sub_type:
            self.implementations["main"].clear_error(self.fault, before.sub_type)
        if known.there:
            self.seldom.info("there", "a program is there", program=self.api_type)

    def _raise_fault(self) -> None:
        topic = topics.everest_api_heard(self.api_type, self.module_id, "communication_check")
        how_long = {"initial": "has not said anything yet", "lost": "has fallen silent"}[
            self.communication.link
        ]
        self.implementations["main"].raise_error(
            self.fault,
            f"the program behind {self.module_id} {how_long}: it says true on {topic} at least every "
            f"{self.communication.timeout_s:g} s",
            sub_type=self.communication.sub_type,
        )
