# ruff: noqa: N999 -- EVerest's name
"""The DC power supply."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType

Mode = Literal["Off", "Export", "Import", "Fault"]
"""Fault is reported only."""

ChargingPhase = Literal["Other", "CableCheck", "PreCharge", "Charging"]


class VoltageCurrent(EverestType):
    voltage_V: float
    current_A: float


class Capabilities(EverestType):
    bidirectional: bool
    current_regulation_tolerance_A: float
    peak_current_ripple_A: float
    max_export_voltage_V: float
    min_export_voltage_V: float
    max_export_current_A: float
    min_export_current_A: float
    max_export_power_W: float
    nominal_max_export_voltage_V: float | None = None
    nominal_min_export_voltage_V: float | None = None
    nominal_max_export_current_A: float | None = None
    nominal_min_export_current_A: float | None = None
    max_import_voltage_V: float | None = None
    nominal_max_import_voltage_V: float | None = None
    min_import_voltage_V: float | None = None
    nominal_min_import_voltage_V: float | None = None
    max_import_current_A: float | None = None
    nominal_max_import_current_A: float | None = None
    min_import_current_A: float | None = None
    nominal_min_import_current_A: float | None = None
    nominal_max_export_power_W: float | None = None
    max_import_power_W: float | None = None
    nominal_max_import_power_W: float | None = None
    conversion_efficiency_import: Annotated[float, Field(ge=0, le=1)] | None = None
    conversion_efficiency_export: Annotated[float, Field(ge=0, le=1)] | None = None
