"""A station on its broker, with all that belongs to a process, until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from evse_daemon import __version__
from evse_daemon.config import RunConfig
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework.bus import Tap
from evse_daemon.framework.clock import RealClock
from evse_daemon.framework.module import Journal
from evse_daemon.home_assistant.discovery import discovery
from evse_daemon.metrics.start import metrics_of
from evse_daemon.mqtt.connections import MqttBroker
from evse_daemon.mqtt.explain_topic import ExplainTopic
from evse_daemon.mqtt.gateway import Gateway
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.process.hangups import Changed, Source
from evse_daemon.process.service_manager import ServiceManager
from evse_daemon.process.supervision import supervised
from evse_daemon.station import Station

log = structlog.get_logger("evse_daemon")


async def run_station(
    config: RunConfig,
    broker: BrokerSettings,
    journal: Journal,
    *,
    speed: float = 1.0,
    taps: Callable[[Station], list[Tap]] | None = None,
    started: Callable[[], Awaitable[Any]] | None = None,
    source: Source | None = None,
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
        source: where the configuration can be read again.
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
    if source is not None:
        source.hangups.attach(loop, told_to_end)
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
        from evse_daemon.standalone.manager import StandaloneModules  # noqa: PLC0415 - few stations have any

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
        print(error, file=sys.stderr)  # noqa: T201 - whoever has started it reads this, not a log
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
        if source is not None:
            changed = None if standalone is None else standalone.reconfigured
            beside.append(loop.create_task(_reload_when_asked(station, service, source, until, changed)))
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
    source: Source,
    ends: asyncio.Event,
    changed: Changed | None,
) -> None:
    while True:
        await source.hangups.asked()
        try:
            from evse_daemon.process.reload import Reloads, settled  # noqa: PLC0415 - most runs need none of it
        except Exception:
            # An upgrade that was refused has left files of another version.
            log.exception("the configuration cannot be read again by this process; charging goes on")
            service.remark("The configuration was not taken over: systemctl restart evse-daemon does that.")
            await source.hangups.next()
        else:
            break

    read = partial(settled, Path(station.config.file), source.read)
    reloads = Reloads(station, service, read, source.runs, changed)
    await reloads.run(source.hangups, ends)
