"""Readings of temperature sensors."""

from __future__ import annotations

from evse_daemon.types.base import EverestType


class Temperature(EverestType):
    temperature: float
    identification: str | None = None
    location: str | None = None
