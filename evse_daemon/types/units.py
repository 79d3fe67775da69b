"""Measured values by phase."""

from __future__ import annotations

from evse_daemon.types.base import EverestType


class Current(EverestType):
    """A"""

    DC: float | None = None
    L1: float | None = None
    L2: float | None = None
    L3: float | None = None
    N: float | None = None


class Voltage(EverestType):
    """V"""

    DC: float | None = None
    L1: float | None = None
    L2: float | None = None
    L3: float | None = None


class Frequency(EverestType):
    """Hz"""

    L1: float
    L2: float | None = None
    L3: float | None = None


class Power(EverestType):
    """W; positive is imported."""

    total: float
    L1: float | None = None
    L2: float | None = None
    L3: float | None = None


class Energy(EverestType):
    """Wh; ``total`` is what is billed."""

    total: float
    L1: float | None = None
    L2: float | None = None
    L3: float | None = None


class ReactivePower(EverestType):
    """var"""

    total: float
    L1: float | None = None
    L2: float | None = None
    L3: float | None = None
