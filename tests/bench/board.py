"""A board that does at once what it is told, and signals what it is told to: nothing of a wire or a car is simulated."""

from __future__ import annotations

import time
from collections.abc import Callable

from evse_daemon.framework.module import Context
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.types.board_support_common import BspEvent, Event
from evse_daemon.types.evse_board_support import PowerOnOff
from simulators.yeti_simulator import readings
from simulators.yeti_simulator.electrics import measure
from simulators.yeti_simulator.module import YetiSimulator


class BenchBoard(YetiSimulator):
    """The simulator's interfaces, options and meter, without its ticks."""

    class Options(YetiSimulator.Options):
        """The simulator's."""

    METER_S = 1.0

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.power_commanded = False
        self.signalled_ns = 0
        """When ``signal`` last published."""
        self.commanded_ns = 0
        """When allow_power_on was last handled."""
        self.commanded: Callable[[], None] = lambda: None
        """Called after allow_power_on."""

    def ready(self) -> None:
        self.board_support.publish(EvseBoardSupport.capabilities, self.capabilities())
        self.publish_meter()
        self.every(self.METER_S, self.publish_meter)

    def make_safe(self) -> None:
        """There is nothing behind this board."""

    def signal(self, event: Event) -> None:
        """The board has seen something on the control pilot."""
        value = BspEvent(event=event)
        self.signalled_ns = time.perf_counter_ns()
        self.board_support.publish(EvseBoardSupport.event, value)

    def allow_power_on(self, value: PowerOnOff) -> None:
        self.commanded_ns = time.perf_counter_ns()
        if value.allow_power_on != self.power_commanded:
            self.power_commanded = value.allow_power_on
            contactor: Event = "PowerOn" if value.allow_power_on else "PowerOff"
            self.board_support.publish(EvseBoardSupport.event, BspEvent(event=contactor))
            options = self.options
            current_a = 16.0 if value.allow_power_on else 0.0
            self.measurement = measure(
                current_a, 3, options.ac_nominal_voltage, options.ac_nominal_frequency, self._noise
            )
        self.commanded()

    def publish_meter(self) -> None:
        self.energy.add(self.measurement.power_w, self.METER_S)
        timestamp = self.context.bus.timestamp()
        self.powermeter.publish(
            Powermeter.powermeter, readings.powermeter(self.measurement, self.energy, timestamp)
        )
