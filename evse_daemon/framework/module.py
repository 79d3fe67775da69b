"""Module classes: what a module provides, requires and can be set to, and what the framework gives it.

class YetiSimulator(Module):
    class Options(ModuleOptions):
        connector_id: int

    board_support = Provides(EvseBoardSupport)
    meter = RequiresOptional(Powermeter)

    def init(self) -> None:            # subscribe, say who handles what
    def ready(self) -> None:           # all modules are initialised: begin
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field

from evse_daemon.framework.bus import Bus, Client, Implementation, Inbox
from evse_daemon.framework.clock import Clock, Timer
from evse_daemon.framework.errors import Mapping
from evse_daemon.framework.interface import Interface
from evse_daemon.framework.limit_source import LimitSource
from evse_daemon.framework.measures import Measure

if TYPE_CHECKING:
    from evse_daemon.framework.devices import Device

I = TypeVar("I", bound=Interface)  # noqa: E741 - stands for Interface


FAILURES = 3
"""Exceptions that a module may have before it counts as failed for good."""


class ModuleOptions(BaseModel):
    """Options of a module or implementation, by EVerest's names (its manifest)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    def advice(self) -> Iterable[tuple[str, str, str]]:
        """What check-config warns of: the option, what there is to mind, what can be done about it."""
        return ()

    def devices(self) -> Iterable[Device]:
        """What of the machine the module uses, which ``evse-daemon doctor`` looks at; nothing is opened here."""
        return ()


def unsupported(default: Any, **constraints: Any) -> Any:
    """An option of EVerest's manifest that has no effect here yet; a value other than the default is warned of."""
    return Field(default, json_schema_extra={"unsupported": True}, **constraints)


def read_write(default: Any = ..., **constraints: Any) -> Any:
    """An option that may be changed while the module runs (EVerest's ``mutability: ReadWrite``).

    Its class takes it over in ``Module.reconfigure``. Every other option needs a restart.
    """
    return Field(default, json_schema_extra={"mutability": "ReadWrite"}, **constraints)


def is_read_write(model: type[BaseModel], name: str) -> bool:
    """Whether an option was declared so."""
    field_info = model.model_fields.get(name)
    extra = None if field_info is None else field_info.json_schema_extra
    return isinstance(extra, dict) and extra.get("mutability") == "ReadWrite"


@dataclass(frozen=True, slots=True)
class Message:
    """A message from an MQTT client outside the module tree."""

    topic: str
    payload: str


class ExternalMqtt(Protocol):
    """Topics outside the module tree (everest_api/…, everest_external/…), with the external prefix applied."""

    @property
    def connected(self) -> bool:
        """Whether there is a broker at present, as far as is known."""

    def publish(
        self,
        topic: str,
        payload: str,
        *,
        qos: int = 0,
        retain: bool = False,
        latest: bool = False,
        volatile: bool = False,
    ) -> None:
        """Publishes.

        Args:
            topic: without the external prefix.
            payload: its text.
            qos: MQTT's quality of service.
            retain: MQTT's retain flag.
            latest: only the newest payload of the topic is kept while the broker is away.
            volatile: it is worthless when it is late: nothing is kept while the broker is away.
        """

    def subscribe(
        self, topic: str, inbox: Inbox, handler: Callable[[Message], None], *, order: bool = True
    ) -> None:
        """Has a handler called with each message on a topic; retained ones are refused before (design rule 4).

        Args:
            topic: without the external prefix; its last level may be ``+``.
            inbox: of the module.
            handler: gets the message.
            order: False where the messages tell something rather than order it: they are taken also while sessions
                are brought to their end.
        """


class Journal(Protocol):
    """The durable record of transactions and operators' settings (design rule 8); see evse_daemon/store."""

    def append(
        self, kind: str, evse: str, payload: dict[str, Any], done: Callable[[str | None], None]
    ) -> None:
        """Commits a record; ``done`` gets None, or what went wrong. It is called from the event loop."""

    def open_transactions(self, evse: str) -> list[dict[str, Any]]:
        """The transactions that were started and not finished, oldest first; see docs/journal.md."""

    def untold_ends(self, evse: str) -> list[dict[str, Any]]:
        """Ends of transactions that were committed and of which ``told`` was not called, oldest first."""

    def told(self, evse: str, session_id: str) -> None:
        """The end of a transaction was told to everybody."""

    def settings(self, evse: str) -> dict[str, Any]:
        """The settings last saved for an EVSE."""

    def save_settings(
        self, evse: str, settings: dict[str, Any], done: Callable[[str | None], None] | None = None
    ) -> None:
        """Commits the settings of an EVSE; ``done`` as for append. Without it a failure is logged."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the framework hands to a module."""

    module_id: str
    bus: Bus
    inbox: Inbox
    clock: Clock
    mqtt: ExternalMqtt
    journal: Journal
    spawn: Callable[[str, Coroutine[Any, Any, None]], None]
    """Runs a coroutine as a named task of the module; its exception is the module's failure."""
    options: ModuleOptions
    implementation_options: dict[str, ModuleOptions] = field(default_factory=dict)
    connections: dict[str, Sequence[Implementation[Any]]] = field(default_factory=dict)
    mapping: Mapping | None = None
    implementation_mappings: dict[str, Mapping] = field(default_factory=dict)
    state_dir: Path | None = None
    station: str = "everest"
    """The station's name on a shared broker: the everest prefix without slash."""
    limit_source: LimitSource | None = None
    """What is expected of whoever sets limits at this node of the energy tree."""


class Provides(Generic[I]):
    """Declares an implementation; on the instance it is the Implementation."""

    def __init__(self, interface: type[I], options: type[ModuleOptions] = ModuleOptions) -> None:
        self.interface = interface
        self.options = options
        self.implementation_id = ""

    def __set_name__(self, owner: type[Module], name: str) -> None:
        self.implementation_id = name
        owner.provides = {**owner.provides, name: self}

    def __get__(self, instance: Module, owner: type[Module]) -> Implementation[I]:
        return instance.implementations[self.implementation_id]


class _Requirement(Generic[I]):
    minimum = 1
    maximum = 1

    def __init__(self, interface: type[I], minimum: int | None = None, maximum: int | None = None) -> None:
        self.interface = interface
        self.requirement_id = ""
        self.minimum = self.minimum if minimum is None else minimum
        self.maximum = self.maximum if maximum is None else maximum

    def __set_name__(self, owner: type[Module], name: str) -> None:
        self.requirement_id = name
        owner.requires = {**owner.requires, name: self}

    def clients(self, instance: Module) -> tuple[Client[I], ...]:
        return instance.clients[self.requirement_id]


class Requires(_Requirement[I]):
    """Declares that the module needs one implementation of an interface; on the instance it is its Client."""

    def __get__(self, instance: Module, owner: type[Module]) -> Client[I]:
        return self.clients(instance)[0]


class RequiresOptional(_Requirement[I]):
    """As Requires, where there may be none."""

    minimum = 0

    def __get__(self, instance: Module, owner: type[Module]) -> Client[I] | None:
        found = self.clients(instance)
        return found[0] if found else None


class RequiresMany(_Requirement[I]):
    """As Requires, where there may be several, in the order of the configuration."""

    minimum = 0
    maximum = 128

    def __get__(self, instance: Module, owner: type[Module]) -> tuple[Client[I], ...]:
        return self.clients(instance)


class Module:
    """Base of all module classes."""

    class Options(ModuleOptions):
        """No options."""

    provides: ClassVar[dict[str, Provides[Any]]] = {}
    requires: ClassVar[dict[str, _Requirement[Any]]] = {}
    implementation_class: ClassVar[type[Implementation[Any]]] = Implementation

    def __init__(self, context: Context) -> None:
        self.context = context
        self.module_id = context.module_id
        self.clock = context.clock
        self.mqtt = context.mqtt
        self.log = structlog.get_logger(type(self).__module__).bind(module=context.module_id)
        self.implementations: dict[str, Implementation[Any]] = {
            name: self.implementation_class(
                context.bus,
                context.inbox,
                declared.interface,
                name,
                context.implementation_mappings.get(name, context.mapping),
            )
            for name, declared in self.provides.items()
        }
        self.clients: dict[str, tuple[Client[Any], ...]] = {}

    def connect(self) -> None:
        """Makes the clients; called once all modules are constructed."""
        self.clients = {
            name: tuple(Client(found, self.context.inbox) for found in self.context.connections.get(name, ()))
            for name in self.requires
        }

    def init(self) -> None:
        """Subscribe to variables and errors, say which function handles which command."""

    def ready(self) -> None:
        """Every module of the station is initialised: begin."""

    def reconfigure(self, context: Context) -> None:
        """Options that are declared ``read_write`` have changed while the module runs: take all of them over.

        Args:
            context: as the present one, but for such options and ``limit_source``. They were validated as at the
                start; nothing may be left half taken over by an exception.
        """
        self.context = context

    def explain(self) -> dict[str, Any] | None:
        """Why this module charges no car, or with so little (docs/explain.md); None: that is not its business."""
        return None

    def measures(self) -> Iterable[Measure]:
        """What it tells a scrape (docs/metrics.md), by evse_daemon/metric_names.py; called where metrics are on."""
        return ()

    def end(self, done: Callable[[], None]) -> None:
        """The process is told to end: bring to its end what must not be cut off, begin nothing new, then call ``done``.

        The other modules go on meanwhile. The station waits for at most station.END_S, then, and at a second signal,
        ``make_safe`` is called whether this is done or not.
        """
        done()

    def make_safe(self) -> None:
        """The process is about to end, or this module has failed: command the outputs safe, wait for nothing."""

    def recover(self, error: Exception, failures: int) -> bool:  # noqa: ARG002 - what a module may judge by
        """An exception left a handler or task of this module; True where the module goes on.

        Args:
            error: the exception.
            failures: how many there were since the start, this one included.
        """
        return failures <= FAILURES

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Calls back later, through the module's inbox."""
        inbox = self.context.inbox
        return self.clock.call_at(self.clock.now_s() + delay_s, lambda: inbox.put(callback))

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Calls back periodically, first after one period, at a fixed rate; missed periods are not made up for."""
        clock, inbox = self.clock, self.context.inbox

        def due(at_s: float) -> None:
            inbox.put_latest(("every", callback), callback)
            next_s = at_s + period_s
            if next_s <= clock.now_s():
                next_s = clock.now_s() + period_s
            clock.call_at(next_s, lambda: due(next_s))

        first_s = clock.now_s() + period_s
        clock.call_at(first_s, lambda: due(first_s))

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine as a task of this module."""
        self.context.spawn(name, coroutine)
