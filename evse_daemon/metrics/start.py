"""Joins the parts of the metrics: what a station that has daemon.metrics in its configuration runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from evse_daemon.framework.measures import Measured
from evse_daemon.station import Station

log = structlog.get_logger(__name__)


class Metrics:
    """Metrics of a station; those of the bus count from here on.

    Args:
        station: before it is built.
        others: who tells beside its modules, by a name; those that have nothing to tell are left out.

    Raises:
        ImportError: prometheus_client is not installed.
    """

    def __init__(self, station: Station, others: Mapping[str, object]) -> None:
        from evse_daemon.metrics.collector import Collector  # noqa: PLC0415 - needs prometheus_client
        from evse_daemon.metrics.server import MetricsServer  # noqa: PLC0415 - as above

        settings = station.config.daemon.metrics
        assert settings is not None
        self.collector = Collector(
            station, {name: other for name, other in others.items() if isinstance(other, Measured)}
        )
        station.bus.taps.append(self.collector.tap)
        self._server = MetricsServer(settings.host, settings.port, self.collector.page, self._refused)

    async def run(self) -> None:
        """Serves until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.collector.lag.run(), name="metrics: loop lag")
                tasks.create_task(self._server.run(), name="metrics: server")
        except Exception:
            log.exception("the metrics have failed, charging goes on without them")

    def _refused(self) -> None:
        self.collector.refused += 1


def metrics_of(station: Station, others: Mapping[str, object]) -> Metrics | None:
    """The metrics of a station; None where they are off or cannot be, which is logged."""
    if station.config.daemon.metrics is None:
        return None
    try:
        return Metrics(station, others)
    except ImportError as error:
        log.error(  # noqa: TRY400 - no stack helps whoever reads this
            "the metrics are not served, charging goes on without them",
            reason=str(error),
            remedy="Install their library: pip install 'evse-daemon[metrics]'; or remove daemon.metrics.",
        )
        return None
