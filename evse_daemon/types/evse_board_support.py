"""What the board of an EVSE can do and reports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, Integer

ConnectorType = Literal["IEC62196Type2Cable", "IEC62196Type2Socket"]


class HardwareCapabilities(EverestType):
    max_current_A_import: float
    min_current_A_import: float
    max_phase_count_import: Annotated[Integer, Field(ge=1, le=3)]
    min_phase_count_import: Annotated[Integer, Field(ge=1, le=3)]
    max_current_A_export: float
    min_current_A_export: float
    max_phase_count_export: Annotated[Integer, Field(ge=1, le=3)]
    min_phase_count_export: Annotated[Integer, Field(ge=1, le=3)]
    supports_changing_phases_during_charging: bool
    supports_cp_state_E: bool
    connector_type: ConnectorType
    max_plug_temperature_C: float | None = None


class Telemetry(EverestType):
    evse_temperature_C: float
    fan_rpm: float
    supply_voltage_12V: float
    supply_voltage_minus_12V: float
    relais_on: bool
    """Power is at the car."""
    plug_temperature_C: float | None = None


Reason = Literal["DCCableCheck", "DCPreCharge", "FullPowerCharging", "PowerOff"]


class PowerOnOff(EverestType):
    """Leave to close the contactor, or the order to open it."""

    allow_power_on: bool
    reason: Reason
