"""What systemd is told of a running station: that it came up, that its modules work, what it does."""

from __future__ import annotations

import asyncio

import structlog

from evse_daemon.process.service_manager import ServiceManager
from evse_daemon.station import Station

OFTEN = 4
"""How often in the watchdog's time it is fed: one late answer is no reason to restart a charger."""

LOOK_S = 0.05
"""How often is looked whether an EVSE is ready."""

PACE_S = 2.0
"""How often is looked what the sentence for ``systemctl status`` is; it is told when it has changed."""

log = structlog.get_logger(__name__)


async def supervised(station: Station, service: ServiceManager, ready_within_s: float) -> None:
    """Tells until cancelled; returns at once where there is no service manager.

    Args:
        station: what is running.
        service: whom to tell.
        ready_within_s: how long EVSEs are waited for, whose boards may be silent; the station is ready then anyway.
    """
    if not service.listens:
        return
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_feed(station, service))
        tasks.create_task(_come_up(station, service, ready_within_s))


async def _come_up(station: Station, service: ServiceManager, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            while waiting := station.not_ready():
                service.status(f"waits for {', '.join(waiting)}")
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        log.warning(
            "the station begins without some of its EVSEs", not_ready=station.not_ready(), after_s=within_s
        )
        service.status(f"ready, without {', '.join(station.not_ready())}")
    else:
        service.status("ready")
    service.ready()
    while True:
        await asyncio.sleep(PACE_S)
        service.status(sentence(station))


def sentence(station: Station) -> str:
    """What the EVSEs do, and why (docs/explain.md); with several, each by its module id."""
    try:
        evses = station.explain()["evses"]
    except Exception:  # noqa: BLE001 - it only tells, and mqtt/explain_topic.py logs the same
        return "runs"
    if len(evses) == 1:
        return str(evses[0]["sentence"])
    return " ".join(f"{found['evse']}: {found['sentence']}" for found in evses) or "runs, without an EVSE"


async def _feed(station: Station, service: ServiceManager) -> None:
    """Each time when every module has handled what it was sent: that a loop runs says little."""
    if service.watchdog_s is None:
        return
    while True:
        answered = asyncio.Event()
        station.ask_all(answered.set)
        await answered.wait()
        service.alive()
        await asyncio.sleep(service.watchdog_s / OFTEN)
