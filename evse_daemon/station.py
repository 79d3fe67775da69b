"""A running station: builds the modules of a configuration, joins them, supervises them, makes the outputs safe."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from evse_daemon import metric_names as names
from evse_daemon.config.model import RunConfig
from evse_daemon.explanation import explanation
from evse_daemon.framework.bus import Bus, Inbox, InboxOverflowError
from evse_daemon.framework.calls import CallError, CallIds
from evse_daemon.framework.clock import Clock
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import Context, ExternalMqtt, Journal, Module

READY = "ready"

END_S = 9.0
"""How long modules may take to end what they do when the process is told to end: a transaction, above all."""

log = structlog.get_logger(__name__)


class Station:
    """The modules of one configuration on one bus.

    Args:
        config: the run configuration.
        clock: the control clock.
        journal: where transactions are kept.
        schedule: runs a function soon; ``loop.call_soon``.
    """

    def __init__(
        self, config: RunConfig, clock: Clock, journal: Journal, schedule: Callable[[Callable[[], None]], Any]
    ) -> None:
        self.config = config
        self.bus = Bus(clock, schedule, CallIds(config.settings.mqtt_everest_prefix), self._failed)
        self.modules: dict[str, Module] = {}
        self._clock = clock
        self._journal = journal
        self._failures: Counter[str] = Counter()
        self._inboxes: dict[str, Inbox] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._unended: set[str] = set()
        self._all_ended: Callable[[], None] = lambda: None
        self._unanswered: set[str] = set()
        self._all_answered: Callable[[], None] = lambda: None
        self._ended = False
        self.begun = asyncio.Event()
        """The modules have been told to begin."""

    def build(self, mqtt: ExternalMqtt) -> None:
        """Constructs, connects and initialises every module.

        Raises:
            RuntimeError: a module class leaves a command of its interfaces unhandled.
        """
        contexts: dict[str, Context] = {}
        for module_id, entry in self.config.modules.items():
            inbox = self._inboxes[module_id] = Inbox(self.bus, module_id)
            contexts[module_id] = Context(
                module_id=module_id,
                bus=self.bus,
                inbox=inbox,
                clock=self._clock,
                mqtt=mqtt,
                journal=self._journal,
                spawn=partial(self._spawn, module_id),
                options=entry.options,
                implementation_options=entry.implementation_options,
                mapping=entry.mapping,
                implementation_mappings=entry.implementation_mappings,
                state_dir=self.config.daemon.state_dir,
                station=self.config.settings.mqtt_everest_prefix.strip("/"),
                limit_source=self.config.daemon.external_limits.get(module_id),
            )
            self.modules[module_id] = entry.cls(contexts[module_id])
        for module_id, entry in self.config.modules.items():
            contexts[module_id].connections.update(
                {
                    name: [
                        self.bus.implementations[found.module_id, found.implementation_id]
                        for found in targets
                    ]
                    for name, targets in entry.connections.items()
                }
            )
            self.modules[module_id].connect()
            if entry.standalone:
                for found in contexts[module_id].connections.values():
                    for implementation in found:
                        implementation.standalone_callers.add(module_id)
        for module_id, module in self.modules.items():
            module.init()
            for name, implementation in module.implementations.items():
                if missing := implementation.unhandled():
                    raise RuntimeError(f"{module_id}/{name} does not handle {', '.join(missing)}")

    def begin(self) -> None:
        """Every module is initialised: they begin."""
        for module_id, module in self.modules.items():
            self._inboxes[module_id].put(module.ready)
        self.begun.set()

    @property
    def failed(self) -> list[str]:
        """The modules that have failed for good."""
        return [module_id for module_id, inbox in self._inboxes.items() if inbox.closed and not self._ended]

    def reconfigure(self, config: RunConfig, module_ids: Iterable[str]) -> None:
        """Has modules take over what has changed in their options.

        Args:
            config: what the station is from now on: as before, but for options that are declared ``read_write``.
            module_ids: those whose options have changed.
        """
        self.config = config
        for module_id in module_ids:
            module, entry = self.modules[module_id], config.modules[module_id]
            context = replace(
                module.context,
                options=entry.options,
                implementation_options=entry.implementation_options,
                limit_source=config.daemon.external_limits.get(module_id),
            )
            self._inboxes[module_id].put(module.reconfigure, context)

    def explain(self) -> dict[str, Any]:
        """Why its EVSEs do not charge, or with so little, each for itself (docs/explain.md)."""
        station = self.config.settings.mqtt_everest_prefix.strip("/")
        return explanation(station, self.modules, self.failed, self._clock.utc())

    def measures(self) -> Iterator[Measure]:
        """See framework.measures: how its modules keep up."""
        failed = self.failed
        for module_id, inbox in self._inboxes.items():
            yield names.INBOX_DEPTH.of(len(inbox), module_id)
            yield names.INBOX_REFUSED.of(inbox.refused, module_id)
            yield names.MODULE_FAILED.of(module_id in failed, module_id)
            yield names.MODULE_EXCEPTIONS.of(self._failures[module_id], module_id)

    async def supervise(
        self,
        until: asyncio.Event,
        at_once: asyncio.Event | None = None,
        begins: asyncio.Event | None = None,
    ) -> None:
        """Runs the modules' tasks until the event is set; whatever ends it, the outputs are made safe first.

        Args:
            until: ends the station: each module may bring what it does to its end, for END_S in all.
            at_once: cuts that short.
            begins: the modules begin when it is set; without it at once.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                end = self._tasks.create_task(until.wait(), name="until")
                if begins is not None:
                    begun = self._tasks.create_task(begins.wait(), name="begins")
                    await asyncio.wait({end, begun}, return_when=asyncio.FIRST_COMPLETED)
                    begun.cancel()
                if not end.done():
                    self.begin()
                await end
                at_once = at_once or asyncio.Event()
                if not at_once.is_set():
                    await self._all_end(at_once)
                self._end()
                for task in tuple(self._running):
                    task.cancel()
        finally:
            self._tasks = None
            self._end()

    def _end(self) -> None:
        """The outputs are made safe, and nothing moves a module any more: none can switch anything on again."""
        self.make_safe()
        self._ended = True
        for inbox in self._inboxes.values():
            inbox.close()

    def end(self, done: Callable[[], None]) -> None:
        """Has every module bring what it does to its end; ``done`` is called when the last one has."""
        self._all_ended = done
        self._unended = {module_id for module_id, inbox in self._inboxes.items() if not inbox.closed}
        if not self._unended:
            done()
        for module_id in tuple(self._unended):
            self._inboxes[module_id].put(self._end_module, module_id)

    def _end_module(self, module_id: str) -> None:
        has_ended = partial(self._has_ended, module_id)
        try:
            self.modules[module_id].end(has_ended)
        except Exception:
            has_ended()
            raise

    def _has_ended(self, module_id: str) -> None:
        if module_id in self._unended:
            self._unended.remove(module_id)
            if not self._unended:
                self._all_ended()

    async def _all_end(self, at_once: asyncio.Event) -> None:
        ended = asyncio.Event()
        self.end(ended.set)
        waits = [asyncio.ensure_future(event.wait()) for event in (ended, at_once)]
        await asyncio.wait(waits, timeout=END_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if not ended.is_set():
            log.error(
                "the station ends, and modules have not ended what they do", modules=sorted(self._unended)
            )

    def not_ready(self) -> list[str]:
        """The modules that declare a variable ``ready`` and have not said so: EVSEs whose boards have not answered."""
        return sorted(
            {
                implementation.module_id
                for implementation in self.bus.implementations.values()
                if READY in implementation.interface.vars
                and implementation.last_values.get(READY) is not True
            }
        )

    def ask_all(self, answered: Callable[[], None]) -> None:
        """Calls back when every module has handled what it was sent before; a module that has failed is not asked."""
        self._all_answered = answered
        self._unanswered = {module_id for module_id, inbox in self._inboxes.items() if not inbox.closed}
        if not self._unanswered:
            answered()
        for module_id in tuple(self._unanswered):
            self._inboxes[module_id].put(self._has_answered, module_id)

    def _has_answered(self, module_id: str) -> None:
        if module_id in self._unanswered:
            self._unanswered.remove(module_id)
            if not self._unanswered:
                self._all_answered()

    def make_safe(self) -> None:
        """Has every module command its outputs safe, and waits for nothing else; after the end they are."""
        if self._ended:
            return
        for module_id, module in self.modules.items():
            self._guarded(module_id, module.make_safe)
        self.bus.settle()

    def _guarded(self, module_id: str, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:
            log.exception("making the outputs safe failed", module=module_id)

    def _spawn(self, module_id: str, name: str, coroutine: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None, "tasks begin when the station does"
        task = self._tasks.create_task(self._contained(module_id, coroutine), name=f"{module_id}: {name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _contained(self, module_id: str, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except Exception as error:  # noqa: BLE001 - a module's failure stays in the module (design rule 9)
            self._failed(module_id, error)

    def _failed(self, module_id: str, error: Exception) -> None:
        """An exception left a module: it recovers, or it is cut off and its peers are told."""
        module = self.modules.get(module_id)
        if module is None:
            self.bus.seldom.error("observer", "an observer of the bus failed", exc_info=error)
            return
        self._failures[module_id] += 1
        # It may have to switch power off: before anything is written of it.
        try:
            goes_on = not isinstance(error, InboxOverflowError) and module.recover(
                error, self._failures[module_id]
            )
        except Exception:
            log.exception("a module could not recover", module=module_id)
            goes_on = False
        log.error("a module failed", module=module_id, exc_info=error)
        if goes_on or self._inboxes[module_id].closed:
            return
        log.error("a module is switched off: it failed for good", module=module_id)
        self._guarded(module_id, module.make_safe)
        unhandled = self._inboxes[module_id].close()
        self._has_ended(module_id)
        self._has_answered(module_id)
        for implementation in module.implementations.values():
            implementation.lose()
        for call in unhandled:
            call.fail(CallError("HandlerException", f"module {module_id} has failed"))
