"""What the board's metering chip measures."""

from __future__ import annotations

from simulators.yeti_firmware.messages import Metered
from simulators.yeti_simulator.electrics import EnergyCounter, Measurement


def metered(measurement: Measurement, energy: EnergyCounter) -> Metered:
    """A reading. The published firmware sends no export: what flows back is not counted."""
    l1, l2, l3 = energy.import_wh
    temperature_c, frequency_hz = measurement.temperature_c, measurement.frequency_hz
    return Metered(
        voltage_v=measurement.voltage_v,
        current_a=measurement.current_a,
        neutral_a=measurement.neutral_a,
        energy_wh=(l1, l2, l3),
        total_wh=l1 + l2 + l3,
        temperature_c=(temperature_c, temperature_c, temperature_c),
        neutral_temperature_c=temperature_c,
        power_w=measurement.power_w,
        frequency_hz=(frequency_hz, frequency_hz, frequency_hz),
    )
