"""The objects that are published for the variables of an EvseManager: EVerest's keys (reference api.md §1.3-1.6)."""

from __future__ import annotations

import math
from typing import Any

from pydantic import BaseModel

from evse_daemon.modules.api.options import ApiOptions, Quantity, Rounding
from evse_daemon.modules.evse_manager.residual_current import TelemetryWithResidualCurrent
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import Limits
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.uk_random_delay import CountDown

POWERMETER_QUANTITIES: tuple[tuple[str, Quantity], ...] = (
    ("energy_Wh_import", "powermeter_energy_import"),
    ("energy_Wh_export", "powermeter_energy_export"),
    ("power_W", "powermeter_power"),
    ("voltage_V", "powermeter_voltage"),
    ("VAR", "powermeter_VAR"),
    ("current_A", "powermeter_current"),
    ("frequency_Hz", "powermeter_frequency"),
)
"""Signed values and temperatures are left out, as in EVerest."""


def powermeter(options: ApiOptions, reading: Powermeter) -> dict[str, Any]:
    found: dict[str, Any] = {"timestamp": reading.timestamp}
    if reading.meter_id is not None:
        found["meter_id"] = reading.meter_id
    if reading.phase_seq_error is not None:
        found["phase_seq_error"] = reading.phase_seq_error
    for key, quantity in POWERMETER_QUANTITIES:
        values = getattr(reading, key)
        if values is not None:
            found[key] = _rounded(values, options.rounding(quantity))
    return found


def hardware_capabilities(options: ApiOptions, given: HardwareCapabilities) -> dict[str, Any]:
    found: dict[str, Any] = {
        "max_phase_count_import": given.max_phase_count_import,
        "min_phase_count_import": given.min_phase_count_import,
        "max_phase_count_export": given.max_phase_count_export,
        "min_phase_count_export": given.min_phase_count_export,
        "supports_changing_phases_during_charging": given.supports_changing_phases_during_charging,
        "max_current_A_import": options.rounding("hw_caps_max_current_import")(given.max_current_A_import),
        "min_current_A_import": options.rounding("hw_caps_min_current_import")(given.min_current_A_import),
        "max_current_A_export": options.rounding("hw_caps_max_current_export")(given.max_current_A_export),
        "min_current_A_export": options.rounding("hw_caps_min_current_export")(given.min_current_A_export),
        "connector_type": given.connector_type,
    }
    if given.max_plug_temperature_C is not None:
        rounding = options.rounding("hw_caps_max_plug_temperature_C")
        found["max_plug_temperature_C"] = rounding(given.max_plug_temperature_C)
    return found


def random_delay(countdown: CountDown, remaining_s: int) -> dict[str, Any]:
    """What session_info says of a delay that runs for so many seconds still."""
    return {
        "current_limit_after_delay_A": countdown.current_limit_after_delay_A,
        "current_limit_during_delay_A": countdown.current_limit_during_delay_A,
        "remaining_s": remaining_s,
        "start_time": countdown.start_time or "",
    }


def limits(options: ApiOptions, given: Limits) -> dict[str, Any]:
    found: dict[str, Any] = {
        "nr_of_phases_available": given.nr_of_phases_available,
        "max_current": options.rounding("limits_max_current")(given.max_current),
    }
    if given.uuid is not None:
        found["uuid"] = given.uuid
    return found


def telemetry(options: ApiOptions, given: Telemetry) -> dict[str, Any]:
    """``relais_on`` as seed 003 has it; EVerest publishes it as ``phase_seq_error``, so that is there, too.

    ``rcd_current`` (mA) is the seed's as well; it is there where the EVSE has a residual current monitor that measures.
    """
    found: dict[str, Any] = {
        "relais_on": given.relais_on,
        "phase_seq_error": given.relais_on,
        "temperature": options.rounding("telemetry_evse_temperature_C")(given.evse_temperature_C),
        "fan_rpm": options.rounding("telemetry_fan_rpm")(given.fan_rpm),
        "supply_voltage_12V": options.rounding("telemetry_supply_voltage_12V")(given.supply_voltage_12V),
        "supply_voltage_minus_12V": options.rounding("telemetry_supply_voltage_minus_12V")(
            given.supply_voltage_minus_12V
        ),
    }
    if isinstance(given, TelemetryWithResidualCurrent) and math.isfinite(given.rcd_current_mA):
        found["rcd_current"] = given.rcd_current_mA
    if given.plug_temperature_C is not None:
        rounding = options.rounding("telemetry_plug_temperature_C")
        found["plug_temperature_C"] = rounding(given.plug_temperature_C)
    return found


def _rounded(values: BaseModel, rounding: Rounding) -> dict[str, float]:
    return {key: rounding(value) for key, value in values if value is not None}
