"""InfyPower as EvseManager sees it, with simulated modules on its bus."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.infy_power.codec import Alarm, Command, Read, SetPoint, Switch, decode_id
from drivers.infy_power.module import InfyPower
from drivers.link.can_wire import CanFrame
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.power_supply_DC import PowerSupplyDC
from evse_daemon.types.power_supply_DC import Mode
from simulators.infy_power.group import RectifierGroup
from simulators.infy_power.rectifier import Rectifier
from tests.support.harness import World

SUPPLY = ("psu", "main")
COMMUNICATION = "power_supply_DC/CommunicationFault"
HARDWARE = "power_supply_DC/HardwareFault"
WARNING = "power_supply_DC/VendorWarning"


class Bench:
    """The driver and its modules, joined by a bus that the test can cut."""

    def __init__(self, addresses: tuple[int, ...] = (0,), *, start: bool = True, **options: Any) -> None:
        self.world = World()
        fixed = {"module_addresses": ",".join(map(str, addresses))} if "group_address" not in options else {}
        self.driver = self.world.add(InfyPower, "psu", fixed | options)
        self.driver.wire = self
        self.modules = RectifierGroup(addresses, options.get("group_address", 0))
        self.cut = False
        self.sent: list[CanFrame] = []
        self.world.start()
        if start:
            self.driver.bus_up()
            self.advance(2)

    async def run(self, _listener: object) -> None:
        raise AssertionError("the test says when the bus is up")

    def send(self, frame: CanFrame) -> None:
        if self.cut:
            return
        self.sent.append(frame)
        for answer in self.modules.received(frame, self.world.clock.now_s()):
            self.driver.received(answer)

    def advance(self, seconds: float) -> None:
        steps = max(round(seconds / 0.25), 1)
        for _ in range(steps):
            self.world.advance(seconds / steps)
            self.modules.tick(self.world.clock.now_s())

    def __getitem__(self, address: int) -> Rectifier:
        return self.modules.rectifiers[address]

    def charge(self, voltage_V: float = 400.0, current_A: float = 30.0) -> None:
        self.modules.battery.voltage_V = 350.0
        self.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, voltage_V, current_A)
        self.world.call(SUPPLY, PowerSupplyDC.setMode, "Export", "Charging")
        self.advance(1.5)

    def off(self) -> Any:
        return self.world.begin(SUPPLY, PowerSupplyDC.setMode, "Off", "Other")

    @property
    def errors(self) -> list[str]:
        return self.world.errors(SUPPLY)

    def message(self, error: str) -> str:
        return next(each.message for each in self.world.active_errors(SUPPLY) if each.type == error)

    def modes(self) -> list[Mode]:
        return self.world.published(SUPPLY, PowerSupplyDC.mode)


# Start


def test_at_the_start_the_modules_are_switched_off_and_say_what_they_can() -> None:
    bench = Bench()
    assert bench[0].log[0] == Switch(on=False)
    assert not bench[0].on
    (can,) = bench.world.published(SUPPLY, PowerSupplyDC.capabilities)
    assert (can.min_export_voltage_V, can.max_export_voltage_V) == (200.0, 500.0)
    assert (can.max_export_current_A, can.max_export_power_W) == (100.0, 10_000.0)
    assert can.conversion_efficiency_export == 0.95
    assert not can.bidirectional
    assert bench.modes() == ["Off"]
    assert bench.errors == []


def test_modules_that_never_answer_are_a_communication_fault_after_three_seconds() -> None:
    bench = Bench(start=False)
    bench[0].faults.silent = True
    bench.driver.bus_up()
    bench.advance(2.5)
    assert bench.errors == []
    bench.advance(1.5)
    assert bench.errors == [COMMUNICATION]
    assert "no power module has answered for 3 s" in bench.message(COMMUNICATION)


def test_a_bus_that_cannot_be_opened_is_a_communication_fault_with_its_reason() -> None:
    bench = Bench(start=False)
    bench.driver.bus_lost("cannot open can0")
    bench.world.settle()
    assert "cannot open can0" in bench.message(COMMUNICATION)
    bench.driver.bus_up()
    bench.advance(1)
    assert bench.errors == []


def test_the_modules_of_a_group_are_off_as_soon_as_they_are_counted() -> None:
    bench = Bench((0, 1), start=False, group_address=1)
    for each in bench.modules.rectifiers.values():
        each.on = True
    bench.driver.bus_up()
    bench.world.advance(0.1)
    assert not any(each.on for each in bench.modules.rectifiers.values())


def test_a_group_is_counted_and_then_asked() -> None:
    bench = Bench((0, 1, 2), group_address=1)
    assert sorted(bench.driver.state.modules) == [0, 1, 2]
    assert bench.world.published(SUPPLY, PowerSupplyDC.capabilities)[-1].max_export_current_A == 300.0
    bench.charge(current_A=90.0)
    assert [each.set_point.current_A for each in bench.modules.rectifiers.values()] == [30.0] * 3


# Power


def test_set_points_and_on_reach_the_module_in_this_order() -> None:
    bench = Bench()
    bench.charge()
    assert bench[0].log[1:] == [SetPoint(400.0, 30.0), Switch(on=True)]
    assert bench.modes() == ["Off", "Export"]
    read = bench.world.published(SUPPLY, PowerSupplyDC.voltage_current)[-1]
    assert read.current_A == pytest.approx(30.0)
    assert read.voltage_V == pytest.approx(350.0 + 30 * 0.05, abs=0.1)


def test_voltage_and_current_are_told_at_least_once_a_second() -> None:
    bench = Bench()
    before = len(bench.world.published(SUPPLY, PowerSupplyDC.voltage_current))
    bench.advance(10)
    assert len(bench.world.published(SUPPLY, PowerSupplyDC.voltage_current)) - before >= 10


def test_the_wanted_set_is_sent_again_so_that_a_module_that_forgot_it_goes_on() -> None:
    bench = Bench()
    bench.charge()
    bench[0].on = False
    bench[0].set_point = SetPoint(0.0, 0.0)
    bench.advance(1.5)
    assert bench[0].on
    assert bench[0].set_point == SetPoint(400.0, 30.0)


def until_commands_wait(bench: Bench) -> None:
    """Until the wanted set is about to be sent again."""
    while not any(not isinstance(what, Read) for _, what in bench.driver.state.queue):
        bench.world.advance(0.005)


def test_a_new_set_point_is_sent_at_once_and_the_old_one_never_after_it() -> None:
    bench = Bench((0, 1))
    bench.charge()
    until_commands_wait(bench)
    bench.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, 400.0, 20.0)
    for _ in range(50):
        assert bench[0].set_point == bench[1].set_point == SetPoint(400.0, 10.0)
        bench.world.advance(0.02)


def test_off_is_never_followed_by_an_on_that_was_about_to_be_sent() -> None:
    bench = Bench((0, 1))
    bench.charge()
    until_commands_wait(bench)
    bench.off()
    for _ in range(50):
        bench.world.advance(0.02)
        assert not bench[0].on
        assert not bench[1].on


def test_on_without_a_set_point_waits_for_one() -> None:
    bench = Bench()
    bench.world.call(SUPPLY, PowerSupplyDC.setMode, "Export", "PreCharge")
    assert not bench[0].on
    bench.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, 300.0, 2.0)
    assert bench[0].on


@pytest.mark.parametrize("voltage_V", [100.0, 501.0])
def test_a_voltage_that_the_modules_cannot_give_is_refused_and_leaves_them_off(voltage_V: float) -> None:
    bench = Bench()
    bench.charge()
    with pytest.raises(CallError, match="200 V to 500 V"):
        bench.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, voltage_V, 10.0)
    assert not bench[0].on
    bench.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, 400.0, 10.0)
    assert bench[0].on


@pytest.mark.parametrize(
    ("voltage_V", "current_A"), [(math.nan, 1.0), (400.0, math.nan), (-1.0, 1.0), (400.0, -5.0)]
)
def test_a_set_point_that_is_none_changes_nothing(voltage_V: float, current_A: float) -> None:
    bench = Bench()
    bench.charge()
    with pytest.raises(CallError, match="no set point"):
        bench.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, voltage_V, current_A)
    assert bench[0].on
    assert bench[0].set_point == SetPoint(400.0, 30.0)


def test_more_current_than_the_modules_have_is_what_they_have() -> None:
    bench = Bench()
    bench.charge(current_A=500.0)
    assert bench[0].set_point.current_A == 100.0


def test_power_from_the_car_is_refused() -> None:
    bench = Bench()
    with pytest.raises(CallError, match="cannot take power"):
        bench.world.call(SUPPLY, PowerSupplyDC.setMode, "Import", "Charging")
    with pytest.raises(CallError, match="cannot take power"):
        bench.world.call(SUPPLY, PowerSupplyDC.setImportVoltageCurrent, 300.0, 1.0)


# Off


def test_off_is_sent_at_once_and_answered_when_the_module_has_confirmed_it() -> None:
    bench = Bench()
    bench.charge()
    call = bench.off()
    bench.world.settle()
    assert not bench[0].on
    assert call.outcome is None
    bench.world.advance(0.1)
    assert call.outcome == (None,)


def test_off_is_sent_again_until_it_is_confirmed() -> None:
    bench = Bench()
    bench.charge()
    bench[0].faults.stuck_on = True
    call = bench.off()
    bench.advance(0.5)
    assert call.outcome is None
    bench[0].faults.stuck_on = False
    bench.world.advance(0.1)
    assert not bench[0].on
    assert call.outcome == (None,)
    assert bench.errors == []


def test_a_module_that_stays_on_is_a_defect_and_the_command_is_answered_all_the_same() -> None:
    bench = Bench()
    bench.charge()
    bench[0].faults.stuck_on = True
    call = bench.off()
    bench.advance(3.5)
    assert call.outcome == (None,)
    assert bench.errors == [HARDWARE]
    assert "30.0 A although it is told to be off" in bench.message(HARDWARE)
    bench[0].faults.stuck_on = False
    bench.advance(2)
    assert not bench[0].on
    assert bench.errors == []


def test_off_is_answered_where_there_is_no_communication() -> None:
    bench = Bench()
    bench.driver.bus_lost("gone")
    call = bench.off()
    bench.world.settle()
    assert call.outcome == (None,)


def test_at_the_end_the_modules_are_off() -> None:
    bench = Bench((0, 1))
    bench.charge()
    bench.driver.make_safe()
    assert not bench[0].on
    assert not bench[1].on
    bench.advance(2)
    assert not bench[0].on


def test_a_failure_of_the_driver_switches_off_and_it_goes_on() -> None:
    bench = Bench()
    bench.charge()
    assert bench.driver.recover(RuntimeError("broken"), 1)
    assert not bench[0].on
    bench.advance(1)
    assert bench.modes()[-1] == "Off"


# Silence, and what comes after it


def test_silence_of_all_modules_is_a_fault_after_three_seconds_and_means_off() -> None:
    bench = Bench()
    bench.charge()
    bench[0].faults.silent = True
    bench.advance(2.5)
    assert bench.errors == []
    bench.advance(1.5)
    assert bench.errors == [COMMUNICATION]
    assert not bench[0].on, "it still hears"
    assert bench.modes()[-1] == "Fault"
    bench[0].faults.silent = False
    bench.advance(2)
    assert bench.errors == []
    assert bench.modes()[-1] == "Off"
    assert not bench[0].on, "it takes a new command"


def test_a_lost_bus_is_a_fault_at_once_and_after_it_a_new_command_is_needed() -> None:
    bench = Bench()
    bench.charge()
    bench.cut = True
    bench.driver.bus_lost("bus-off")
    bench.world.settle()
    assert bench.errors == [COMMUNICATION]
    bench.advance(1)
    bench.cut = False
    bench.driver.bus_up()
    bench.advance(1)
    assert not bench[0].on
    assert bench.errors == []
    bench.charge()
    assert bench[0].on


def test_a_command_during_the_fault_is_kept_and_carried_out_before_the_fault_is_cleared() -> None:
    bench = Bench()
    bench.driver.bus_lost("bus-off")
    bench.world.call(SUPPLY, PowerSupplyDC.setExportVoltageCurrent, 300.0, 5.0)
    bench.world.call(SUPPLY, PowerSupplyDC.setMode, "Export", "PreCharge")
    assert not bench[0].on
    bench.driver.bus_up()
    on_at_clearing: list[bool] = []
    bench.world.bus.implementations[SUPPLY].subscribe_errors(
        bench.driver.context.inbox, lambda error: on_at_clearing.append(error.active or bench[0].on)
    )
    bench.advance(1)
    assert bench[0].set_point == SetPoint(300.0, 5.0)
    assert on_at_clearing == [True]


def test_no_voltage_and_current_of_before_is_told_while_there_is_silence() -> None:
    bench = Bench()
    bench.charge()
    bench[0].faults.silent = True
    bench.advance(0.5)
    before = len(bench.world.published(SUPPLY, PowerSupplyDC.voltage_current))
    bench.advance(10)
    assert len(bench.world.published(SUPPLY, PowerSupplyDC.voltage_current)) == before


def test_one_of_several_that_falls_silent_keeps_its_share_until_it_is_off_for_certain() -> None:
    bench = Bench((0, 1))
    bench.charge(current_A=60.0)
    bench[1].faults.deaf = True
    bench.advance(12)
    assert not bench[1].on, "after 10 s it has gone off by itself"
    assert bench[0].set_point.current_A == 30.0
    assert bench.errors == [WARNING]
    assert "power module 1" in bench.message(WARNING)
    bench.advance(4)
    assert bench[0].set_point.current_A == 60.0
    assert bench.errors == []
    bench[1].faults.deaf = False
    bench.advance(2)
    assert bench[0].set_point.current_A == bench[1].set_point.current_A == 30.0
    assert bench[1].on
    assert "power_supply_DC/CommunicationFault" not in bench.errors


def test_a_module_that_restarts_is_on_again() -> None:
    bench = Bench((0, 1))
    bench.charge(current_A=60.0)
    bench.modules.rectifiers[1] = Rectifier(1, bench.modules.battery)
    bench.advance(1.5)
    assert bench[1].on
    assert bench[1].set_point == SetPoint(400.0, 30.0)


# What a module complains of


@pytest.mark.parametrize(
    ("alarm", "error"),
    [
        (Alarm.FAULT, HARDWARE),
        (Alarm.PROTECTION, HARDWARE),
        (Alarm.LOAD_SHARING, HARDWARE),
        (Alarm.DISCHARGE_ABNORMAL, HARDWARE),
        (Alarm.OVER_TEMPERATURE, "power_supply_DC/OverTemperature"),
        (Alarm.OUTPUT_OVER_VOLTAGE, "power_supply_DC/OverVoltageDC"),
        (Alarm.OUTPUT_SHORT, "power_supply_DC/OverCurrentDC"),
        (Alarm.INPUT_LOW, "power_supply_DC/UnderVoltageAC"),
        (Alarm.INPUT_HIGH, "power_supply_DC/OverVoltageAC"),
        (Alarm.INPUT_PHASE_LOST, "power_supply_DC/VendorError"),
        (Alarm.INPUT_UNBALANCED, "power_supply_DC/VendorError"),
        (Alarm.ID_REPEATED, "power_supply_DC/VendorError"),
        (Alarm.COMMUNICATION_INTERRUPT, COMMUNICATION),
        (Alarm.FAN_FAULT, WARNING),
    ],
)
def test_an_alarm_is_an_error_as_long_as_it_lasts(alarm: Alarm, error: str) -> None:
    bench = Bench((0, 1))
    bench[1].faults.alarms = alarm
    bench.advance(1)
    assert bench.errors == [error]
    assert "power module 1 (SN_" in bench.message(error)
    (found,) = bench.world.active_errors(SUPPLY)
    assert found.severity == ("Medium" if error == WARNING else "High")
    bench[1].faults.alarms = Alarm(0)
    bench.advance(1)
    assert bench.errors == []


@pytest.mark.parametrize("harmless", [Alarm.WALK_IN, Alarm.SLEEPING, Alarm.POWER_LIMITED, Alarm.PFC_OFF])
def test_what_a_module_only_mentions_is_no_error(harmless: Alarm) -> None:
    bench = Bench()
    bench[0].faults.alarms = harmless
    bench.advance(1)
    assert bench.errors == []


def test_an_error_of_two_modules_clears_with_the_second() -> None:
    bench = Bench((0, 1))
    for address in (0, 1):
        bench[address].faults.alarms = Alarm.FAULT
    bench.advance(1)
    bench[0].faults.alarms = Alarm(0)
    bench.advance(1)
    assert bench.errors == [HARDWARE]
    bench[1].faults.alarms = Alarm(0)
    bench.advance(1)
    assert bench.errors == []


# What does not belong here


def test_numbers_that_are_none_and_refusals_are_not_believed() -> None:
    bench = Bench()
    bench.charge()
    before = bench.world.published(SUPPLY, PowerSupplyDC.voltage_current)[-1]
    bench[0].faults.no_number = True
    bench.advance(1)
    told = bench.world.published(SUPPLY, PowerSupplyDC.voltage_current)
    assert all(math.isfinite(each.voltage_V) for each in told)
    assert told[-1] == before
    bench[0].faults.refusing = True
    bench.advance(4)
    assert bench.errors == [COMMUNICATION]


def test_frames_of_others_change_nothing() -> None:
    bench = Bench()
    before = bench.driver.state
    status = CanFrame(0x0284F000, bytes.fromhex("0000000000000200"), extended=True)
    strangers = [
        CanFrame(0x0757F800, bytes(8), extended=True),  # between modules
        CanFrame(status.id & 0x7FF, status.data),
        CanFrame(status.id ^ 0x100, status.data, extended=True),  # to another controller
        CanFrame(status.id | 7, status.data, extended=True),  # of a module that is not ours
        CanFrame(status.id, status.data[:7], extended=True),
    ]
    for frame in strangers:
        bench.driver.received(frame)
    bench.world.settle()
    assert bench.driver.state == before


def test_each_module_is_given_time_between_two_frames() -> None:
    bench = Bench()
    bench.sent.clear()
    times: list[float] = []
    send = bench.send

    def noted(frame: CanFrame) -> None:
        if decode_id(frame.id).command in (Command.OUTPUT, Command.STATUS, Command.EXTERNAL):
            times.append(bench.world.clock.now_s())
        send(frame)

    bench.send = noted  # type: ignore[method-assign]
    bench.advance(3)
    gaps = [round(later - earlier, 6) for earlier, later in itertools.pairwise(times)]
    assert min(gaps) >= 0.05


@pytest.mark.parametrize(
    "options",
    [
        {"module_addresses": "0,x"},
        {"module_addresses": "60"},
        {"module_addresses": "1,,2"},
        {"module_addresses": "1, 1"},
        {"device_connection_timeout_s": 10},
        {"controller_address": 256},
        {"controller_address": 3},
        {"conversion_efficiency_export": 1.5},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        InfyPower.Options.model_validate(options)
