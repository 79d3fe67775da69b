"""``evse-daemon run``: a station until it is told to end."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from evse_daemon import __version__
from evse_daemon.cli.exit_codes import ExitCode
from evse_daemon.config import ConfigurationError, RunConfig, load
from evse_daemon.config.document import Item
from evse_daemon.config.loading import load_with_lines
from evse_daemon.config.remembered import remember
from evse_daemon.event_log import EventLog
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.bus import Tap
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import Journal
from evse_daemon.hangups import Changed, Hangups, Read
from evse_daemon.home_assistant.discovery import discovery
from evse_daemon.metrics.start import metrics_of
from evse_daemon.mqtt.connections import MqttBroker
from evse_daemon.mqtt.explain_topic import ExplainTopic
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.service_manager import ServiceManager
from evse_daemon.station import Station
from evse_daemon.store import SqliteJournal
from evse_daemon.store.lock import FolderTaken, locked
from evse_daemon.store.retention import Limits
from evse_daemon.supervision import supervised

RELEASED = dt.date(2026, 1, 1)
"""No computer that runs this can be earlier: its clock has lost its battery, or found no time server yet."""

log = structlog.get_logger("evse_daemon")


def run(config_path: Path, state_dir: Path | None, environ: Mapping[str, str]) -> int:
    """Runs the station of a configuration file; returns the exit status."""
    hangups = Hangups()
    try:
        config = load(config_path, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    folder = _folder(config, state_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"transactions cannot be stored in {folder}: {error}", file=sys.stderr)
        return ExitCode.FAILED
    config = _with_state_in(config, state_dir)
    writer = logging_setup.configure(config.daemon.log_level, config.daemon.log_format)

    def read_again() -> tuple[RunConfig, Item]:
        wanted, document = load_with_lines(config_path, environ)
        return _with_state_in(wanted, state_dir), document

    try:
        with locked(folder):
            remember(config_path, folder)
            return asyncio.run(_run(config, folder, hangups, read_again))
    except FolderTaken as error:
        print(error, file=sys.stderr)
        return ExitCode.STATION_ONLINE
    finally:
        hangups.detach()
        writer.close()


def _folder(config: RunConfig, state_dir: Path | None) -> Path:
    return state_dir or config.daemon.state_dir or Path("state")


def _with_state_in(config: RunConfig, state_dir: Path | None) -> RunConfig:
    daemon = config.daemon.model_copy(update={"state_dir": _folder(config, state_dir)})
    return replace(config, daemon=daemon)


async def _run(config: RunConfig, state_dir: Path, hangups: Hangups, read_again: Read) -> int:
    for warning in config.warnings:
        log.warning(warning.message, where=f"{config.file}:{warning.line}")
    today = RealClock().utc().date()
    if today < RELEASED:
        log.warning(
            "the clock of this computer is wrong: charging goes on, with wrong times in the transactions",
            says=str(today),
            remedy="Set the clock, or let a time server do it (timedatectl).",
        )
    # Where it cannot be used, it says so itself, and no transaction starts until it can.
    limits = Limits(config.daemon.history_days, config.daemon.history_mb << 20)
    journal = SqliteJournal(state_dir / "journal.db", asyncio.get_running_loop(), limits)
    try:
        return await run_station(
            config, config.broker(), journal, taps=lambda _: [EventLog()], reload=(hangups, read_again)
        )
    finally:
        journal.close()


async def run_station(
    config: RunConfig,
    broker: BrokerSettings,
    journal: Journal,
    *,
    speed: float = 1.0,
    taps: Callable[[Station], list[Tap]] | None = None,
    started: Callable[[], Awaitable[Any]] | None = None,
    reload: tuple[Hangups, Read] | None = None,
) -> int:
    """Runs a station on a broker until SIGTERM or SIGINT; returns the exit status.

    A transaction is brought to its end first, which takes up to station.END_S; a second signal ends it at once.

    Args:
        config: the run configuration.
        broker: where it is seen.
        journal: where transactions are kept.
        speed: control seconds in each real second.
        taps: further observers of the bus.
        started: called when the station is ready.
        reload: what asks for the configuration to be read again, and what reads it.
    """
    until, at_once = asyncio.Event(), asyncio.Event()
    service = ServiceManager(os.environ)

    def told_to_end() -> None:
        service.stopping()
        (at_once if until.is_set() else until).set()
        gateway.begin_shutdown()  # who calls while sessions are brought to their end is told so

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_end)
    if reload is not None:
        reload[0].attach(loop, told_to_end)
    station = Station(config, RealClock(speed), journal, loop.call_soon)
    topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
    gateway = Gateway(station.bus, topics, config.daemon.mqtt_dialect, MqttBroker(broker, topics.name))
    station.bus.taps.append(gateway)
    gateway.attach_topics(ExplainTopic(topics, station.bus.clock, station.explain))
    gateway.attach_topics(discovery(config, topics, station.bus))
    if taps is not None:
        station.bus.taps.extend(taps(station))
    metrics = metrics_of(station, {"mqtt": gateway, "journal": journal, "systemd": service})
    station.build(gateway.external)
    standalone = None
    begins = asyncio.Event()
    if any(entry.standalone for entry in config.modules.values()):
        from evse_daemon.standalone.manager import StandaloneModules

        standalone = StandaloneModules(config, topics, station, journal, gateway.all_ready, begins.set)
    if standalone is not None:
        gateway.attach(standalone)
    for module_id, module in station.modules.items():
        if config.modules[module_id].standalone:
            continue
        gateway.module_created(module_id, type(module).__name__)
        gateway.module_ready(module_id)
    try:
        await gateway.start()
    except BrokerUnreachable as error:
        station.make_safe()
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    try:
        if standalone is None:
            gateway.all_ready()
            begins.set()
        else:
            standalone.station_ready()
        log.info("ready", version=__version__, modules=len(station.modules), broker=broker.describe())
        if started is not None:
            await started()
        # What lives now lives long: the collector need not look at it again, and pauses stay short.
        gc.collect()
        gc.freeze()
        gc.enable()
        beside = [loop.create_task(supervised(station, service, config.daemon.ready_within_s))]
        if metrics is not None:
            beside.append(loop.create_task(metrics.run()))
        if reload is not None:
            changed = None if standalone is None else standalone.reconfigured
            beside.append(loop.create_task(_reload_when_asked(station, service, *reload, until, changed)))
        try:
            await station.supervise(until, at_once, begins)
        finally:
            for task in beside:
                task.cancel()
    finally:
        station.make_safe()
        gateway.begin_shutdown()
        await gateway.stop()
        service.close()
    log.info("ended; the outputs are safe")
    return ExitCode.OK


async def _reload_when_asked(
    station: Station,
    service: ServiceManager,
    hangups: Hangups,
    read: Read,
    ends: asyncio.Event,
    changed: Changed | None,
) -> None:
    await hangups.asked()
    # Most runs need none of this.
    from evse_daemon.reload import Reloads, settled

    reloads = Reloads(station, service, partial(settled, Path(station.config.file), read), changed)
    await reloads.run(hangups, ends)
