"""This daemon as the manager of standalone modules (reference everest-framework §6b).

It tells them what there is, answers what they ask, counts who is ready, says once that all are, and hands on what
they say to their peers on the bus. A module that starts anew is configured anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from evse_daemon.config.model import RunConfig
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.module import Journal
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.dialects import Delivery
from evse_daemon.mqtt.outbox import Rank, Withdrawn, already
from evse_daemon.mqtt.topics import Topics
from evse_daemon.standalone import config_messages as messages
from evse_daemon.standalone import definitions
from evse_daemon.standalone.config_messages import GENERATIONS, MessageError
from evse_daemon.standalone.configuration import Change, Configuration
from evse_daemon.standalone.exchange import QOS, Exchange
from evse_daemon.standalone.remote_module import RemoteModule
from evse_daemon.station import Station
from evse_daemon.store import StoreError

SET_ANSWER_S = 5.0
"""How long a running module may take to say what it makes of a changed value; it is asked twice."""

START_S = 20.0
"""How long the modules of this process wait for the others."""

MAX_SETTINGS = 16
"""Changed values of which a module has to tell yet what it makes of them; further ones wait for its next start."""

STORED = "parameters"
"""The key of changed values among the settings that the journal keeps for a module."""

_RETAINED, _CLEARED, _SPOKEN = Delivery(QOS, retain=True), Delivery(0, retain=True), Delivery(QOS)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Member:
    """A standalone module on its way to being ready."""

    module: RemoteModule
    asked: bool = False
    """It has asked for its configuration since it was ready last."""
    ready: bool = False


@dataclass(slots=True)
class _Setting:
    """A changed value that a running module has been told of."""

    origin: str
    change: Change
    again: bool
    timer: Timer


class StandaloneModules(Exchange):
    """The manager's part, and the way between the bus and the modules of other processes.

    Args:
        config: the run configuration.
        station: it is built already.
        journal: where changed values are kept.
        all_ready: called when the station and every standalone module are ready, and again for each that has started
            anew; its argument says whether GlobalReady is to be published.
        begin: called once, when the modules of this process should begin: with all others, as in EVerest, or after
            START_S without those that are missing.
    """

    def __init__(
        self,
        config: RunConfig,
        topics: Topics,
        station: Station,
        journal: Journal,
        all_ready: Callable[[bool], None],
        begin: Callable[[], None],
    ) -> None:
        modules = {
            module_id: module
            for module_id, module in station.modules.items()
            if isinstance(module, RemoteModule)
        }
        self._config = config
        super().__init__(topics, modules)
        self._clock = station.bus.clock
        self._journal = journal
        self._all_ready = all_ready
        self._begin = begin
        self._begun = False
        self._generation = GENERATIONS[config.daemon.config_messages]
        self._described = definitions.described(config)
        self._configuration = Configuration(self._generation, self._described)
        self._members = {module_id: _Member(module) for module_id, module in modules.items()}
        self._ready_topics = {topics.module_ready(module_id): module_id for module_id in modules}
        self._set_topics = {topics.set_response(module_id): module_id for module_id in modules}
        self._retained: list[str] = []
        self._settings: dict[str, list[_Setting]] = {}
        self._stored: dict[str, dict[str, dict[str, str]]] = {}
        self._station_ready = False
        self._released = False
        self._connection = 0
        for module_id, module in modules.items():
            module.deadline_s = config.daemon.standalone_deadline_s
            module.callers = _callers(config, module_id)
            self._restore(module_id)

    # For the gateway

    def subscriptions(self) -> list[tuple[str, int]]:
        topics = [self._topics.all_commands, self._topics.config_request]
        topics += [topic for module_id in self._members for topic in self._topics.said_by(module_id)]
        return [(topic, QOS) for topic in topics]

    def leftovers(self) -> tuple[str, ...]:
        return self._topics.definitions

    def missing(self) -> list[str]:
        return [module_id for module_id, member in self._members.items() if not member.ready]

    def reconnected(self) -> None:
        self._connection += 1
        self._retained.clear()
        # A module that starts just now has got them already, or has ended with its connection.
        if not self._released and not self._booting():
            self._publish_definitions()

    def stopping(self) -> None:
        self._clear_definitions()
        if self._generation.shutdown:
            self._sender.event(self._topics.shutdown, already(b"true"), _SPOKEN, Rank.KEEP)

    def station_ready(self) -> None:
        """The modules of this process are initialised."""
        self._station_ready = True
        for member in self._members.values():
            member.module.context.inbox.put(member.module.ready)
        self._release()
        self._clock.call_at(self._clock.now_s() + START_S, self._begin_without)

    def reconfigured(self, config: RunConfig, module_ids: Iterable[str]) -> None:
        """Modules of this process have taken over other options: whoever asks is told those."""
        for module_id in module_ids:
            entry = config.modules[module_id]
            self._described[module_id] = definitions.Described(entry, definitions.parameters_of(entry))

    def _begin_without(self) -> None:
        """Some are missing still: what can go without them goes on."""
        if not self._begun:
            log.error(
                "the station begins without standalone modules that are not ready", modules=self.missing()
            )
            self._all_ready(False)
            self._begin_now()

    def _begin_now(self) -> None:
        if not self._begun:
            self._begun = True
            self._begin()

    def _receive(self, message: Inbound) -> bool:
        if message.topic == self._topics.config_request:
            if not message.retain:
                self._asked(message.payload)
            return True
        if (module_id := self._ready_topics.get(message.topic)) is not None:
            if not message.retain:
                self._told_ready(module_id, message.payload)
            return True
        if (module_id := self._set_topics.get(message.topic)) is not None:
            self._was_set(module_id, message.payload)
            return True
        return self.hear(message)

    # What the modules say

    def speaks(self, module: RemoteModule) -> None:
        """A module that was not configured by this run and talks: this daemon has started anew, not the module."""
        member = self._members[module.module_id]
        if not member.ready and not member.asked:
            log.info("a standalone module runs already", module=member.module.module_id)
            member.ready = True
            member.module.told_ready()
            self._release(announce=False)

    def _told_ready(self, module_id: str, payload: bytes) -> None:
        msg_type, data = messages.read(payload)
        if msg_type != "ModuleReady" or not isinstance(data, bool):
            raise MessageError("it is no ModuleReady with true or false")
        member = self._members[module_id]
        anew, member.asked = member.asked or not member.ready, False
        member.ready = data
        member.module.told_ready(ready=data)
        if not data:
            return
        self._seldom.info(("ready", module_id), "a standalone module is ready", module=module_id)
        if not self._released:
            self._release()
        elif anew:
            self._settle_definitions()
            self._all_ready(True)

    def _release(self, *, announce: bool = True) -> None:
        """All are ready: once in a run."""
        if self._released or not self._station_ready or self.missing():
            return
        self._released = True
        self._settle_definitions()
        # A real module may go deaf by a second GlobalReady; where none has started there is nobody to tell.
        self._all_ready(announce)
        self._begin_now()

    # What they ask

    def _asked(self, payload: bytes) -> None:
        asked = messages.read_request(self._generation, payload)
        if isinstance(asked.request, messages.GetModule) and asked.origin in self._members:
            self._configures(asked.origin)
        reply = self._configuration.answer(asked)
        if isinstance(reply, Change):
            self._store(asked.origin, reply)
        elif "/" not in asked.origin and "+" not in asked.origin and "#" not in asked.origin:
            self._answer(asked.origin, reply.payload)

    def _configures(self, module_id: str) -> None:
        member = self._members[module_id]
        self._seldom.info(
            ("asks", module_id), "a standalone module asks for its configuration", module=module_id
        )
        if not self._retained:
            self._publish_definitions()
        member.asked = True
        member.ready = False
        member.module.configuring()

    def _answer(self, module_id: str, payload: bytes) -> None:
        connection = self._connection

        def render() -> bytes:
            # Who asked before an outage has ended with it, and asks again: two answers would be one too many.
            if connection != self._connection:
                raise Withdrawn
            return payload

        self._sender.event(self._topics.config_response(module_id), render, _SPOKEN, Rank.KEEP)

    # Definitions

    def _booting(self) -> bool:
        return any(member.asked for member in self._members.values())

    def _publish_definitions(self) -> None:
        classes = {entry.cls.__name__: entry.cls for entry in self._config.modules.values()}
        interfaces = definitions.interfaces_of(classes.values())
        topic = self._topics.definition
        retained: dict[str, Any] = {topic("interfaces"): list(interfaces)}
        for name, interface in interfaces.items():
            retained[topic("interface_definitions", name)] = definitions.interface_definition(interface)
        retained[topic("types")] = []
        retained[topic("settings")] = definitions.settings(self._config)
        for name, cls in classes.items():
            retained[topic("manifests", name)] = definitions.manifest(cls)
        retained[topic("module_names")] = {
            module_id: entry.cls.__name__ for module_id, entry in self._config.modules.items()
        }
        for name, data in retained.items():
            payload = messages.definition(self._generation, data)
            self._sender.newest(name, already(payload), _RETAINED)
        self._retained = list(retained)

    def _settle_definitions(self) -> None:
        if not self._booting():
            self._clear_definitions()

    def _clear_definitions(self) -> None:
        for topic in self._retained:
            self._sender.newest(topic, already(b""), _CLEARED)
        self._retained.clear()

    # Changed values

    def _restore(self, module_id: str) -> None:
        try:
            stored = self._journal.settings(module_id).get(STORED, {})
        except StoreError as error:
            log.error("changed values of a module cannot be read", module=module_id, reason=str(error))  # noqa: TRY400
            return
        self._stored[module_id] = stored
        self._configuration.restore(module_id, stored)

    def _store(self, origin: str, change: Change) -> None:
        """Stored first, told to the module then, answered last."""
        identifier = change.identifier
        stored = self._stored.setdefault(identifier.module_id, {})
        stored.setdefault(identifier.implementation_id, {})[identifier.parameter] = change.text
        self._journal.save_settings(
            identifier.module_id, {STORED: stored}, partial(self._has_stored, origin, change)
        )

    def _has_stored(self, origin: str, change: Change, problem: str | None) -> None:
        if problem is not None:
            self._answer(origin, messages.was_set(self._generation, "Rejected", problem, "Ok", problem))
            return
        self._configuration.store(change)
        module_id = change.identifier.module_id
        told = len(self._settings.get(module_id, ()))
        if change.at_run_time and self._members[module_id].module.up and told < MAX_SETTINGS:
            self._tell_change(origin, change, again=False)
        else:
            self._answer(origin, messages.was_set(self._generation, "RebootRequired"))

    def _tell_change(self, origin: str, change: Change, *, again: bool) -> None:
        module_id = change.identifier.module_id
        payload = messages.set_request(self._generation, change.identifier, change.text)
        self._sender.event(self._topics.set_request(module_id), already(payload), _SPOKEN, Rank.KEEP)
        clock = self._clock
        setting = _Setting(
            origin,
            change,
            again,
            clock.call_at(clock.now_s() + SET_ANSWER_S, lambda: self._set_late(setting)),
        )
        self._settings.setdefault(module_id, []).append(setting)

    def _set_late(self, setting: _Setting) -> None:
        self._settings[setting.change.identifier.module_id].remove(setting)
        if not setting.again:
            self._tell_change(setting.origin, setting.change, again=True)
            return
        reason = "the module did not answer"
        payload = messages.was_set(self._generation, "RebootRequired", reason, "Ok", reason)
        self._answer(setting.origin, payload)

    def _was_set(self, module_id: str, payload: bytes) -> None:
        status, reason = messages.read_set_response(self._generation, payload)
        waiting = self._settings.get(module_id)
        if not waiting:
            return
        setting = waiting.pop(0)
        setting.timer.cancel()
        if status == "Accepted":
            answer = messages.was_set(self._generation, "Accepted")
        else:
            reason = reason or "Runtime change rejected by module"
            answer = messages.was_set(self._generation, "RebootRequired", reason, "Ok", reason)
        self._answer(setting.origin, answer)


def _callers(config: RunConfig, module_id: str) -> dict[str, str]:
    """By implementation of a module, who calls it first."""
    found: dict[str, str] = {}
    for caller, entry in config.modules.items():
        for targets in entry.connections.values():
            for target in targets:
                if target.module_id == module_id:
                    found.setdefault(target.implementation_id, caller)
    return found
