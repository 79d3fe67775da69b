"""The bus inside the process: inboxes, implementations, clients (design rule 3).

Handlers are plain functions that never wait. Publishing and calling put items into the inboxes of the receivers;
the pump takes one item after another, module by module. Nothing ever runs on its sender's stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import structlog

from evse_daemon.framework.calls import Call, CallError, CallIds, Deferred
from evse_daemon.framework.clock import Clock, timestamp
from evse_daemon.framework.errors import Error, ErrorManager, Mapping, Severity
from evse_daemon.framework.interface import Command, Interface, Var
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.types.error_lists import description, error_types

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
I_co = TypeVar("I_co", bound=Interface, covariant=True)

INBOX_LIMIT = 10_000
"""Items that a module may be behind; beyond it the module has failed (it lives in this thread, so it never should)."""

BATCH = 64
"""Items handled before the event loop gets its turn."""

OBSERVER = "observer of the bus"
"""In the place of a module's id, where a tap failed."""

log = structlog.get_logger(__name__)


class InboxOverflowError(RuntimeError):
    """A module does not keep up with what it is sent."""


class Tap(Protocol):
    """Sees everything that crosses the bus; the gateway to the broker is one."""

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None: ...

    def call_made(self, call: Call[Any]) -> None: ...

    def call_finished(self, call: Call[Any]) -> None: ...

    def error_changed(self, source: Implementation[Any], error: Error) -> None: ...


class Inbox:
    """What one module has yet to handle, in the order in which it arrived; of telemetry only the latest."""

    __slots__ = ("_bus", "_latest", "_queue", "_ready", "closed", "module_id", "refused")

    def __init__(self, bus: Bus, module_id: str) -> None:
        self.module_id = module_id
        self.closed = False
        self.refused = 0
        """Items that found it full."""
        self._bus = bus
        self._queue: deque[list[Any]] = deque()
        self._latest: dict[Hashable, list[Any]] = {}
        self._ready = False

    def put(self, callback: Callable[..., None], *args: Any) -> None:
        """Has the module call this back."""
        if self.closed:
            return
        if len(self._queue) >= INBOX_LIMIT:
            self.refused += 1
            self._bus.fail(
                self.module_id, InboxOverflowError(f"{self.module_id} is {INBOX_LIMIT} messages behind")
            )
            return
        self._queue.append([None, callback, args])
        self._wake()

    def put_latest(self, key: Hashable, callback: Callable[..., None], *args: Any) -> None:
        """As put, but replaces an item of the same key that waits still, in its place."""
        waiting = self._latest.get(key)
        if waiting is not None:
            waiting[2] = args
            return
        self.put(callback, *args)
        if self._queue:
            self._queue[-1][0] = key
            self._latest[key] = self._queue[-1]

    def take(self) -> tuple[Callable[..., None], tuple[Any, ...]]:
        key, callback, args = self._queue.popleft()
        if key is not None:
            del self._latest[key]
        return callback, args

    def close(self) -> list[Call[Any]]:
        """Nothing reaches the module any more; gives the calls that it has not handled."""
        self.closed = True
        unhandled = [item for _, _, args in self._queue for item in args if isinstance(item, Call)]
        self._queue.clear()
        self._latest.clear()
        return unhandled

    def __len__(self) -> int:
        return len(self._queue)

    def _wake(self) -> None:
        if not self._ready:
            self._ready = True
            self._bus.wake(self)

    def rested(self) -> None:
        self._ready = False


class Bus:
    """Joins the modules of a station.

    Args:
        clock: the control clock.
        schedule: runs a function soon, on a clean stack; ``loop.call_soon`` in a daemon.
        call_ids: makes and knows the ids of our own calls.
        failed: told of each exception that leaves a handler, with the module's id.
    """

    def __init__(
        self,
        clock: Clock,
        schedule: Callable[[Callable[[], None]], Any],
        call_ids: CallIds,
        failed: Callable[[str, Exception], None],
    ) -> None:
        self.clock = clock
        self.call_ids = call_ids
        self.taps: list[Tap] = []
        self.fail = failed
        self.seldom = RateLimitedLog(log)
        self.implementations: dict[tuple[str, str], Implementation[Any]] = {}
        self._schedule = schedule
        self._ready: deque[Inbox] = deque()
        self._seen: deque[tuple[str, tuple[Any, ...]]] = deque()
        self._scheduled = False

    def timestamp(self) -> str:
        """The time of day as it is published."""
        return timestamp(self.clock.utc())

    def wake(self, inbox: Inbox) -> None:
        self._ready.append(inbox)
        self._soon()

    def show(self, what: Callable[..., None], *of: Any) -> None:
        """Has the taps see something, in its order, when the modules have nothing to do: a mirror never delays them.

        Args:
            what: a method of Tap.
            of: its arguments.
        """
        if self.taps:
            self._seen.append((what.__name__, of))
            self._soon()

    def settle(self) -> None:
        """Handles everything that is pending, and what it causes; for tests and for making the outputs safe."""
        while self._ready or self._seen:
            while self._ready:
                self._handle_one()
            self._show_all()

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._schedule(self._pump)

    def _pump(self) -> None:
        for _ in range(BATCH):
            if not self._ready:
                break
            self._handle_one()
        self._show_all()
        if self._ready:
            self._schedule(self._pump)
        else:
            self._scheduled = False

    def _show_all(self) -> None:
        while self._seen:
            name, of = self._seen.popleft()
            for tap in self.taps:
                try:
                    getattr(tap, name)(*of)
                except Exception as error:  # noqa: BLE001 - an observer must not stop what it observes
                    self.fail(OBSERVER, error)

    def _handle_one(self) -> None:
        inbox = self._ready.popleft()
        if len(inbox):
            callback, args = inbox.take()
            try:
                callback(*args)
            except Exception as error:  # noqa: BLE001 - a module's failure stays in the module (design rule 9)
                self.fail(inbox.module_id, error)
        if len(inbox):
            self._ready.append(inbox)
        else:
            inbox.rested()


class Implementation(Generic[I_co]):
    """One interface as one module provides it."""

    def __init__(
        self, bus: Bus, inbox: Inbox, interface: type[I_co], implementation_id: str, mapping: Mapping | None
    ) -> None:
        self.bus = bus
        self.interface = interface
        self.module_id = inbox.module_id
        self.implementation_id = implementation_id
        self.mapping = mapping
        self.errors = ErrorManager(error_types(interface.error_namespaces), self._error_changed)
        self.last_values: dict[str, Any] = {}
        """The latest value of each variable that was published."""
        self._inbox = inbox
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._subscribers: dict[str, list[tuple[Inbox, Callable[[Any], None]]]] = {}
        self._error_subscribers: list[tuple[Inbox, Callable[[Error], None]]] = []
        self._lost_subscribers: list[tuple[Inbox, Callable[[], None]]] = []
        self.lost = False
        self.standalone_callers: set[str] = set()
        """Modules of other processes that the configuration connects to it."""
        bus.implementations[self.module_id, implementation_id] = self

    def publish(self, var: Var[T], value: T) -> None:
        """Publishes a variable to its subscribers and to the broker."""
        self.last_values[var.name] = value
        for inbox, handler in self._subscribers.get(var.name, ()):
            if var.kind == "telemetry":
                inbox.put_latest((self, var.name, handler), handler, value)
            else:
                inbox.put(handler, value)
        self.bus.show(Tap.var_published, self, var, value)

    def handle(self, command: Command[P, R], handler: Callable[P, R | Deferred[R]]) -> None:
        """Says which function handles a command; its exceptions answer the call as HandlerException."""
        self._handlers[command.name] = handler

    def unhandled(self) -> list[str]:
        """The commands of the interface that nobody handles."""
        return [name for name in self.interface.commands if name not in self._handlers]

    def raise_error(
        self,
        type_: str,
        message: str,
        *,
        severity: Severity = "High",
        sub_type: str = "",
        description_: str | None = None,
        vendor_id: str = "everest",
    ) -> bool:
        """Raises an error of the interface; False where (type, sub_type) is active already."""
        if self.errors.is_active(type_, sub_type):
            return False
        return self.errors.raise_error(
            Error(
                type=type_,
                sub_type=sub_type,
                message=message,
                description=description(type_) if description_ is None else description_,
                severity=severity,
                module_id=self.module_id,
                implementation_id=self.implementation_id,
                mapping=self.mapping,
                timestamp=self.bus.timestamp(),
                vendor_id=vendor_id,
            )
        )

    def clear_error(self, type_: str, sub_type: str = "") -> bool:
        """Clears an error; False where it is not active."""
        return self.errors.clear_error(type_, sub_type)

    def subscribe(self, inbox: Inbox, name: str, handler: Callable[[Any], None]) -> None:
        self._subscribers.setdefault(name, []).append((inbox, handler))

    def subscribe_errors(self, inbox: Inbox, handler: Callable[[Error], None]) -> None:
        self._error_subscribers.append((inbox, handler))

    def subscribe_lost(self, inbox: Inbox, handler: Callable[[], None]) -> None:
        self._lost_subscribers.append((inbox, handler))

    def new_call_id(self) -> str:
        return self.bus.call_ids.new()

    def call_finished(self, call: Call[Any]) -> None:
        self.bus.show(Tap.call_finished, call)

    def call_failed(self, call: Call[Any], error: CallError) -> None:
        self.bus.seldom.warning(
            (call.origin, self.module_id, self.implementation_id, call.command.name, error.type),
            "command failed",
            caller=call.origin,
            module=self.module_id,
            implementation=self.implementation_id,
            command=call.command.name,
            error=error.type,
            reason=error.message,
        )

    def accept(self, call: Call[Any]) -> None:
        """Takes a call into the module's inbox."""
        self.bus.show(Tap.call_made, call)
        if self.lost:
            call.fail(CallError("HandlerException", f"module {self.module_id} has failed"))
            return
        self._inbox.put(self.run, call)

    def lose(self) -> None:
        """The module has failed for good: its peers are told, calls to it are answered with an error."""
        self.lost = True
        for inbox, handler in self._lost_subscribers:
            inbox.put(handler)

    def run(self, call: Call[Any]) -> None:
        """Carries out a call that the module's inbox has come to."""
        try:
            outcome = self._handlers[call.command.name](**call.arguments)
        except CallError as error:
            call.fail(error)
            return
        except Exception as error:
            call.fail(CallError("HandlerException", f"{type(error).__name__}: {error}"))
            raise
        if not isinstance(outcome, Deferred):
            call.succeed(outcome)
            return
        clock = self.bus.clock
        timer = clock.call_at(
            clock.now_s() + call.command.timeout_s,
            lambda: call.fail(CallError("Timeout", f"no result within {call.command.timeout_s:g} s")),
        )
        outcome.attach(call, timer)

    def _error_changed(self, error: Error) -> None:
        for inbox, handler in self._error_subscribers:
            inbox.put(handler, error)
        self.bus.show(Tap.error_changed, self, error)


class Client(Generic[I_co]):
    """Another module's implementation, as a module that requires it sees it."""

    def __init__(self, implementation: Implementation[I_co], inbox: Inbox) -> None:
        self._implementation = implementation
        self._inbox = inbox

    @property
    def module_id(self) -> str:
        return self._implementation.module_id

    @property
    def implementation_id(self) -> str:
        return self._implementation.implementation_id

    @property
    def mapping(self) -> Mapping | None:
        return self._implementation.mapping

    def subscribe(self, var: Var[T], handler: Callable[[T], None]) -> None:
        """Has a handler called with each value of a variable."""
        self._implementation.subscribe(self._inbox, var.name, handler)

    def subscribe_errors(self, handler: Callable[[Error], None]) -> None:
        """Has a handler called with each error that is raised or cleared."""
        self._implementation.subscribe_errors(self._inbox, handler)

    def subscribe_lost(self, handler: Callable[[], None]) -> None:
        """Has a handler called when the providing module has failed for good."""
        self._implementation.subscribe_lost(self._inbox, handler)

    def last(self, var: Var[T]) -> T | None:
        """The newest value of a variable; None before the first, and where its module has failed."""
        source = self._implementation
        return None if source.lost else source.last_values.get(var.name)

    def call(self, command: Command[P, R], *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Calls a command; what comes of it is told to ``.then(...)`` of what is returned."""
        call: Call[R] = Call(
            self._implementation, command, command.bind(args, kwargs), self._inbox.module_id, self._inbox
        )
        self._implementation.accept(call)
        return call
