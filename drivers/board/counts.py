"""What passes between a driver and its board, counted from the start (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure


@dataclass(slots=True)
class Counts:
    received: int = 0
    """Messages of the board, good or not."""
    ignored: int = 0
    """Those that make no sense."""
    sent: int = 0
    resets: int = 0
    """Restarts that the board has reported."""
    losses: int = 0
    """How often it was lost, or restarted, while it answered."""

    def measures(self, module_id: str) -> Iterator[Measure]:
        """See evse_daemon.framework.measures."""
        yield names.BOARD_RECEIVED.of(self.received, module_id)
        yield names.BOARD_IGNORED.of(self.ignored, module_id)
        yield names.BOARD_SENT.of(self.sent, module_id)
        yield names.BOARD_RESETS.of(self.resets, module_id)
        yield names.BOARD_LOSSES.of(self.losses, module_id)
