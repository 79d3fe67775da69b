"""Requests and limits that travel through the energy tree."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, Integer, OpenType, Timestamp
from evse_daemon.types.energy_price_information import PricePerkWh
from evse_daemon.types.powermeter import Powermeter


class NumberWithSource(OpenType):
    value: float
    source: str


class IntegerWithSource(OpenType):
    value: Integer
    source: str


NodeType = Literal["Undefined", "Evse", "Generic"]

EvseState = Literal[
    "Unplugged",
    "WaitForAuth",
    "WaitForEnergy",
    "PrepareCharging",
    "PausedEV",
    "PausedEVSE",
    "Charging",
    "Finished",
    "Disabled",
]


class LimitsReq(EverestType):
    """What a node offers or asks for."""

    total_power_W: NumberWithSource | None = None
    ac_max_current_A: NumberWithSource | None = None
    ac_min_current_A: NumberWithSource | None = None
    ac_max_phase_count: IntegerWithSource | None = None
    ac_min_phase_count: IntegerWithSource | None = None
    ac_supports_changing_phases_during_charging: bool | None = None
    ac_number_of_active_phases: Annotated[Integer, Field(ge=1, le=3)] | None = None


class LimitsRes(EverestType):
    """What the energy manager grants; negative towards the grid."""

    total_power_W: NumberWithSource | None = None
    ac_max_current_A: NumberWithSource | None = None
    ac_max_phase_count: IntegerWithSource | None = None


class OptimizerTarget(EverestType):
    """What the driver wants of the session."""

    energy_amount_needed: float | None = None
    """kWh"""
    charge_to_max_percent: float | None = None
    car_battery_soc: Annotated[float, Field(ge=0, le=100)] | None = None
    leave_time: str | None = None
    price_limit: float | None = None
    full_autonomy: bool | None = None


class FrequencyWattPoint(OpenType):
    frequency_Hz: float
    total_power_W: float


class SetpointType(OpenType):
    """A target instead of a limit; positive charges. Only one of current, power and table."""

    priority: Annotated[Integer, Field(ge=0, le=1000)]
    """0 is the highest."""
    source: str
    ac_current_A: float | None = None
    total_power_W: float | None = None
    frequency_table: list[FrequencyWattPoint] | None = None


class ScheduleSetpointEntry(EverestType):
    timestamp: Timestamp
    setpoint: SetpointType | None = None


class ScheduleReqEntry(EverestType):
    timestamp: Timestamp
    limits_to_root: LimitsReq
    limits_to_leaves: LimitsReq
    conversion_efficiency: Annotated[float, Field(ge=0, le=1)] | None = None
    """From root to leaves; absent means 1."""
    price_per_kwh: PricePerkWh | None = None


class ScheduleResEntry(EverestType):
    timestamp: Timestamp
    limits_to_root: LimitsRes
    price_per_kwh: PricePerkWh | None = None


class EnergyFlowRequest(OpenType):
    """A node of the energy tree with all nodes below it. The first entry of a schedule is valid at once."""

    children: list[EnergyFlowRequest]
    uuid: str
    node_type: NodeType
    schedule_import: list[ScheduleReqEntry]
    schedule_export: list[ScheduleReqEntry]
    schedule_setpoints: list[ScheduleSetpointEntry]
    priority_request: bool | None = None
    evse_state: EvseState | None = None
    optimizer_target: OptimizerTarget | None = None
    energy_usage_root: Powermeter | None = None
    energy_usage_leaves: Powermeter | None = None


class EnforcedLimits(OpenType):
    """The limits of a node; when ``valid_for`` is over, power ends."""

    uuid: str
    valid_for: Integer
    limits_root_side: LimitsRes
    schedule: list[ScheduleResEntry]


class CapabilityLimits(OpenType):
    """Ratings of a node."""

    max_current_A: Annotated[float, Field(ge=0)]
    max_phase_count: Annotated[Integer, Field(ge=0, le=3)]
    nominal_voltage_V: Annotated[float, Field(ge=1)]
    total_power_W: float


class ExternalLimits(OpenType):
    """Limits from outside the tree. The last entry of a schedule stays valid."""

    schedule_import: list[ScheduleReqEntry]
    schedule_export: list[ScheduleReqEntry]
    schedule_setpoints: list[ScheduleSetpointEntry]
