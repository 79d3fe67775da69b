"""What a board measures, in EVerest's types."""

from __future__ import annotations

from drivers.board.messages import Cable, MeterReading
from evse_daemon.types.board_support_common import Ampacity, ProximityPilot
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.temperature import Temperature
from evse_daemon.types.units import Current, Energy, Frequency, Power, Voltage

AMPACITIES: dict[Cable, Ampacity] = {
    "none": "None",
    "13A": "A_13",
    "20A": "A_20",
    "32A": "A_32",
    "70A": "A_63_3ph_70_1ph",
    "fault": "None",
}

DIGITS = 3
"""The wire carries floats of 24 bits: what is beyond is noise."""


def proximity(cable: Cable) -> ProximityPilot:
    return ProximityPilot(ampacity=AMPACITIES[cable])


def powermeter(reading: MeterReading, meter_id: str, timestamp: str) -> Powermeter:
    """A reading as EVerest publishes it; the time is the host's, the board has none.

    Args:
        reading: of the board.
        meter_id: the meter's name.
        timestamp: when it arrived, RFC 3339.
    """
    return Powermeter(
        timestamp=timestamp,
        meter_id=meter_id,
        phase_seq_error=reading.wrong_phase_sequence,
        energy_Wh_import=Energy(total=_round(reading.total_energy_Wh), **_by_phase(reading.energy_Wh)),
        power_W=Power(total=_round(sum(reading.power_W)), **_by_phase(reading.power_W)),
        voltage_V=Voltage(**_by_phase(reading.voltage_V)),
        current_A=Current(**_by_phase(reading.current_A), N=_round(reading.neutral_A)),
        frequency_Hz=Frequency(**_by_phase(reading.frequency_Hz)),
        temperatures=_temperatures(reading),
    )


def _round(value: float) -> float:
    return round(value, DIGITS)


def _by_phase(values: tuple[float, float, float]) -> dict[str, float]:
    return {f"L{number}": _round(value) for number, value in enumerate(values, 1)}


def _temperatures(reading: MeterReading) -> list[Temperature] | None:
    """None where the board has no sensors: all zero."""
    measured = {
        **{f"L{number}": value for number, value in enumerate(reading.temperature_C, 1)},
        "N": reading.neutral_temperature_C,
    }
    if not any(measured.values()):
        return None
    return [
        Temperature(temperature=_round(value), identification=name, location="Board")
        for name, value in measured.items()
    ]
