"""A scrape as Prometheus sees it: both forms of the page, read by the parsers of its own library."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from evse_daemon.config.model import RunConfig
from evse_daemon.metrics.collector import Collector
from evse_daemon.station import Station
from tests.support.virtual_station import VirtualStation

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
"""As Prometheus asks."""


class Scrape:
    """The samples of a page.

    Args:
        text: the page.
        strict: it is OpenMetrics, whose parser is strict.
    """

    def __init__(self, text: str, *, strict: bool = False) -> None:
        families = [*(openmetrics if strict else parser).text_string_to_metric_families(text)]
        self.families = {family.name: family for family in families}
        self.samples = [sample for family in families for sample in family.samples]
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in self.samples]
        assert len(set(keys)) == len(keys), "a series is there twice: Prometheus drops the scrape"

    def all(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """The samples of a name with these labels, by the values of the others."""
        return {
            tuple(value for key, value in sample.labels.items() if key not in labels): sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        }

    def one(self, name: str, **labels: str) -> float:
        """The only sample of a name with these labels."""
        [value] = self.all(name, **labels).values()
        return value

    def state(self, evse: str = "evse_manager") -> str:
        """The one state of an EVSE."""
        [(name,)] = [key for key, value in self.all("evse_state", evse=evse).items() if value]
        return name


def scrape(collector: Collector) -> Scrape:
    """Gathers anew, and holds both forms of the page against each other."""

    async def pages() -> tuple[str, str]:
        collector._taken_s = float("-inf")
        return (await collector.page(""))[1].decode(), (await collector.page(OPENMETRICS))[1].decode()

    plain, strict = asyncio.run(pages())
    found, same = Scrape(plain), Scrape(strict, strict=True)
    assert {(sample.name, *sample.labels.items()): sample.value for sample in found.samples} == {
        (sample.name, *sample.labels.items()): sample.value for sample in same.samples
    }
    return found


def collector_of(station: Station, others: Mapping[str, Any] | None = None) -> Collector:
    """Metrics of a station, its bus included."""
    collector = Collector(station, others or {})
    station.bus.taps.append(collector.tap)
    return collector


class Metered(VirtualStation):
    """A station in virtual time with metrics."""

    def __init__(self, config: RunConfig) -> None:
        super().__init__(config)
        self.collector = collector_of(self.station)
        self.begin()

    def scrape(self) -> Scrape:
        return scrape(self.collector)
