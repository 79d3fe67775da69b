"""Gathers what everybody tells, part by part, and makes Prometheus' text of it.

A part that fails is missing and counted, the others are there. Between two parts the event loop gets its turn, so that
charging waits for one part at most, however many EVSEs there are.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder

from evse_daemon import __version__
from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure, Measured, Metric
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.metrics.bus_tap import BusTap
from evse_daemon.metrics.loop_lag import LoopLag
from evse_daemon.metrics.process import Process
from evse_daemon.station import Station

LONGEST_LABEL = 128
"""Characters of a label's value."""

FRESH_S = 1.0
"""Who asks again so soon gets what was gathered before: the most that scrapers can cost is one collection a second."""

MOST_FORMATS = 4
"""Forms of the text that are kept; a client may ask for any number of versions."""

OPENMETRICS = "application/openmetrics-text"
END = b"# EOF\n"
"""With which OpenMetrics ends."""

SMAPS = "/proc/self/smaps_rollup"

log = structlog.get_logger(__name__)

Part = tuple[str, Callable[[], Iterable[Measure]]]

Values = dict[Metric, dict[tuple[str, ...], float]]


class Collector:
    """The values of a station.

    Args:
        station: whose modules tell.
        others: who else does, by a name for the log.
    """

    def __init__(self, station: Station, others: Mapping[str, Measured]) -> None:
        self._station = station
        self._others = dict(others)
        self.lag = LoopLag()
        self.refused = 0
        """Connections that got no values."""
        self.tap = BusTap(station.bus)
        self._failures: Counter[str] = Counter()
        self._collections = 0
        self._took_s = 0.0
        self._process = CollectorRegistry()
        Process(registry=self._process)
        PlatformCollector(registry=self._process)
        self._seldom = RateLimitedLog(log)
        self._families: list[Family] = []
        self._pages: dict[str, bytes] = {}
        self._taken_s = -math.inf
        self._lock = asyncio.Lock()

    async def page(self, accept: str) -> tuple[str, bytes]:
        """The content type and text of now, or of up to FRESH_S ago.

        Args:
            accept: the header of the request, by which the form is chosen.
        """
        try:
            encoder, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is none
            encoder, content_type = choose_encoder("")
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() - self._taken_s >= FRESH_S:
                self._families = await self.families()
                self._pages.clear()
                self._taken_s = loop.time()
            if content_type not in self._pages:
                if len(self._pages) >= MOST_FORMATS:
                    self._pages.clear()
                end = END if content_type.startswith(OPENMETRICS) else b""
                self._pages[content_type] = await _encoded(self._families, encoder, end)
            return content_type, self._pages[content_type]

    async def families(self) -> list[Family]:
        """Everything, gathered now."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        values: Values = {}
        for name, measures in self._parts():
            self._take(values, name, measures)
            await asyncio.sleep(0)
        self._collections += 1
        self._took_s = loop.time() - began_s
        self._take(values, "metrics", self._own)
        found = []
        for metric, samples in values.items():
            found.append(_family(metric, samples))
            await asyncio.sleep(0)
        return [*found, *self._lag_families(), *self._process_families()]

    def _parts(self) -> Iterator[Part]:
        """Who tells; a module that has failed for good tells nothing, what it knows is old."""
        failed = self._station.failed
        for module_id, module in self._station.modules.items():
            if module_id not in failed:
                yield module_id, module.measures
        for measures in self.tap.parts():
            yield "bus", measures
        yield "station", self._station.measures
        for name, other in self._others.items():
            yield name, other.measures
        yield "process", self._memory

    def _take(self, values: Values, name: str, measures: Callable[[], Iterable[Measure]]) -> None:
        """All of a part or, where it fails, nothing of it."""
        try:
            found = [(each.metric, *_clean(each)) for each in measures()]
        except Exception as error:  # noqa: BLE001 - it only tells: a mistake in it may end nothing
            self._failures[name] += 1
            self._seldom.error(name, "a part of the metrics is missing", part=name, exc_info=error)
            return
        for metric, labels, value in found:
            if math.isfinite(value):
                values.setdefault(metric, {})[labels] = value

    def _memory(self) -> Iterator[Measure]:
        with open(SMAPS, encoding="ascii") as file:  # noqa: PTH123 - no file of ours
            for line in file:
                if line.startswith("Pss:"):
                    yield names.PSS.of(int(line.split()[1]) * 1024)

    def _own(self) -> Iterator[Measure]:
        station = self._station.config.settings.mqtt_everest_prefix.strip("/")
        yield names.INFO.of(1, __version__, station)
        yield names.COLLECTIONS.of(self._collections)
        yield names.COLLECT_SECONDS.of(self._took_s)
        yield names.REFUSED.of(self.refused)
        for part, count in self._failures.items():
            yield names.FAILURES.of(count, part)

    def _lag_families(self) -> Iterator[Family]:
        lag = HistogramMetricFamily(names.LOOP_LAG.name, names.LOOP_LAG.text)
        lag.add_metric([], self.lag.cumulative(), self.lag.sum_s)
        yield lag
        yield GaugeMetricFamily(names.LOOP_LAG_MAX.name, names.LOOP_LAG_MAX.text, self.lag.max_s)

    def _process_families(self) -> list[Family]:
        try:
            return [*self._process.collect()]
        except Exception as error:  # noqa: BLE001 - as above
            self._failures["process"] += 1
            self._seldom.error("process", "a part of the metrics is missing", part="process", exc_info=error)
            return []


def _clean(measure: Measure) -> tuple[tuple[str, ...], float]:
    """Labels that can be written, and the value as a number; raises where it is none."""
    labels = tuple(label[:LONGEST_LABEL].encode("utf-8", "replace").decode() for label in measure.labels)
    return labels, float(measure.value)


def _family(metric: Metric, samples: dict[tuple[str, ...], float]) -> Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.text, labels=metric.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


class _One:
    """One family, in the place of a registry."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> list[Family]:
        return [self._family]


async def _encoded(families: list[Family], encoder: Any, end: bytes) -> bytes:
    """Family by family: the whole of a large station takes some ten milliseconds."""
    parts = []
    for family in families:
        parts.append(encoder(_One(family)).removesuffix(end))
        await asyncio.sleep(0)
    return b"".join([*parts, end])
