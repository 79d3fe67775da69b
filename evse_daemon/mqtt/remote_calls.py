"""Calls that come from the broker: judged, handed to the module, answered (design rules 4 and 7).

Every call that names somebody to answer to gets one answer. What cannot be answered is logged, rate-limited.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from evse_daemon.framework.bus import Bus, Implementation
from evse_daemon.framework.calls import Call, CallError
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.interface import ArgumentError, Command
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.mqtt.calls_in import IncomingCall, UnanswerableError, arguments_as_json, read_call
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import Documented, JsonScalar, answering, to_json
from evse_daemon.mqtt.outbox import Rank, Render
from evse_daemon.mqtt.sender import Sender
from evse_daemon.mqtt.topics import Topics, TreeTopic

MAX_IN_FLIGHT = 256
"""Calls from the broker that are handled at once: no client can fill the inbox of a module."""

REMEMBERED_CALLS = 1000
REMEMBERED_S = 60.0
"""How many calls, and for how long, are known again when they are delivered twice (QoS 1)."""

GRACE_S = 1.0
"""After its time-out a call is answered, also where its module does not answer any more."""

_MAX_LOGGED_ARGUMENTS = 1000
_MAX_NAMED = 20

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Taken:
    """A call that a module has got."""

    target: Implementation[Any]
    call: Call[Any]
    id: JsonScalar
    enveloped: bool
    deadline: Timer


def outcome_as_json(dialect: Documented, call: Call[Any], call_id: JsonScalar) -> bytes:
    """The answer to a call that is finished."""
    name, origin = call.command.name, call.target.module_id
    outcome = call.outcome
    assert outcome is not None
    if isinstance(outcome, CallError):
        return to_json(dialect.error_result(name, call_id, origin, outcome))
    try:
        return to_json(dialect.result(name, call_id, origin, call.command.result_to_jsonable(outcome[0])))
    except ArgumentError as problem:
        error = CallError("HandlerException", f"the result does not fit {call.command!r}: {problem}")
        return to_json(dialect.error_result(name, call_id, origin, error))


class RemoteCalls:
    """The calls from the broker and what became of them.

    Args:
        closed: why no calls are taken at present; None where they are.
        now: monotonic real seconds, for how long a call is remembered.
    """

    def __init__(
        self,
        bus: Bus,
        topics: Topics,
        dialect: Documented,
        sender: Sender,
        closed: Callable[[], CallError | None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._topics = topics
        self._dialect = dialect
        self._sender = sender
        self._closed = closed
        self._now = now
        self._in_flight: dict[Call[Any], _Taken] = {}
        self._recent: OrderedDict[tuple[str, bytes], tuple[float, _Taken]] = OrderedDict()
        self.taken = 0
        """Calls that a module was given."""
        self.refused: Counter[str] = Counter()
        """Those that were not, by the reason."""
        self._told_arguments: set[tuple[str, str, str, str]] = set()
        self._seldom = RateLimitedLog(log, now=now)

    def receive(self, message: Inbound, topic: TreeTopic) -> None:
        """A message on the topic of a command."""
        if message.retain:
            self.refused["retained"] += 1
            self._refuse("retained", topic, "it is retained: nobody knows how old it is")
            return
        try:
            incoming = read_call(message.payload)
        except UnanswerableError as error:
            self.refused["unanswerable"] += 1
            self._refuse("unanswerable", topic, str(error))
            return
        if isinstance(incoming.id, str) and self._bus.call_ids.is_own(incoming.id):
            return
        key = (message.topic, hashlib.blake2b(message.payload, digest_size=16).digest())
        # A message of QoS 0 is never delivered twice: who types the same call again means it.
        if message.qos and self._seen(key):
            return
        try:
            taken = self._take(incoming, topic)
        except CallError as error:
            self.refused[error.type] += 1
            self._answer_error(incoming, topic, error)
            return
        self.taken += 1
        if message.qos:
            self._recent[key] = (self._now() + REMEMBERED_S, taken)
            if len(self._recent) > REMEMBERED_CALLS:
                self._recent.popitem(last=False)
        taken.target.accept(taken.call)

    def finished(self, call: Call[Any]) -> None:
        """From the bus: a call from the broker has its outcome."""
        taken = self._in_flight.pop(call, None)
        if taken is not None:
            taken.deadline.cancel()
            self._answer(taken)

    @property
    def in_progress(self) -> int:
        """Calls that a module has got and not answered."""
        return len(self._in_flight)

    def close(self) -> None:
        """The station ends: who waits for an answer gets one."""
        for call in list(self._in_flight):
            call.fail(CallError("Shutdown", "the station is shutting down"))

    def _take(self, incoming: IncomingCall, topic: TreeTopic) -> _Taken:
        """Judges a call; raises CallError where it is refused."""
        if incoming.problem is not None:
            raise incoming.problem
        closed = self._closed()
        if closed is not None and not (closed.type == "Shutdown" and self._is_connected(incoming, topic)):
            raise closed
        target, command = self._find(topic)
        if target.interface.hardware and not self._is_connected(incoming, topic):
            self._refuse("hardware", topic, f"{incoming.origin} is not connected to it")
            raise CallError(
                "HandlerException",
                "commands of hardware interfaces are taken only from modules that the configuration connects",
            )
        try:
            arguments = command.validate_arguments(arguments_as_json(incoming.arguments))
        except ArgumentError as error:
            raise CallError("SchemaValidationFailed", str(error)) from None
        if len(self._in_flight) >= MAX_IN_FLIGHT:
            raise CallError("NotReady", f"{MAX_IN_FLIGHT} calls are being handled: try again later")
        self._tell_unknown(incoming.arguments, topic, command)
        call_id = incoming.id if isinstance(incoming.id, str) else str(incoming.id)
        call: Call[Any] = Call(target, command, arguments, incoming.origin, None, call_id)
        clock = self._bus.clock
        deadline = clock.call_at(
            clock.now_s() + command.timeout_s + GRACE_S,
            lambda: call.fail(CallError("Timeout", f"no result within {command.timeout_s:g} s")),
        )
        taken = _Taken(target, call, incoming.id, incoming.enveloped, deadline)
        self._in_flight[call] = taken
        return taken

    def _is_connected(self, incoming: IncomingCall, topic: TreeTopic) -> bool:
        """Whether a module of another process calls what the configuration connects it to.

        Such a one is heard to the end: it may have to switch power off on a board of ours.
        """
        target = self._bus.implementations.get((topic.module_id, topic.implementation_id))
        return target is not None and incoming.origin in target.standalone_callers

    def _find(self, topic: TreeTopic) -> tuple[Implementation[Any], Command[..., Any]]:
        module_id, implementation_id, name = topic.module_id, topic.implementation_id, topic.name
        target = self._bus.implementations.get((module_id, implementation_id))
        if target is None:
            there = [found for module, found in self._bus.implementations if module == module_id]
            if there:
                raise _unknown(f"module {module_id} has no implementation {implementation_id}", there)
            modules = {module for module, _ in self._bus.implementations}
            raise _unknown(f"there is no module {module_id}", modules)
        command = target.interface.commands.get(name)
        if command is None:
            raise _unknown(
                f"interface {target.interface.interface_name} has no command {name}",
                target.interface.commands,
            )
        if name in target.unhandled():
            raise CallError("HandlerException", f"module {module_id} does not implement {command!r}")
        return target, command

    def _seen(self, key: tuple[str, bytes]) -> bool:
        """Whether this is a call delivered again; if it is finished, it is answered again."""
        now = self._now()
        while self._recent and next(iter(self._recent.values()))[0] <= now:
            self._recent.popitem(last=False)
        if key not in self._recent:
            return False
        _, taken = self._recent[key]
        if taken.call.outcome is not None:
            self._answer(taken)
        return True

    def _answer(self, taken: _Taken) -> None:
        call = taken.call
        dialect = answering(self._dialect, enveloped=taken.enveloped)
        topic = self._topics.response(
            call.target.module_id, call.target.implementation_id, call.command.name, call.origin
        )
        self._send(topic, partial(outcome_as_json, dialect, call, taken.id))

    def _answer_error(self, incoming: IncomingCall, topic: TreeTopic, error: CallError) -> None:
        dialect = answering(self._dialect, enveloped=incoming.enveloped)
        response = self._topics.response(
            topic.module_id, topic.implementation_id, topic.name, incoming.origin
        )
        answer = dialect.error_result(topic.name, incoming.id, topic.module_id, error)
        self._send(response, partial(to_json, answer))

    def _send(self, topic: str, render: Render) -> None:
        self._sender.event(topic, render, self._dialect.command_delivery, Rank.MIRROR)

    def _topic(self, topic: TreeTopic) -> str:
        return self._topics.command(topic.module_id, topic.implementation_id, topic.name)

    def _refuse(self, kind: str, topic: TreeTopic, reason: str) -> None:
        target = self._bus.implementations.get((topic.module_id, topic.implementation_id))
        known = target is not None and topic.name in target.interface.commands
        self._seldom.warning(
            # Topics that do not exist share one line: there is no end of them.
            (kind, topic if known else None),
            "command from MQTT refused",
            topic=self._topic(topic)[:200],
            reason=reason,
        )

    def _tell_unknown(self, given: Iterable[str], topic: TreeTopic, command: Command[..., Any]) -> None:
        for name in given:
            key = (topic.module_id, topic.implementation_id, topic.name, name)
            if (
                name in command.arguments
                or key in self._told_arguments
                or len(self._told_arguments) >= _MAX_LOGGED_ARGUMENTS
            ):
                continue
            self._told_arguments.add(key)
            self._seldom.warning(
                ("argument", key),
                "an argument is ignored, the command does not have it",
                topic=self._topic(topic),
                argument=name[:60],
            )


def _unknown(what: str, there: Iterable[str]) -> CallError:
    names = sorted(there)
    more = "" if len(names) <= _MAX_NAMED else f" and {len(names) - _MAX_NAMED} more"
    listed = ", ".join(names[:_MAX_NAMED]) + more if names else "none"
    return CallError("SchemaValidationFailed", f"{what}; there are: {listed}")
