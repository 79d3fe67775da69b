"""What the simulated meter publishes."""

from __future__ import annotations

from collections.abc import Sequence

from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.temperature import Temperature
from evse_daemon.types.units import Current, Energy, Frequency, Power, Voltage
from simulators.yeti_simulator.electrics import EnergyCounter, Measurement


def temperatures(measurement: Measurement) -> list[Temperature]:
    return [
        Temperature(temperature=measurement.temperature_c, identification="Powermeter", location="Powermeter")
    ]


def powermeter(measurement: Measurement, energy: EnergyCounter, timestamp: str) -> Powermeter:
    """A reading; like the real one's, the energy is in whole Wh."""
    u, i, p, f = (
        measurement.voltage_v,
        measurement.current_a,
        measurement.power_w,
        measurement.frequency_hz,
    )
    return Powermeter(
        timestamp=timestamp,
        meter_id="YETI_POWERMETER",
        phase_seq_error=False,
        energy_Wh_import=_energy(energy.import_wh),
        energy_Wh_export=_energy(energy.export_wh),
        power_W=Power(total=sum(p), L1=p[0], L2=p[1], L3=p[2]),
        voltage_V=Voltage(L1=u[0], L2=u[1], L3=u[2]),
        current_A=Current(L1=i[0], L2=i[1], L3=i[2], N=measurement.neutral_a),
        frequency_Hz=Frequency(L1=f, L2=f, L3=f),
        temperatures=temperatures(measurement),
    )


def _energy(by_phase_wh: Sequence[float]) -> Energy:
    l1, l2, l3 = (float(round(value)) for value in by_phase_wh)
    return Energy(total=float(round(sum(by_phase_wh))), L1=l1, L2=l2, L3=l3)
