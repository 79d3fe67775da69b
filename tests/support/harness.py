"""Builds modules on a bus in virtual time, without a station, a broker or a disk.

    world = World()
    world.add(YetiSimulator, "yeti", options={"connector_id": 1})
    car = world.add(EvManager, "car", options={"connector_id": 1},
                    connections={"ev_board_support": [("yeti", "ev_board_support")]})
    world.start()
    world.call(("car", "main"), CarSimulator.execute_charging_session, "iec_wait_pwr_ready")
    world.advance(2)
    assert world.published(("yeti", "board_support"), EvseBoardSupport.event)[-1].event == "B"

A peer that is no real module is made by ``fake``: it answers calls with what ``handle`` says, publishes with
``publish`` and raises errors, and what it was sent is found with ``calls``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

from evse_daemon.framework.bus import Bus, Client, Implementation, Inbox
from evse_daemon.framework.calls import Call, CallError, CallIds, RejectedError
from evse_daemon.framework.clock import VirtualClock
from evse_daemon.framework.errors import Error
from evse_daemon.framework.errors import Mapping as Place
from evse_daemon.framework.interface import Command, Interface, Var
from evse_daemon.framework.limit_source import LimitSource
from evse_daemon.framework.module import Context, Module, Provides
from evse_daemon.store.memory import MemoryJournal
from tests.support.fakes import FakeJournal, FakeMqtt
from tests.support.recorder import Recorder

M = TypeVar("M", bound=Module)
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Where = tuple[str, str]
"""A module id and the id of one of its implementations."""

TESTER = "tester"
"""The caller of ``World.call`` and ``World.begin``."""


def _raise(module_id: str, error: Exception) -> None:
    raise error


class World:
    """Some modules, joined as a configuration would join them, and everything they say.

    Args:
        utc: the time of day at the start.
        failed: told of an exception that left a handler; without it the test fails with that exception.
        stored: the journal of a world before this one (``old.journal.memory``): the station has rebooted.
    """

    def __init__(
        self,
        utc: dt.datetime | None = None,
        failed: Callable[[str, Exception], None] = _raise,
        stored: MemoryJournal | None = None,
    ) -> None:
        self.clock = VirtualClock(utc)
        self.mqtt = FakeMqtt()
        self.journal = FakeJournal(self.clock, stored)
        self.bus = Bus(self.clock, schedule=lambda _pump: None, call_ids=CallIds("everest"), failed=failed)
        self.recorder = Recorder(self.clock)
        self.bus.taps.append(self.recorder)
        self.modules: dict[str, Module] = {}
        self.spawned: list[tuple[str, str]] = []
        """Module id and name of each task that a module started; its coroutine is not run."""
        self._tester = Inbox(self.bus, TESTER)
        self._connections: dict[str, Mapping[str, Sequence[Where]]] = {}

    def add(
        self,
        module_class: type[M],
        module_id: str,
        options: Mapping[str, Any] | None = None,
        *,
        impl_options: Mapping[str, Mapping[str, Any]] | None = None,
        connections: Mapping[str, Sequence[Where]] | None = None,
        mapping: Place | None = None,
        impl_mappings: Mapping[str, Place] | None = None,
        limit_source: LimitSource | None = None,
    ) -> M:
        """Constructs a module; call ``start`` when all are there, in whichever order they were added.

        Args:
            module_class: the class that is tested.
            module_id: its name in the world.
            options: of the module, as in the configuration; validated by its ``Options``.
            impl_options: of its implementations, by implementation id.
            connections: by requirement id, the implementations it is joined to.
            mapping: the EVSE and connector it belongs to.
            impl_mappings: the same for single implementations.
            limit_source: what is expected of whoever sets limits at it.
        """
        assert module_id not in self.modules, f"there is a module {module_id} already"
        assert set(impl_options or {}) <= set(module_class.provides), "options of an unknown implementation"
        context = Context(
            module_id=module_id,
            bus=self.bus,
            inbox=Inbox(self.bus, module_id),
            clock=self.clock,
            mqtt=self.mqtt,
            journal=self.journal,
            spawn=lambda name, coroutine: self._spawn(module_id, name, coroutine),
            options=module_class.Options.model_validate(dict(options or {})),
            implementation_options={
                name: declared.options.model_validate(dict((impl_options or {}).get(name, {})))
                for name, declared in module_class.provides.items()
            },
            mapping=mapping,
            implementation_mappings=dict(impl_mappings or {}),
            limit_source=limit_source,
        )
        module = module_class(context)
        self.modules[module_id] = module
        self._connections[module_id] = connections or {}
        return module

    def fake(
        self, module_id: str, mapping: Place | None = None, **implementations: type[Interface]
    ) -> dict[str, Implementation[Any]]:
        """A peer without logic: ``fake("board", board_support=EvseBoardSupport)``.

        Its commands answer with None where they have no result, and refuse otherwise, until ``.handle`` is called
        on the implementation that is returned under its id.
        """
        declared: dict[str, Any] = {name: Provides(interface) for name, interface in implementations.items()}
        module_class: type[Module] = type("Fake", (Module,), declared)
        module = self.add(module_class, module_id, mapping=mapping)
        for implementation in module.implementations.values():
            for name, command in implementation.interface.commands.items():
                implementation.handle(command, _canned_handler(name, command))
        return module.implementations

    def start(self) -> None:
        """Connects the modules, initialises all of them, then tells each that it is ready."""
        for module_id, module in self.modules.items():
            module.context.connections.update(self._resolve(module_id, module))
            module.connect()
        for module in self.modules.values():
            module.init()
        for module_id, module in self.modules.items():
            for implementation in module.implementations.values():
                assert not implementation.unhandled(), (
                    f"{module_id}/{implementation.implementation_id} does not handle {implementation.unhandled()}"
                )
        self.settle()
        for module in self.modules.values():
            module.ready()
        self.settle()

    def settle(self) -> None:
        """Handles everything that is due now, and what it causes; no time passes."""
        self.advance(0)

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.clock.advance(seconds, self.bus.settle)

    def call(self, where: Where, command: Command[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls a command as another module would, and gives its result.

        Raises:
            CallError: the call failed.
            AssertionError: there is no result yet; use ``begin`` for commands that take time.
        """
        call = self.begin(where, command, *args, **kwargs)
        self.settle()
        assert call.outcome is not None, f"{command} has no result yet"
        if isinstance(call.outcome, CallError):
            raise call.outcome
        return call.outcome[0]

    def begin(self, where: Where, command: Command[P, R], *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Calls a command; its ``outcome`` is there when time has passed."""
        client: Client[Any] = Client(self.bus.implementations[where], self._tester)
        return client.call(command, *args, **kwargs).then(lambda _result: None, lambda _error: None)

    def send(self, topic: str, payload: str) -> None:
        """A client publishes on a topic outside the module tree, and it is handled."""
        self.mqtt.send(topic, payload)
        self.settle()

    def published(self, where: Where, var: Var[T]) -> list[T]:
        """The values of a variable that were published, oldest first."""
        return [entry.value for entry in self.recorder.select("var", *where, var.name)]

    def calls(self, where: Where, command: Command[..., Any]) -> list[dict[str, Any]]:
        """The arguments of each call of a command, oldest first."""
        return [entry.value for entry in self.recorder.select("call", *where, command.name)]

    def errors(self, where: Where) -> list[str]:
        """The types of the active errors of an implementation, oldest first."""
        return [error.type for error in self.active_errors(where)]

    def active_errors(self, where: Where) -> tuple[Error, ...]:
        return self.bus.implementations[where].errors.active

    def _resolve(self, module_id: str, module: Module) -> dict[str, Sequence[Implementation[Any]]]:
        wanted = self._connections[module_id]
        unknown = set(wanted) - set(module.requires)
        assert not unknown, f"{module_id} has no requirement {sorted(unknown)}"
        found: dict[str, Sequence[Implementation[Any]]] = {}
        for name, requirement in module.requires.items():
            peers = [self.bus.implementations[where] for where in wanted.get(name, ())]
            assert requirement.minimum <= len(peers) <= requirement.maximum, (
                f"{module_id}.{name} wants {requirement.minimum} to {requirement.maximum} connections, has {len(peers)}"
            )
            for peer in peers:
                assert peer.interface is requirement.interface, (
                    f"{module_id}.{name} wants {requirement.interface.interface_name}, "
                    f"{peer.module_id}/{peer.implementation_id} is {peer.interface.interface_name}"
                )
            found[name] = peers
        return found

    def _spawn(self, module_id: str, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        self.spawned.append((module_id, name))
        coroutine.close()


def _canned_handler(name: str, command: Command[..., Any]) -> Callable[..., Any]:
    answers_nothing = command.result.core_schema["type"] == "none"

    def handler(**_arguments: Any) -> None:
        if not answers_nothing:
            raise RejectedError(f"the test has not said what {name} answers")

    return handler
