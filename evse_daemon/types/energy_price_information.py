"""Prices of energy over time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.types.base import EverestType, Timestamp


class PricePerkWh(EverestType):
    timestamp: Timestamp
    value: float
    currency: Annotated[str, Field(min_length=3, max_length=3)]


class EnergyPriceSchedule(EverestType):
    schedule_import: list[PricePerkWh]
    schedule_export: list[PricePerkWh]
