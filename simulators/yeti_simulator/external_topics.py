"""The board's readings on EVerest's oldest topics, which the debug tab of its Node-RED flows shows.

Reference api.md §4.3, §4.4. Those without a module id are of all boards of a station, as in EVerest. Numbers have five
decimals, energy is counted in whole Wh.
"""

from __future__ import annotations

import datetime as dt
import json

from evse_daemon.mqtt.topics import external_of_board, external_powermeter, external_powermeter_json
from simulators.yeti_simulator.electrics import EnergyCounter, Measurement


def messages(
    module_id: str, measurement: Measurement, energy: EnergyCounter, now: dt.datetime
) -> list[tuple[str, str]]:
    """Topic and payload of each."""
    seconds = int(now.timestamp())
    temperature = f"{measurement.temperature_c:.5f}"
    power_kw = f"{sum(measurement.power_w) / 1000:.5f}"
    energy_kwh = f"{round(sum(energy.import_wh)) / 1000:.5f}"
    return [
        (external_powermeter("vrmsL1"), f"{measurement.voltage_v[0]:.5f}"),
        (external_powermeter("phaseSeqError"), "false"),
        (external_powermeter("time_stamp"), str(seconds)),
        (external_powermeter("tempL1"), temperature),
        (external_powermeter("totalKw"), power_kw),
        (external_powermeter("totalKWattHr"), energy_kwh),
        (
            external_powermeter_json(),
            json.dumps([_reading(measurement, energy, seconds)], separators=(",", ":")),
        ),
        (external_of_board(module_id, "tempL1"), temperature),
        (external_of_board(module_id, "totalKw"), power_kw),
        (external_of_board(module_id, "totalKWattHr"), energy_kwh),
    ]


def _reading(measurement: Measurement, energy: EnergyCounter, seconds: int) -> dict[str, float]:
    phases = ("L1", "L2", "L3")
    frequency_hz, temperature_c = measurement.frequency_hz, measurement.temperature_c
    found: dict[str, float] = {
        "irmsN": measurement.neutral_a,
        "time_stamp": seconds,
        "total_exportWattHr": float(round(sum(energy.export_wh))),
        "total_importWattHr": float(round(sum(energy.import_wh))),
    }
    for name, values in (
        ("export_wattHr", [float(round(value)) for value in energy.export_wh]),
        ("freq", [frequency_hz] * 3),
        ("import_wattHr", [float(round(value)) for value in energy.import_wh]),
        ("irms", measurement.current_a),
        ("temp", [temperature_c] * 3),
        ("vrms", measurement.voltage_v),
        ("watt", measurement.power_w),
    ):
        found |= {f"{name}{phase}": value for phase, value in zip(phases, values, strict=True)}
    return dict(sorted(found.items()))
