"""Modules of ours in a station of somebody else: from the first question to the manager until the last word.

One membership lasts from a start of the manager to its end, or to its next start; then the next one begins from
scratch. Whenever nobody looks after our outputs, they are made safe first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from evse_daemon.framework.calls import CallIds
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import Journal
from evse_daemon.mqtt.connections import Broker, MqttBroker
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.standalone.asking import Answers, ask
from evse_daemon.standalone.config_messages import (
    GENERATIONS,
    Generation,
    GenerationName,
    read_set_request,
    was_set,
)
from evse_daemon.standalone.joined import joined_config
from evse_daemon.standalone.membership import Callers, Membership, MemberTopics, News
from evse_daemon.standalone.remote_module import RemoteModule
from evse_daemon.standalone.run_time_options import outcome
from evse_daemon.station import Station
from evse_daemon.store import StoreError

T = TypeVar("T")

LOOK_S = 0.25
"""How often it is looked whether the station is still there."""

REMEMBERED, GENERATION = "!join", "config_messages"
"""Where the journal keeps how the manager spoke; no module has this id."""

AGAIN_S = 2.0
"""Before the broker is tried again."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What joins, and where."""

    module_ids: tuple[str, ...]
    broker: BrokerSettings
    everest_prefix: str
    external_prefix: str
    messages: GenerationName | None = None
    """The manager's generation of messages; None: it is learnt from what the manager retains at its start."""

    @property
    def name(self) -> str:
        return ".".join(self.module_ids)


class Member:
    """Runs a part of a station until it is told to end.

    Args:
        journal: where an EvseManager of ours keeps its transactions.
        until: set: to be ended.
    """

    def __init__(self, part: Part, journal: Journal, until: asyncio.Event) -> None:
        self._part = part
        self._journal = journal
        self._until = until
        self._topics = MemberTopics(part.name, part.everest_prefix, part.external_prefix)

    async def run(self) -> None:
        """One membership after the other, until the manager ends the station or ``until`` is set.

        Raises:
            BrokerUnreachable: at the first attempt; later ones are repeated.
            JoinError: our modules cannot be what the manager wants them to be.
        """
        generation = None if self._part.messages is None else GENERATIONS[self._part.messages]
        first = True
        while not self._until.is_set():
            try:
                asking = ask(
                    self._part.broker, self._topics, self._part.module_ids, generation, self._former()
                )
                answers = await self._unless_ended(asking)
                if answers is None:
                    return
                first = False
                self._journal.save_settings(REMEMBERED, {GENERATION: answers.generation.name})
                if await self._take_part(answers) is not News.ANEW:
                    return
                log.info("the manager has started anew")
            except BrokerUnreachable as error:
                if first:
                    raise
                log.warning("the broker is not reached, trying on", reason=str(error))
                await self._unless_ended(asyncio.sleep(AGAIN_S))

    def _former(self) -> Generation | None:
        try:
            name = self._journal.settings(REMEMBERED).get(GENERATION)
        except StoreError as error:
            log.error("what the manager spoke before cannot be read", reason=str(error))  # noqa: TRY400
            return None
        return GENERATIONS.get(name) if name is not None else None

    async def _unless_ended(self, awaitable: Awaitable[T]) -> T | None:
        """What it gives; None where we were told to end meanwhile."""
        task = asyncio.ensure_future(awaitable)
        ended = asyncio.ensure_future(self._until.wait())
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if task.done():
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return None

    async def _take_part(self, answers: Answers) -> News:
        part = self._part
        config, warnings = joined_config(answers.modules, part.everest_prefix, part.external_prefix)
        for warning in warnings:
            log.warning(warning)
        station = Station(config, RealClock(), self._journal, asyncio.get_running_loop().call_soon)
        return await Taking(
            part, self._topics, answers, station, MqttBroker(part.broker, f"{self._topics.name}.{part.name}")
        ).run(self._until)


class Taking:
    """One membership: our modules on a bus, and the gateway to the station's broker."""

    def __init__(
        self, part: Part, topics: MemberTopics, answers: Answers, station: Station, broker: Broker
    ) -> None:
        self._part = part
        self._station = station
        self._generation = answers.generation
        # The rest of the station may be an evse-daemon too: its calls are not echoes of ours.
        station.bus.call_ids = CallIds(topics.status)
        self._news: asyncio.Queue[News] = asyncio.Queue()
        self._gateway = Gateway(station.bus, topics, "everest", broker)
        station.bus.taps.append(self._gateway)
        station.build(self._gateway.external)
        remote = {name: each for name, each in station.modules.items() if isinstance(each, RemoteModule)}
        self._membership = Membership(
            topics,
            part.module_ids,
            remote,
            station.bus,
            self._news.put_nowait,
            self._tell_ready,
            self._set_option if answers.generation.runtime_set else None,
        )
        self._gateway.attach(self._membership)
        for (module_id, _), implementation in station.bus.implementations.items():
            if module_id in part.module_ids:
                implementation.standalone_callers = Callers(answers.names)

    async def run(self, until: asyncio.Event) -> News:
        """Until the manager says otherwise, or we are told to end."""
        try:
            await self._gateway.start()
            # Calls are taken before the station is ready, as EVerest's modules take them.
            self._gateway.all_ready(announce=False)
            for module_id in self._part.module_ids:
                self._gateway.module_created(module_id, type(self._station.modules[module_id]).__name__)
            self._tell_ready()
            self._membership.told()
            log.info("told ready, waiting for the other modules", modules=list(self._part.module_ids))
            return await self._until_news(until)
        finally:
            self._station.make_safe()
            self._gateway.begin_shutdown()
            await self._gateway.stop()

    async def _until_news(self, until: asyncio.Event) -> News:
        ended, over = asyncio.Event(), False
        supervised: asyncio.Task[None] | None = None
        news, asked = News.SHUTDOWN, asyncio.ensure_future(until.wait())
        watch = asyncio.create_task(self._watch(), name="station watch")
        try:
            while not over:
                heard = asyncio.ensure_future(self._news.get())
                waits = {heard, asked, watch} | ({supervised} if supervised is not None else set())
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                heard.cancel()
                if heard in done and heard.result() is News.READY:
                    log.info("all modules of the station are ready")
                    supervised = asyncio.create_task(self._station.supervise(ended), name="modules")
                    continue
                over = True
                news = heard.result() if heard in done else News.SHUTDOWN
        finally:
            watch.cancel()
            asked.cancel()
            ended.set()
            if supervised is not None:
                await supervised
        return news

    async def _watch(self) -> None:
        """Makes the outputs safe while nobody looks after them."""
        safe = False
        while True:
            await asyncio.sleep(LOOK_S)
            reason = self._membership.gone()
            if reason and not safe:
                log.error("the outputs are made safe", reason=reason)
                self._station.make_safe()
            elif safe and not reason:
                log.info("the station is there again")
            safe = bool(reason)

    def _set_option(self, module_id: str, payload: bytes) -> bytes:
        """The answer to a manager that changes an option of one of our modules; raises MessageError."""
        station = self._station
        request = read_set_request(self._generation, payload)
        status, reason, entry = outcome(
            station.config.modules[module_id], request, begun=station.begun.is_set()
        )
        if entry is not None:
            modules = {**station.config.modules, module_id: entry}
            station.reconfigure(replace(station.config, modules=modules), [module_id])
        name = request.identifier.parameter
        log.info("the manager changes an option", module=module_id, option=name, status=status, reason=reason)
        return was_set(self._generation, status, reason, "Ok", reason)

    def _tell_ready(self) -> None:
        for module_id in self._part.module_ids:
            self._gateway.module_ready(module_id)
