"""A program on MQTT is the board: what it is told, what it says, and what becomes of the power when it is gone."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.evse_board_support_api.module import evse_board_support_API
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.evse_board_support import PowerOnOff
from tests.everest_api.program import Program
from tests.support.harness import World

BOARD, RCD, LOCK = ("board", "main"), ("board", "rcd"), ("board", "connector_lock")
ON = PowerOnOff(allow_power_on=True, reason="FullPowerCharging")
OFF = PowerOnOff(allow_power_on=False, reason="PowerOff")
IS_ON, IS_OFF = ON.model_dump(), OFF.model_dump()
INITIAL, LOST = "Initial communication check", "Bridge to implementation connection lost"


def board(**options: Any) -> Program:
    world = World()
    world.add(evse_board_support_API, "board", options)
    world.start()
    return Program(world, "evse_board_support", "board")


@pytest.fixture
def program() -> Program:
    """It is there."""
    found = board()
    found.lives()
    return found


def events(program: Program) -> list[str]:
    return [event.event for event in program.world.published(BOARD, EvseBoardSupport.event)]


def power_on(program: Program) -> None:
    program.world.call(BOARD, EvseBoardSupport.allow_power_on, ON)
    program.says("event", {"event": "PowerOn"})


def faults(program: Program) -> list[tuple[str, str]]:
    return [(error.type, error.sub_type) for error in program.world.active_errors(BOARD)]


def test_before_the_program_speaks_there_is_a_fault_and_the_board_is_told_to_be_off() -> None:
    program = board()
    assert faults(program) == [("evse_board_support/CommunicationFault", INITIAL)]
    program.world.advance(30)
    assert faults(program) == [("evse_board_support/CommunicationFault", INITIAL)]
    assert set(map(str, program.heard("allow_power_on"))) == {str(IS_OFF)}
    assert len(program.heard("allow_power_on")) >= 30
    program.lives()
    assert faults(program) == []


def test_commands_of_the_kernel_are_topics_with_everests_names_and_payloads(program: Program) -> None:
    world = program.world
    program.forget()
    world.call(BOARD, EvseBoardSupport.enable, True)
    world.call(BOARD, EvseBoardSupport.pwm_on, 53.3)
    world.call(BOARD, EvseBoardSupport.cp_state_X1)
    world.call(BOARD, EvseBoardSupport.cp_state_F)
    world.call(BOARD, EvseBoardSupport.cp_state_E)
    world.call(BOARD, EvseBoardSupport.allow_power_on, ON)
    world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, True)
    world.call(BOARD, EvseBoardSupport.ac_set_overcurrent_limit_A, 16.0)
    world.call(LOCK, ConnectorLock.lock)
    world.call(LOCK, ConnectorLock.unlock)
    world.call(RCD, AcRcd.self_test)
    wanted: dict[str, list[Any]] = {
        "enable": [True],
        "pwm_on": [53.3],
        "cp_state_X1": [None],
        "cp_state_F": [None],
        "cp_state_E": [None],
        "allow_power_on": [{"allow_power_on": True, "reason": "FullPowerCharging"}],
        "ac_switch_three_phases_while_charging": ["SinglePhase", "ThreePhases"],
        "ac_overcurrent_limit": [16.0],
        "lock": [None],
        "unlock": [None],
        "self_test": [None],
    }
    assert {name: program.heard(name) for name in wanted} == wanted
    assert set(program.heard_names()) == set(wanted)


def test_what_the_program_says_is_what_the_board_says(program: Program) -> None:
    capabilities = {
        "max_current_A_import": 32.0, "min_current_A_import": 6.0, "max_phase_count_import": 3,
        "min_phase_count_import": 1, "max_current_A_export": 0.0, "min_current_A_export": 0.0,
        "max_phase_count_export": 1, "min_phase_count_export": 1,
        "supports_changing_phases_during_charging": False, "supports_cp_state_E": False,
        "connector_type": "IEC62196Type2Socket",
    }  # fmt: skip
    said: dict[str, tuple[Any, tuple[str, str], Any]] = {
        "event": ({"event": "B"}, BOARD, EvseBoardSupport.event),
        "ac_nr_of_phases": (3, BOARD, EvseBoardSupport.ac_nr_of_phases_available),
        "capabilities": (capabilities, BOARD, EvseBoardSupport.capabilities),
        "ac_pp_ampacity": ({"ampacity": "A_20"}, BOARD, EvseBoardSupport.ac_pp_ampacity),
        "request_stop_transaction": ({"reason": "Local"}, BOARD, EvseBoardSupport.request_stop_transaction),
        "rcd_current": (0.5, RCD, AcRcd.rcd_current_mA),
    }
    for name, (value, where, variable) in said.items():
        program.says(name, value)
        (found,) = program.world.published(where, variable)
        assert variable.to_jsonable(found) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("event", '{"event":"Z"}'),
        ("event", "B"),
        ("event", ""),
        ("ac_nr_of_phases", "4"),
        ("ac_nr_of_phases", "true"),
        ("rcd_current", "NaN"),
        ("rcd_current", "1e999"),
        ("capabilities", "{}"),
        ("capabilities", "[" * 5000),
        ("raise_error", '{"type":"NoSuchError"}'),
        ("raise_error", '{"type":"evse_board_support/DiodeFault"}'),
        ("clear_error", f'{{"type":"CommunicationFault","sub_type":"{INITIAL}"}}'),
        ("communication_check", "1"),
        ("communication_check", "yes"),
    ],
)
def test_what_does_not_fit_changes_nothing(name: str, text: str) -> None:
    program = board()
    before = faults(program)
    program.says_text(name, text)
    assert faults(program) == before
    variables: tuple[Any, ...] = (EvseBoardSupport.event, EvseBoardSupport.ac_nr_of_phases_available)
    for variable in variables:
        assert program.world.published(BOARD, variable) == []
    assert program.world.published(RCD, AcRcd.rcd_current_mA) == []


def test_a_field_that_a_newer_program_knows_is_left_out(program: Program) -> None:
    program.says("event", {"event": "B", "since": "yesterday"})
    assert events(program) == ["B"]


def test_a_program_that_falls_silent_is_a_fault_at_its_deadline_and_its_board_is_told_to_be_off(
    program: Program,
) -> None:
    power_on(program)
    program.lives_for(20)
    assert faults(program) == []
    program.world.advance(3.9)
    assert faults(program) == []
    assert program.heard("allow_power_on")[-1] == IS_ON
    program.forget()
    program.world.advance(0.2)
    assert faults(program) == [("evse_board_support/CommunicationFault", LOST)]
    program.world.advance(10)
    assert IS_ON not in program.heard("allow_power_on")


def test_a_program_that_is_back_is_told_everything_power_off_first_before_the_fault_clears(
    program: Program,
) -> None:
    world = program.world
    world.call(BOARD, EvseBoardSupport.enable, True)
    world.call(BOARD, EvseBoardSupport.pwm_on, 50.0)
    world.call(LOCK, ConnectorLock.lock)
    power_on(program)
    world.advance(6)
    world.call(BOARD, EvseBoardSupport.cp_state_X1)
    program.forget()
    program.lives()
    assert faults(program) == []
    assert program.heard_names() == ["allow_power_on", "lock", "allow_power_on", "enable", "cp_state_X1"]
    assert program.heard("allow_power_on") == [IS_OFF, IS_OFF]
    program.lives_for(3)
    assert IS_ON not in program.heard("allow_power_on")
    power_on(program)
    program.lives_for(3)
    assert program.heard("allow_power_on")[-1] == IS_ON


def test_power_that_is_allowed_while_the_program_is_lost_is_not_told(program: Program) -> None:
    program.world.advance(6)
    program.forget()
    program.world.call(BOARD, EvseBoardSupport.allow_power_on, ON)
    program.world.advance(3)
    assert IS_ON not in program.heard("allow_power_on")
    program.lives()
    program.lives_for(3)
    assert IS_ON not in program.heard("allow_power_on")


def test_false_is_a_farewell_at_once_as_a_last_will_may_say_it(program: Program) -> None:
    power_on(program)
    program.forget()
    program.lives(alive=False)
    assert faults(program) == [("evse_board_support/CommunicationFault", LOST)]
    assert program.heard("allow_power_on") == [IS_OFF, IS_OFF]
    program.lives()
    assert faults(program) == []


def test_without_a_check_nobody_looks() -> None:
    program = board(cfg_communication_check_to_s=0)
    power_on(program)
    program.world.advance(100)
    program.lives(alive=False)
    assert faults(program) == []
    assert program.heard("allow_power_on")[-1] == IS_ON


def test_levels_are_told_each_second_phases_and_locks_only_once(program: Program) -> None:
    world = program.world
    world.call(BOARD, EvseBoardSupport.enable, True)
    world.call(BOARD, EvseBoardSupport.pwm_on, 50.0)
    world.call(BOARD, EvseBoardSupport.ac_set_overcurrent_limit_A, 32.0)
    world.call(LOCK, ConnectorLock.lock)
    world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    power_on(program)
    program.forget()
    program.lives_for(3)
    assert program.heard_names() == ["allow_power_on", "enable", "pwm_on", "ac_overcurrent_limit"] * 3


def test_power_off_is_told_each_100_ms_until_the_board_reports_it(program: Program) -> None:
    power_on(program)
    program.forget()
    program.world.call(BOARD, EvseBoardSupport.allow_power_on, OFF)
    program.world.advance(0.35)
    assert len(program.heard("allow_power_on")) >= 4
    program.says("event", {"event": "PowerOff"})
    program.forget()
    program.world.advance(0.35)
    assert len(program.heard("allow_power_on")) <= 1


def test_power_off_that_is_never_reported_is_repeated_for_a_second_only(program: Program) -> None:
    power_on(program)
    program.world.call(BOARD, EvseBoardSupport.allow_power_on, OFF)
    program.lives()
    program.world.advance(1.2)
    program.forget()
    program.world.advance(2)
    assert len(program.heard("allow_power_on")) == 2


def test_a_contactor_that_closes_unasked_is_told_to_open(program: Program) -> None:
    program.world.advance(2)
    program.forget()
    program.says("event", {"event": "PowerOn"})
    assert program.heard("allow_power_on") == [IS_OFF]


def test_errors_of_the_program_go_where_they_belong(program: Program) -> None:
    program.says("raise_error", {"type": "DiodeFault", "message": "0.3 V"})
    program.says("raise_error", {"type": "DC", "sub_type": "6 mA"})
    program.says("raise_error", {"type": "ConnectorLockFailedLock"})
    program.says("raise_error", {"type": "VendorError", "sub_type": "E42"})
    world = program.world
    assert world.errors(BOARD) == ["evse_board_support/DiodeFault", "evse_board_support/VendorError"]
    assert world.errors(RCD) == ["ac_rcd/DC"]
    assert world.errors(LOCK) == ["connector_lock/ConnectorLockFailedLock"]
    assert {error.severity for error in world.active_errors(BOARD)} == {"High"}
    for error in (
        {"type": "DiodeFault"},
        {"type": "DC", "sub_type": "6 mA"},
        {"type": "ConnectorLockFailedLock"},
    ):
        program.says("clear_error", error)
    assert (world.errors(BOARD), world.errors(RCD), world.errors(LOCK)) == (
        ["evse_board_support/VendorError"],
        [],
        [],
    )


def test_errors_without_end_are_bounded(program: Program) -> None:
    for number in range(300):
        program.says("raise_error", {"type": "VendorError", "sub_type": str(number)})
    assert len(program.world.errors(BOARD)) == 100


def test_a_reset_of_the_residual_current_monitor_is_what_the_program_replies(program: Program) -> None:
    for answer in (True, False):
        call = program.world.begin(RCD, AcRcd.reset)
        program.world.settle()
        program.replies(program.heard("reset")[-1], answer)
        assert call.outcome == (answer,)


def test_a_reset_without_a_reply_has_not_worked(program: Program) -> None:
    call = program.world.begin(RCD, AcRcd.reset)
    program.lives_for(5)
    assert call.outcome == (False,)
    program.replies(program.heard("reset")[-1], True)  # too late
    assert call.outcome == (False,)
    call = program.world.begin(RCD, AcRcd.reset)
    program.world.settle()
    program.replies(program.heard("reset")[-1], "done")
    assert call.outcome == (False,)


@pytest.mark.parametrize("gone", ["program", "broker"])
def test_phases_and_reset_are_refused_while_nobody_is_there(program: Program, gone: str) -> None:
    if gone == "program":
        program.world.advance(6)
    else:
        program.world.mqtt.connected = False
    program.forget()
    commands: list[tuple[tuple[str, str], Any, tuple[Any, ...]]] = [
        (RCD, AcRcd.reset, ()),
        (RCD, AcRcd.self_test, ()),
        (BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, (True,)),
    ]
    for where, command, arguments in commands:
        with pytest.raises(CallError, match="not there"):
            program.world.call(where, command, *arguments)
    assert program.heard_names() == []


def test_a_lock_that_could_not_be_told_is_told_once_when_the_broker_is_back_before_power(
    program: Program,
) -> None:
    program.world.mqtt.connected = False
    program.world.call(LOCK, ConnectorLock.lock)
    power_on(program)
    program.forget()
    program.world.advance(0.5)
    program.world.mqtt.connected = True
    program.lives_for(3)
    assert program.heard_names() == ["lock", *["allow_power_on", "cp_state_X1"] * 3]


def test_commands_to_the_board_never_wait_for_a_broker(program: Program) -> None:
    """A contactor must not close when the broker is back because of what was wanted before."""
    program.world.mqtt.connected = False
    program.forget()
    power_on(program)
    program.world.advance(1)
    assert program.heard_names() == []


def test_the_end_of_the_process_makes_the_board_safe(program: Program) -> None:
    program.world.call(BOARD, EvseBoardSupport.pwm_on, 50.0)
    power_on(program)
    program.forget()
    program.world.modules["board"].make_safe()
    assert program.heard("allow_power_on") == [IS_OFF]
    assert "cp_state_X1" in program.heard_names()


def test_a_board_that_is_enabled_says_its_state_again(program: Program) -> None:
    """A kernel that begins anew knows nothing; the program tells changes only."""
    program.says("event", {"event": "C"})
    program.says("event", {"event": "PowerOff"})
    program.world.call(BOARD, EvseBoardSupport.enable, True)
    program.world.call(BOARD, EvseBoardSupport.enable, False)
    assert events(program) == ["C", "PowerOff", "C"]


def test_what_a_program_said_before_it_was_lost_is_not_said_again(program: Program) -> None:
    program.says("event", {"event": "C"})
    program.world.advance(6)
    program.lives()
    program.world.call(BOARD, EvseBoardSupport.enable, True)
    assert events(program) == ["C"]
    program.says("event", {"event": "A"})
    program.world.call(BOARD, EvseBoardSupport.enable, True)
    assert events(program) == ["C", "A", "A"]


def test_a_closed_contactor_keeps_the_connector_locked_and_the_phases_as_they_are(program: Program) -> None:
    power_on(program)
    program.forget()
    with pytest.raises(CallError, match="stays locked"):
        program.world.call(LOCK, ConnectorLock.unlock)
    with pytest.raises(CallError, match="under load"):
        program.world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    program.world.call(BOARD, EvseBoardSupport.allow_power_on, OFF)
    with pytest.raises(CallError, match="stays locked"):
        program.world.call(LOCK, ConnectorLock.unlock)
    program.says("event", {"event": "PowerOff"})
    program.world.call(LOCK, ConnectorLock.unlock)
    program.world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    names = [name for name in program.heard_names() if name != "allow_power_on"]
    assert names == ["unlock", "ac_switch_three_phases_while_charging"]
