"""What a simulated meter measures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

Phases = tuple[float, float, float]


@dataclass(slots=True)
class Electrics:
    """Three phases; a current is positive towards the car."""

    voltage_v: float = 230.0
    current_a: Phases = (0.0, 0.0, 0.0)
    power_factor: float = 1.0
    frequency_hz: float = 50.0
    import_wh: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    export_wh: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    @property
    def power_w(self) -> Phases:
        l1, l2, l3 = (self.voltage_v * current * self.power_factor for current in self.current_a)
        return l1, l2, l3

    @property
    def reactive_var(self) -> Phases:
        part = math.sqrt(1.0 - self.power_factor**2)
        l1, l2, l3 = (self.voltage_v * abs(current) * part for current in self.current_a)
        return l1, l2, l3

    def pass_time(self, seconds: float) -> None:
        """Counts what flowed since the last time."""
        for phase, power in enumerate(self.power_w):
            counter = self.import_wh if power > 0 else self.export_wh
            counter[phase] += abs(power) * seconds / 3600

    def set_energy(self, import_wh: float) -> None:
        """The counters as of another meter: this much imported, nothing exported."""
        self.import_wh = [import_wh / 3] * 3
        self.export_wh = [0.0, 0.0, 0.0]
