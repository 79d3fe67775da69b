"""YetiSimulator and EvManager on a bus, with a scripted charger at the other side of the board."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.framework.module import Module, Requires
from evse_daemon.framework.registry import find_module_class
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.car_simulator import CarSimulator
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.ev_board_support import EvBoardSupport
from evse_daemon.interfaces.ev_manager import EvManager as EvManagerInterface
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.interfaces.temperature_sensor import TemperatureSensor
from evse_daemon.mqtt import topics
from evse_daemon.types import powermeter as powermeter_types
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_board_support import PowerOnOff
from evse_daemon.types.units import Energy, Frequency, Power, Voltage
from simulators.ev_manager.module import EvManager
from simulators.yeti_simulator.error_injection import INJECTABLE
from simulators.yeti_simulator.module import YetiSimulator
from tests.support.harness import World

BOARD = ("yeti", "board_support")
CAR_BOARD = ("yeti", "ev_board_support")
METER = ("yeti", "powermeter")
RCD = ("yeti", "rcd")
LOCK = ("yeti", "connector_lock")
CAR = ("car", "main")
EV = ("car", "ev_manager")

SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"
ERROR = topics.carsim_error(1)
ENABLE = topics.carsim_command(1, "enable")
EXECUTE = topics.carsim_command(1, "execute_charging_session")
MODIFY = topics.carsim_command(1, "modify_charging_session")


class ScriptedCharger(Module):
    """Offers 32 A as soon as a car is plugged in, and gives leave to switch on in state C."""

    board = Requires(EvseBoardSupport)

    def init(self) -> None:
        self.board.subscribe(EvseBoardSupport.event, self.on_event)

    def ready(self) -> None:
        self.board.call(EvseBoardSupport.enable, True)

    def on_event(self, event: BspEvent) -> None:
        if event.event == "B":
            self.after(0.3, lambda: self.offer(53.333))
        elif event.event == "C":
            self.allow(True)
        elif event.event == "A":
            self.allow(False)

    def offer(self, duty_percent: float) -> None:
        self.board.call(EvseBoardSupport.pwm_on, duty_percent)

    def allow(self, value: bool) -> None:
        reason = PowerOnOff(allow_power_on=value, reason="FullPowerCharging" if value else "PowerOff")
        self.board.call(EvseBoardSupport.allow_power_on, reason)


def station(car_options: dict[str, Any] | None = None, yeti_options: dict[str, Any] | None = None) -> World:
    world = World()
    world.add(YetiSimulator, "yeti", {"connector_id": 1} | (yeti_options or {}))
    world.add(
        EvManager,
        "car",
        {"connector_id": 1, "auto_enable": True} | (car_options or {}),
        connections={"ev_board_support": [CAR_BOARD]},
    )
    world.add(ScriptedCharger, "charger", connections={"board": [BOARD]})
    world.start()
    return world


@pytest.fixture
def world() -> World:
    return station()


def events(world: World) -> list[str]:
    return [event.event for event in world.published(BOARD, EvseBoardSupport.event)]


def imported_wh(world: World) -> list[float]:
    return [value.energy_Wh_import.total for value in world.published(METER, Powermeter.powermeter)]


def injection(name: str, wanted: str) -> str:
    return json.dumps({"error_type": name, "raise": wanted})


def charge(world: World) -> None:
    world.send(EXECUTE, "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 1000")
    world.advance(3)
    assert events(world)[-1] == "PowerOn"


def test_the_configuration_finds_both_by_their_names() -> None:
    assert find_module_class("YetiSimulator") is YetiSimulator
    assert find_module_class("EvManager") is EvManager


def test_a_full_session_as_everest_records_it(world: World) -> None:
    world.advance(5)
    world.send(EXECUTE, SESSION)
    world.advance(25)
    assert events(world) == ["A", "B", "C", "PowerOn", "A", "PowerOff"]
    assert [event.event for event in world.published(EV, EvManagerInterface.bsp_event)] == [
        "A",
        "B",
        "C",
        "A",
    ]
    to_car_board = [
        (entry.name, next(iter(entry.value.values()))) for entry in world.recorder.select("call", *CAR_BOARD)
    ]
    assert to_car_board == [
        ("allow_power_on", False),
        ("set_ac_max_current", 16.0),
        ("set_three_phases", True),
        ("enable", True),
        ("set_cp_state", "A"),
        ("allow_power_on", False),
        ("set_cp_state", "B"),
        ("allow_power_on", False),
        ("set_ac_max_current", 16.0),
        ("set_three_phases", True),
        ("set_cp_state", "C"),
        ("allow_power_on", True),
        ("set_cp_state", "A"),
        ("allow_power_on", False),
    ]
    assert world.published(CAR, CarSimulator.enabled) == [True]


def test_the_meter_counts_what_the_car_draws(world: World) -> None:
    world.send(EXECUTE, SESSION)
    world.advance(30)
    counted = imported_wh(world)
    assert counted[-1] == pytest.approx(61, rel=0.05)
    assert counted == sorted(counted)
    charging = [v for v in world.published(METER, Powermeter.powermeter) if v.power_W and v.power_W.total > 0]
    assert len(charging) == pytest.approx(39, abs=1)
    for value in charging:
        assert value.current_A is not None
        assert value.voltage_V is not None
        assert value.power_W is not None
        assert value.frequency_Hz is not None
        assert pytest.approx(16, rel=0.011) == value.current_A.L1
        assert value.power_W.total == pytest.approx(3 * 16 * 222, rel=0.04)
        assert pytest.approx(50, abs=0.13) == value.frequency_Hz.L1


def test_a_new_session_starts_at_zero_only_where_the_option_says_so() -> None:
    for reset, expected in ((True, 0.0), (False, pytest.approx(61, rel=0.05))):
        world = station(yeti_options={"reset_powermeter_on_session_start": reset})
        world.send(EXECUTE, SESSION)
        world.advance(30)
        world.send(EXECUTE, "pause;sleep 100")
        world.advance(2)
        assert imported_wh(world)[-1] == expected


def test_what_is_published_at_start_and_how_often(world: World) -> None:
    at_start = [(entry.implementation_id, entry.name) for entry in world.recorder.select("var", "yeti")]
    assert at_start == [
        ("powermeter", "public_key_ocmf"),
        ("board_support", "capabilities"),
        ("powermeter", "powermeter"),
        ("temperature_sensor", "temperatures"),
        ("board_support", "telemetry"),
    ]
    assert world.published(METER, Powermeter.public_key_ocmf) == ["TESTPUBLICKEY1"]
    (first,) = world.published(METER, Powermeter.powermeter)
    assert first.voltage_V == Voltage(L1=230, L2=230, L3=230)
    assert first.frequency_Hz == Frequency(L1=50, L2=50, L3=50)
    assert first.power_W == Power(total=0, L1=0, L2=0, L3=0)
    assert first.energy_Wh_import == first.energy_Wh_export == Energy(total=0, L1=0, L2=0, L3=0)
    assert first.timestamp == "2026-03-04T10:15:00.000Z"
    world.recorder.clear()
    world.advance(10)
    assert len(world.published(METER, Powermeter.powermeter)) == 20
    assert len(world.published(("yeti", "temperature_sensor"), TemperatureSensor.temperatures)) == 20
    assert len(world.published(BOARD, EvseBoardSupport.telemetry)) == 20
    assert len(world.published(RCD, AcRcd.rcd_current_mA)) == 40
    assert len(world.published(CAR_BOARD, EvBoardSupport.bsp_measurement)) == 40


def test_capabilities_are_those_of_the_options() -> None:
    world = station(yeti_options={"max_current_A_import": 16, "min_current_A_import": 8.5})
    (capabilities,) = world.published(BOARD, EvseBoardSupport.capabilities)
    assert capabilities.max_current_A_import == 16
    assert capabilities.min_current_A_import == 8.5
    assert capabilities.max_current_A_export == 16
    assert not capabilities.supports_cp_state_E
    assert capabilities.connector_type == "IEC62196Type2Cable"


def test_make_safe_opens_the_contactor_at_once(world: World) -> None:
    charge(world)
    world.modules["yeti"].make_safe()
    world.settle()
    assert events(world)[-1] == "PowerOff"
    world.advance(0.25)
    measurement = world.published(CAR_BOARD, EvBoardSupport.bsp_measurement)[-1]
    assert measurement.cp_pwm_duty_cycle == 100


def test_state_e_is_refused_by_a_board_that_cannot(world: World) -> None:
    with pytest.raises(CallError, match="supports_cp_state_E"):
        world.call(BOARD, EvseBoardSupport.cp_state_E)


def test_a_current_that_is_no_number_is_refused(world: World) -> None:
    charge(world)
    for value in (math.nan, math.inf):
        with pytest.raises(CallError, match="finite"):
            world.call(CAR_BOARD, EvBoardSupport.set_ac_max_current, value)
        with pytest.raises(CallError, match="finite"):
            world.call(CAR_BOARD, EvBoardSupport.set_rcd_error, value)
    world.call(BOARD, EvseBoardSupport.pwm_on, math.nan)
    world.advance(0.25)
    assert world.published(CAR_BOARD, EvBoardSupport.bsp_measurement)[-1].cp_pwm_duty_cycle == 100


def test_a_residual_current_raises_and_clears_the_error(world: World) -> None:
    world.send(EXECUTE, "pause;sleep 1;rcd_current 10.3;sleep 2;rcd_current 0.1;sleep 100")
    world.advance(2)
    assert world.errors(RCD) == ["ac_rcd/DC"]
    assert world.published(RCD, AcRcd.rcd_current_mA)[-1] == pytest.approx(10.3, rel=0.011)
    assert world.active_errors(RCD)[0].severity == "High"
    world.advance(2)
    assert world.errors(RCD) == []
    raised, cleared = world.recorder.select("error", *RCD)
    assert raised.value.uuid == cleared.value.uuid


def test_resetting_the_monitor_ends_the_residual_current(world: World) -> None:
    world.send(EXECUTE, "pause;rcd_current 10.3;sleep 100")
    world.advance(1)
    assert world.call(RCD, AcRcd.reset) is True
    world.advance(0.25)
    assert world.errors(RCD) == []
    world.call(RCD, AcRcd.self_test)


def test_a_shorted_diode_is_an_error_until_the_car_is_gone(world: World) -> None:
    charge(world)
    world.send(MODIFY, "diode_fail;sleep 2;unplug;sleep 100")
    world.advance(1)
    assert world.errors(BOARD) == ["evse_board_support/DiodeFault"]
    world.advance(2)
    assert world.errors(BOARD) == []
    assert events(world)[-2:] == ["A", "PowerOff"]


@pytest.mark.parametrize("name", INJECTABLE)
def test_every_error_can_be_raised_and_cleared_by_hand(world: World, name: str) -> None:
    implementation_id, type_ = INJECTABLE[name]
    for _ in range(2):
        world.send(ERROR, injection(name, "true"))
        world.advance(1)
        assert world.errors(("yeti", implementation_id)) == [type_]
        world.send(ERROR, injection(name, "false"))
        world.advance(1)
        assert world.errors(("yeti", implementation_id)) == []


def test_a_measured_error_is_not_cleared_by_hand(world: World) -> None:
    world.send(EXECUTE, "pause;rcd_current 10.3;sleep 100")
    world.advance(1)
    world.send(ERROR, injection("ac_rcd_DC", "true"))
    world.send(ERROR, injection("ac_rcd_DC", "false"))
    assert world.errors(RCD) == ["ac_rcd/DC"]


@pytest.mark.parametrize("payload", ["", "{}", '{"error_type": "Fire", "raise": "true"}', "\x00", "[" * 9000])
def test_a_bad_injection_changes_nothing(world: World, payload: str) -> None:
    world.send(ERROR, payload)
    world.advance(1)
    assert world.recorder.select("error") == []


def test_the_lock_does_what_it_is_told(world: World) -> None:
    yeti = world.modules["yeti"]
    assert isinstance(yeti, YetiSimulator)
    world.call(LOCK, ConnectorLock.unlock)
    assert not yeti.locked
    world.call(LOCK, ConnectorLock.lock)
    assert yeti.locked


def test_transactions_are_signed_with_the_blobs_of_the_options() -> None:
    request = powermeter_types.TransactionReq(
        evse_id="DE*1",
        transaction_id="1",
        identification_status="ASSIGNED",
        identification_type="ISO14443",
        identification_flags=[],
    )
    world = station(yeti_options={"dummy_meter_value_blob_start": "begin"})
    started = world.call(METER, Powermeter.start_transaction, request)
    assert started.status == "OK"
    assert started.signed_meter_value is not None
    assert started.signed_meter_value.signed_meter_data == "begin"
    assert started.signed_meter_value.signing_method == "dummy"
    stopped = world.call(METER, Powermeter.stop_transaction, "")
    assert stopped.signed_meter_value is not None
    assert stopped.signed_meter_value.signed_meter_data == "test stop value"
    world = station(yeti_options={"dummy_meter_value_send_on_transaction_start": False})
    assert world.call(METER, Powermeter.start_transaction, request).signed_meter_value is None


def test_a_car_that_is_not_enabled_does_nothing() -> None:
    world = station({"auto_enable": False, "auto_exec": True, "auto_exec_commands": "pause;sleep 100"})
    assert world.published(CAR, CarSimulator.enabled) == [False]
    world.send(EXECUTE, SESSION)
    world.send(MODIFY, SESSION)
    with pytest.raises(CallError, match="disabled"):
        world.call(CAR, CarSimulator.execute_charging_session, SESSION)
    world.advance(5)
    assert world.recorder.select("call", *CAR_BOARD) == []
    assert events(world) == ["A"]


@pytest.mark.parametrize("topic", [ENABLE, topics.carsim_enable_of_yocto(1)])
def test_enabling_and_disabling_by_hand(topic: str) -> None:
    world = station({"auto_enable": False})
    world.send(topic, "true")
    world.send(topic, "true")
    world.send(EXECUTE, "pause;sleep 100")
    world.advance(1)
    assert events(world) == ["A", "B"]
    world.send(topic, "false")
    world.advance(1)
    assert events(world) == ["A", "B", "A"]
    assert world.published(CAR, CarSimulator.enabled) == [False, True, False]
    world.call(CAR, CarSimulator.enable, True)
    world.advance(2)
    assert events(world) == ["A", "B", "A"]
    world.call(CAR, CarSimulator.execute_charging_session, "pause;sleep 100")
    world.advance(1)
    assert events(world) == ["A", "B", "A", "B"]


@pytest.mark.parametrize(
    ("script", "named"),
    [("fly", "known are"), ("iso_start_v2g_session ac", "needs ISO 15118"), ("x" * 20_000, "longer")],
)
def test_a_wrong_script_is_answered_and_changes_nothing(world: World, script: str, named: str) -> None:
    with pytest.raises(CallError, match=named):
        world.call(CAR, CarSimulator.execute_charging_session, script)
    world.send(EXECUTE, script)
    world.send(MODIFY, script)
    world.advance(1)
    assert world.calls(CAR_BOARD, EvBoardSupport.set_cp_state) == []


def test_a_second_session_is_refused_while_one_runs(world: World) -> None:
    charge(world)
    with pytest.raises(CallError, match="modify_charging_session"):
        world.call(CAR, CarSimulator.execute_charging_session, SESSION)
    world.send(MODIFY, "unplug")
    world.advance(1)
    world.call(CAR, CarSimulator.execute_charging_session, SESSION)


@pytest.mark.parametrize(("infinite", "sessions"), [(False, 1), (True, 3)])
def test_a_demo_runs_by_itself(infinite: bool, sessions: int) -> None:
    script = "sleep 1;iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 3;unplug;sleep 1"
    world = station({"auto_exec": True, "auto_exec_infinite": infinite, "auto_exec_commands": script})
    world.advance(20)
    session = ["B", "C", "PowerOn", "A", "PowerOff"]
    assert events(world)[: 1 + 5 * sessions] == ["A", *session * sessions]
    assert events(world).count("PowerOn") == sessions


def test_the_car_tells_its_battery(world: World) -> None:
    world.send(EXECUTE, SESSION)
    world.advance(15)
    infos = world.published(EV, EvManagerInterface.ev_info)
    assert infos[0].soc == 30
    assert infos[0].target_current is None
    assert infos[0].battery_capacity == 60_000
    assert infos[-1].target_current == 16
    assert infos[-1].target_voltage == 0
    socs: Sequence[float] = [info.soc or 0.0 for info in infos]
    assert list(socs) == sorted(socs)
    assert socs[-1] > 30.03


def test_a_car_plugged_in_under_f_is_found_when_f_ends(world: World) -> None:
    world.advance(1)
    world.call(BOARD, EvseBoardSupport.cp_state_F)
    world.send(EXECUTE, "pause;sleep 100")
    world.advance(2)
    assert events(world) == ["A", "F"]
    assert world.published(EV, EvManagerInterface.bsp_event) == []
    world.call(BOARD, EvseBoardSupport.cp_state_X1)
    world.advance(1)
    assert events(world) == ["A", "F", "B"]
    assert world.published(EV, EvManagerInterface.bsp_event) == [BspEvent(event="B")]


def test_a_lost_board_ends_the_session(world: World) -> None:
    charge(world)
    world.bus.implementations[CAR_BOARD].lose()
    world.settle()
    infos = len(world.published(EV, EvManagerInterface.ev_info))
    world.advance(2)
    assert len(world.published(EV, EvManagerInterface.ev_info)) == infos
    world.call(CAR, CarSimulator.execute_charging_session, SESSION)
