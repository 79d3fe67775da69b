"""What is measured, as Prometheus has it: a metric is declared once, its values are asked for when somebody looks.

All declarations are in evse_daemon/metric_names.py. Who has something to tell has a method ``measures``, which gives
the values of now; it is called in the event loop, at each scrape, and only where metrics are on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

MetricKind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One name in the exposition; its unit is the last word of the name (base units, ``_total`` for a counter)."""

    name: str
    kind: MetricKind
    text: str
    """What it says, in a sentence."""
    labels: tuple[str, ...] = ()
    """Each with few values: ids of the configuration, words of an enumeration; never a token or a session."""

    def of(self, value: float, *labels: str) -> Measure:
        """A value of now.

        Raises:
            ValueError: there are more or fewer labels than declared.
        """
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {labels}")
        return Measure(self, value, labels)


class Measure(NamedTuple):
    """The value of a metric at a moment."""

    metric: Metric
    value: float
    labels: tuple[str, ...]


@runtime_checkable
class Measured(Protocol):
    """Whoever has something to tell."""

    def measures(self) -> Iterable[Measure]:
        """The values of now; from the event loop, quickly, without waiting for anything."""
