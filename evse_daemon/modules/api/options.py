"""The options of the API module: how each published number is rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.framework.module import ModuleOptions

Places = Annotated[int, Field(ge=0)]
"""Decimal places, at most."""

Step = Annotated[float, Field(ge=0)]
"""Numbers are rounded to multiples of it; 0 for none."""

Quantity = Literal[
    "powermeter_energy_import",
    "powermeter_energy_export",
    "powermeter_power",
    "powermeter_voltage",
    "powermeter_VAR",
    "powermeter_current",
    "powermeter_frequency",
    "hw_caps_max_current_export",
    "hw_caps_max_current_import",
    "hw_caps_min_current_export",
    "hw_caps_min_current_import",
    "hw_caps_max_plug_temperature_C",
    "limits_max_current",
    "telemetry_evse_temperature_C",
    "telemetry_fan_rpm",
    "telemetry_supply_voltage_12V",
    "telemetry_supply_voltage_minus_12V",
    "telemetry_plug_temperature_C",
]


@dataclass(frozen=True, slots=True)
class Rounding:
    places: int
    step: float

    def __call__(self, value: float) -> float:
        """The value as it is published."""
        if self.step > 0:
            value = round(value / self.step) * self.step
        return round(value, self.places)


class ApiOptions(ModuleOptions):
    """EVerest's manifest API.yaml."""

    charger_information_file: str = ""
    """YAML with what is told of the charger, where no module charger_information is connected."""
    powermeter_energy_import_decimal_places: Places = 2
    powermeter_energy_export_decimal_places: Places = 2
    powermeter_power_decimal_places: Places = 2
    powermeter_voltage_decimal_places: Places = 2
    powermeter_VAR_decimal_places: Places = 2
    powermeter_current_decimal_places: Places = 2
    powermeter_frequency_decimal_places: Places = 2
    hw_caps_max_current_export_decimal_places: Places = 2
    hw_caps_max_current_import_decimal_places: Places = 2
    hw_caps_min_current_export_decimal_places: Places = 2
    hw_caps_min_current_import_decimal_places: Places = 2
    hw_caps_max_plug_temperature_C_decimal_places: Places = 2
    limits_max_current_decimal_places: Places = 2
    telemetry_evse_temperature_C_decimal_places: Places = 2
    telemetry_fan_rpm_decimal_places: Places = 2
    telemetry_supply_voltage_12V_decimal_places: Places = 2
    telemetry_supply_voltage_minus_12V_decimal_places: Places = 2
    telemetry_plug_temperature_C_decimal_places: Places = 2
    powermeter_energy_import_round_to: Step = 0.0
    powermeter_energy_export_round_to: Step = 0.0
    powermeter_power_round_to: Step = 0.0
    powermeter_voltage_round_to: Step = 0.0
    powermeter_VAR_round_to: Step = 0.0
    powermeter_current_round_to: Step = 0.0
    powermeter_frequency_round_to: Step = 0.0
    hw_caps_max_current_export_round_to: Step = 0.0
    hw_caps_max_current_import_round_to: Step = 0.0
    hw_caps_min_current_export_round_to: Step = 0.0
    hw_caps_min_current_import_round_to: Step = 0.0
    hw_caps_max_plug_temperature_C_round_to: Step = 0.0
    limits_max_current_round_to: Step = 0.0
    telemetry_evse_temperature_C_round_to: Step = 0.0
    telemetry_fan_rpm_round_to: Step = 0.0
    telemetry_supply_voltage_12V_round_to: Step = 0.0
    telemetry_supply_voltage_minus_12V_round_to: Step = 0.0
    telemetry_plug_temperature_C_round_to: Step = 0.0

    def rounding(self, quantity: Quantity) -> Rounding:
        """How a quantity is rounded; each has its own two options (in EVerest two share theirs by mistake)."""
        return Rounding(getattr(self, f"{quantity}_decimal_places"), getattr(self, f"{quantity}_round_to"))
