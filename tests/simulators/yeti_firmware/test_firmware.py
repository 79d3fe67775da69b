"""The board as drivers.md §4 describes the published firmware: cadence, thresholds, timings."""

from __future__ import annotations

import itertools

import pytest

from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_firmware import cp_reading
from simulators.yeti_firmware.cp_reading import CpRead
from simulators.yeti_firmware.firmware import Due, Hang, Restart
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpState,
    CpVoltages,
    EnterBootloader,
    ErrorFlags,
    HasReset,
    HostAlive,
    LockIs,
    LockState,
    MeterDue,
    PpIs,
    PpState,
    RelayIs,
    ResetBoard,
    ResetReason,
    SetLock,
    SetPwm,
    SetThreePhases,
    Version,
)
from simulators.yeti_simulator.control_pilot import Levels
from tests.simulators.yeti_firmware.rig import Board, charging, running

X1, STATE_F, A16 = SetPwm(10001), SetPwm(0), SetPwm(2666)
ALLOW, FORBID = AllowPowerOn(True), AllowPowerOn(False)


# --- start and cadence ---------------------------------------------------------------------------------------------


def test_it_starts_with_three_keep_alives_and_the_reason_of_its_reset() -> None:
    board = Board()
    board.run(0.04)
    kinds = [type(message) for _, message in board.said]
    assert kinds == [BoardAlive, BoardAlive, BoardAlive, HasReset]
    assert board.changes == [HasReset(ResetReason.USER)]


def test_the_first_pass_always_tells_the_state() -> None:
    board = Board()
    board.run(0.2)
    assert board.changes == [HasReset(ResetReason.USER), CpIs(CpState.A)]


def test_telemetry_keep_alive_and_meter_come_in_this_order_five_times_a_second() -> None:
    board = running()
    board.run(10)
    assert [type(message) for _, message in board.said] == [CpVoltages, BoardAlive, MeterDue] * 50
    times = board.at(BoardAlive)
    assert all(later - earlier == pytest.approx(0.2) for earlier, later in itertools.pairwise(times))


def test_the_keep_alive_says_what_the_hardware_can_do_and_how_long_it_runs() -> None:
    board = running()
    board.run(1)
    first, second, *_ = [message for _, message in board.said if isinstance(message, BoardAlive)]
    assert (first.max_current_a, first.min_current_a, first.max_phases, first.min_phases) == (32, 6, 3, 1)
    assert first.changes_phases_while_charging
    assert second.tick_ms - first.tick_ms == 200


def test_nothing_that_has_not_changed_is_told() -> None:
    board = charging()
    board.run(60)
    assert board.changes == []


def test_a_negative_voltage_is_told_as_zero() -> None:
    board = running("B")
    board.host(A16)
    board.run(0.5)
    voltages = [message for _, message in board.said if isinstance(message, CpVoltages)]
    assert voltages[-1] == CpVoltages(9, 0)


# --- the control pilot ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nominal_v", "state"), [(12, "A"), (9, "B"), (6, "C"), (3, "D"), (0, "E"), (-12, "F")]
)
def test_each_state_has_a_window_of_less_than_1_1_v(nominal_v: float, state: str) -> None:
    def read(high_v: float) -> CpRead | None:
        return cp_reading.read(Levels(high_v, -12.0), pwm_running=True)

    assert read(nominal_v) == read(nominal_v + 1.09) == read(nominal_v - 1.09) == CpRead[state]
    assert read(nominal_v + 1.1) != CpRead[state]
    assert read(nominal_v - 1.1) != CpRead[state]


@pytest.mark.parametrize("between_v", [10.5, 7.5, 4.5, 1.5, -5.0, 13.2, -13.2])
def test_a_voltage_between_the_windows_is_no_state(between_v: float) -> None:
    assert cp_reading.read(Levels(between_v, -12.0), pwm_running=True) is None


def test_without_the_negative_half_wave_there_is_a_diode_fault_or_nothing_at_all() -> None:
    assert cp_reading.read(Levels(9.0, -9.0), pwm_running=True) is CpRead.DF
    assert cp_reading.read(Levels(9.0, -9.0), pwm_running=False) is CpRead.B
    assert cp_reading.read(Levels(9.0, -6.0), pwm_running=True) is None
    assert cp_reading.read(Levels(0.0, 0.0), pwm_running=True) is CpRead.E


def test_an_invalid_signal_changes_nothing() -> None:
    board = charging()
    for _ in range(40):
        assert board.state.next_at_s is not None
        board.now_s = board.state.next_at_s
        board.event(Due(Levels(7.5, -12.0)))
    assert board.changes == []
    assert board.state.contacts == 3


def test_state_f_is_read_back_from_the_wire() -> None:
    board = running("B")
    board.host(STATE_F)
    board.run(0.1)
    assert board.changes == [CpIs(CpState.F)]
    board.host(X1)
    board.run(0.1)
    assert board.changes == [CpIs(CpState.F), CpIs(CpState.B)]


def test_a_car_that_leaves_finds_x1() -> None:
    board = charging()
    board.car("A")
    board.run(0.3)
    assert board.changes == [CpIs(CpState.A), RelayIs(False)]
    assert board.state.pilot.mode == "X1"


def test_a_car_that_moves_under_f_is_seen_when_f_is_withdrawn() -> None:
    board = running("B")
    board.host(STATE_F)
    board.run(0.1)
    board.car("C")
    assert board.told_car == []
    board.host(X1)
    board.run(0.1)
    assert board.told_car == ["C"]


# --- the contactor -------------------------------------------------------------------------------------------------


def test_the_contactor_closes_in_c_with_pwm_and_leave() -> None:
    board = running("B")
    board.host(A16, ALLOW)
    board.car("C")
    board.run(1)
    assert board.changes == [CpIs(CpState.C), RelayIs(True)]


@pytest.mark.parametrize("lacks", ["pwm", "leave", "state"])
def test_the_contactor_stays_open_without_one_of_the_three(lacks: str) -> None:
    board = running("B")
    board.host(X1 if lacks == "pwm" else A16)
    board.host(FORBID if lacks == "leave" else ALLOW)
    board.car("B" if lacks == "state" else "C")
    board.run(10)
    assert board.state.contacts == 0


def test_d_is_treated_like_c() -> None:
    board = running("B")
    board.host(A16, ALLOW)
    board.car("D")
    board.run(1)
    assert board.changes == [CpIs(CpState.D), RelayIs(True)]


def test_the_contactor_takes_100_ms_before_anything_is_told() -> None:
    board = running("B")
    board.host(A16, ALLOW)
    board.run(0.05)
    board.car("C")
    seen_s = board.state.next_at_s
    assert seen_s is not None
    board.run(1)
    assert board.when(CpIs(CpState.C)) == pytest.approx(seen_s + 0.1)
    assert board.when(RelayIs(True)) == pytest.approx(seen_s + 0.1)


def test_withdrawn_leave_opens_in_the_next_pass() -> None:
    board = charging()
    board.host(FORBID)
    board.run(0.051)
    assert board.state.contacts == 0
    board.run(0.2)
    assert board.changes == [RelayIs(False)]


@pytest.mark.parametrize("state", ["A", "B", "E"])
def test_it_opens_by_itself_outside_c_and_d(state: EvCpState) -> None:
    board = charging()
    board.car(state)
    board.run(0.051)
    assert board.state.contacts == 0


def test_state_f_of_the_host_opens() -> None:
    board = charging()
    board.host(STATE_F)
    board.run(0.051)
    assert board.state.contacts == 0


def test_a_car_that_stays_in_c_without_pwm_is_switched_off_after_seven_seconds() -> None:
    board = charging()
    board.host(X1)
    board.run(6.99)
    assert board.state.contacts == 3
    board.run(0.2)
    assert board.state.contacts == 0


def test_pwm_that_comes_back_in_time_ends_the_cut_off() -> None:
    board = charging()
    board.host(X1)
    board.run(6)
    board.host(A16)
    board.run(20)
    assert board.state.contacts == 3
    board.host(X1)
    board.run(6.9)
    assert board.state.contacts == 3


def test_phases_are_those_wanted_when_it_closes() -> None:
    board = charging()
    board.host(SetThreePhases(False))
    board.run(5)
    assert board.state.contacts == 3
    board.host(FORBID)
    board.run(0.5)
    board.host(ALLOW)
    board.run(0.5)
    assert board.state.contacts == 1


# --- faults --------------------------------------------------------------------------------------------------------


def test_a_shorted_diode_is_told_as_f_and_a_flag_and_opens() -> None:
    board = charging()
    board.change_car(diode_shorted=True)
    board.run(0.3)
    assert board.changes == [CpIs(CpState.F), RelayIs(False), ErrorFlags(diode_fault=True)]
    board.clear()
    board.change_car(diode_shorted=False)
    board.run(0.3)
    assert board.changes == [CpIs(CpState.C), RelayIs(True), ErrorFlags()]


def test_a_residual_current_opens_at_once_and_stays_until_the_car_has_left() -> None:
    board = charging()
    board.change_car(residual_ma=10.3)
    assert board.state.contacts == 0
    board.run(0.1)
    assert board.changes == [RelayIs(False), ErrorFlags(rcd_triggered=True)]
    board.change_car(residual_ma=0.1)
    board.run(30)
    assert board.state.contacts == 0
    board.car("A")
    board.run(0.1)
    assert board.changes[2:] == [CpIs(CpState.A), ErrorFlags()]
    board.host(A16)
    board.car("C")
    board.run(0.1)
    board.host(A16, FORBID, ALLOW)
    board.run(0.5)
    assert board.state.contacts == 3


def test_a_residual_current_that_waits_trips_when_the_contactor_closes() -> None:
    board = running("B")
    board.change_car(residual_ma=10.3)
    board.host(A16, ALLOW)
    board.car("C")
    board.run(0.5)
    assert board.state.contacts == 0
    assert ErrorFlags(rcd_triggered=True) in board.changes


def test_a_welded_contactor_is_told_as_closed_and_feeds_the_car() -> None:
    board = charging()
    board.broken(welded=True)
    board.host(FORBID)
    board.run(5)
    assert board.changes == []
    assert board.state.current_a > 0
    board.mended()
    board.run(0.1)
    assert board.changes == [RelayIs(False)]


def test_a_weld_closes_nothing() -> None:
    board = running("B")
    board.broken(welded=True)
    board.run(1)
    assert board.state.contacts == 0


def test_a_slow_contactor_is_told_late() -> None:
    board = charging()
    board.broken(relay_s=2.0)
    board.host(FORBID)
    board.run(1.9)
    assert board.changes == []
    board.run(0.3)
    assert board.changes == [RelayIs(False)]


def test_a_stuck_lock_is_an_error_after_its_motor_has_run_for_a_second() -> None:
    board = running(tells_lock=True)
    board.broken(lock_stuck=True)
    board.host(SetLock(True))
    board.run(0.9)
    assert board.changes == []
    board.run(0.2)
    assert board.changes == [ErrorFlags(connector_lock_failed=True)]
    board.mended()
    board.host(SetLock(True))
    board.run(1.1)
    assert board.changes[1:] == [ErrorFlags(), LockIs(LockState.LOCKED)]


def test_the_published_firmware_never_tells_its_lock() -> None:
    board = running()
    board.host(SetLock(True))
    board.run(2)
    assert board.state.locked
    assert board.changes == []


@pytest.mark.parametrize(
    "flag", ["cp_signal_fault", "over_current", "ventilation_not_available", "rcd_selftest_failed"]
)
def test_flags_that_it_never_sets_by_itself_can_be_set(flag: str) -> None:
    board = running()
    board.broken(flags=ErrorFlags(**{flag: True}))
    board.run(0.1)
    board.mended()
    board.run(0.1)
    assert board.changes == [ErrorFlags(**{flag: True}), ErrorFlags()]


def test_a_cable_is_told_when_it_changes() -> None:
    board = running()
    board.broken(pp=PpState.A20)
    board.run(1)
    assert board.changes == [PpIs(PpState.A20)]


def test_another_version_is_told() -> None:
    board = running()
    board.broken(version=Version(9, 0, "9.9"))
    board.run(0.3)
    assert [message.version for _, message in board.said if isinstance(message, BoardAlive)] == [
        Version(9, 0, "9.9")
    ]


# --- resets and watchdogs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [ResetReason.USER, ResetReason.WATCHDOG])
def test_a_reset_opens_forgets_what_was_wanted_and_tells_everything_again(reason: ResetReason) -> None:
    board = charging()
    board.event(Restart(reason))
    assert (board.state.contacts, board.state.pilot.mode) == (0, "X1")
    board.run(20)
    assert board.changes == [HasReset(reason), CpIs(CpState.C)]


def test_the_host_can_reset_it() -> None:
    board = charging()
    board.host(ResetBoard())
    board.run(1)
    assert board.changes == [HasReset(ResetReason.USER), CpIs(CpState.C)]


def test_commands_while_it_boots_are_lost() -> None:
    board = charging()
    board.host(ResetBoard(), A16, ALLOW)
    board.run(1)
    assert board.state.contacts == 0


def test_a_firmware_that_hangs_leaves_the_contactor_closed_and_says_nothing() -> None:
    board = charging()
    board.event(Hang())
    board.host(FORBID, ResetBoard())
    board.car("B")
    board.run(100)
    assert (board.said, board.state.contacts) == ([], 3)


def test_the_processors_watchdog_ends_a_hang() -> None:
    board = charging()
    board.event(Hang(watchdog_s=3))
    board.run(5)
    assert board.changes == [HasReset(ResetReason.WATCHDOG), CpIs(CpState.C)]
    assert board.state.contacts == 0


def test_the_published_firmware_keeps_charging_without_its_host() -> None:
    board = charging()
    board.run(600)
    assert board.state.contacts == 3


def test_with_a_host_watchdog_it_signals_f_and_opens_after_five_seconds() -> None:
    board = charging(host_watchdog=True)
    for _ in range(10):
        board.host(HostAlive())
        board.run(1)
    assert board.state.contacts == 3
    board.clear()
    board.run(3.9)
    assert board.state.contacts == 3
    board.run(0.3)
    assert board.state.contacts == 0
    assert board.changes == [RelayIs(False), CpIs(CpState.F)]
    board.host(HostAlive(), A16, ALLOW)
    board.run(1)
    assert board.state.contacts == 3


def test_the_bootloader_is_silent_until_a_reset() -> None:
    board = charging()
    board.host(EnterBootloader())
    board.run(10)
    assert (board.said, board.state.contacts) == ([], 0)
    board.event(Restart())
    board.run(1)
    assert board.changes[0] == HasReset(ResetReason.USER)


def test_an_early_timer_changes_nothing() -> None:
    board = charging()
    before = board.state
    board.event(Due(Levels(12.0, 12.0)))
    assert board.state == before
