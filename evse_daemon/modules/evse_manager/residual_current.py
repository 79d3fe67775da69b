"""The residual current beside the board's telemetry: seed 003 shows both together, EVerest's types do not."""

from __future__ import annotations

from collections.abc import Callable

from evse_daemon.types.evse_board_support import Telemetry

STALE_S = 5.0
"""An older measurement is not told with new telemetry."""


class TelemetryWithResidualCurrent(Telemetry):
    """To modules of this process; on the tree it is EVerest's Telemetry, which has no place for the current."""

    rcd_current_mA: float


class ResidualCurrent:
    """The newest measurement of the residual current monitor.

    Args:
        now: monotonic seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._current_ma = 0.0
        self._at_s: float | None = None

    def measured(self, current_ma: float) -> None:
        """A measurement in mA."""
        self._current_ma, self._at_s = current_ma, self._now()

    def beside(self, telemetry: Telemetry) -> Telemetry:
        """The telemetry, with the residual current where one was measured just before."""
        if self._at_s is None or self._now() - self._at_s > STALE_S:
            return telemetry
        values = dict(telemetry)
        return TelemetryWithResidualCurrent.model_construct(**values, rcd_current_mA=self._current_ma)
