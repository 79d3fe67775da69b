"""What the firmware of a Yeti does, with a car on its control pilot (drivers.md §4; ControlPilot.cpp, RemoteControlRX.cpp).

The control pilot's task looks at it every 50 ms. Where it switches the contactor it waits for that, and tells what has
changed only afterwards; commands are taken in meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evse_daemon.types.ev_board_support import EvCpState
from simulators.yeti_firmware import cp_reading
from simulators.yeti_firmware.cp_reading import CpRead
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpVoltages,
    EnterBootloader,
    FromHost,
    HasReset,
    HostAlive,
    LockIs,
    LockState,
    MeterDue,
    PpIs,
    RelayIs,
    ResetBoard,
    ResetReason,
    SetLock,
    SetPwm,
    SetThreePhases,
    ToHost,
)
from simulators.yeti_firmware.state import Faults, Firmware
from simulators.yeti_simulator import car as cars
from simulators.yeti_simulator import control_pilot
from simulators.yeti_simulator.car import RCD_IDLE_MA, Car
from simulators.yeti_simulator.control_pilot import Levels

BOOT_S = 0.05
"""From a reset to the first message; the firmware initialises its hardware."""

PASS_S = 0.05
TELLS_EVERY = 4
"""In each fourth pass, the first included, telemetry, keep-alive and meter are sent."""

C1_S = 7.0
"""A car that stays in C or D without PWM is switched off after this (the host does it after 6 s)."""

LOCK_MOTOR_S = 1.0
HOST_WATCHDOG_S = 5.0

BOOT_ALIVES = 3
"""Keep-alives at the start, by which the host's decoder finds the beginning of a frame."""


# --- events and effects --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    """``next_at_s`` has come; what the control pilot's converter measures then."""

    measured: Levels


@dataclass(frozen=True, slots=True)
class Received:
    """A command of the host."""

    message: FromHost


@dataclass(frozen=True, slots=True)
class CarChanged:
    """The car is another one, or its limits or faults have changed."""

    car: Car


@dataclass(frozen=True, slots=True)
class CarSets:
    """The car changes its state."""

    state: EvCpState


@dataclass(frozen=True, slots=True)
class Broken:
    """What is broken from now on."""

    faults: Faults


@dataclass(frozen=True, slots=True)
class Hang:
    """The firmware stops. Its outputs stay as they are."""

    watchdog_s: float | None = None
    """When the processor's own watchdog resets it; None for never."""


@dataclass(frozen=True, slots=True)
class Restart:
    """The processor is reset, by its pin, its watchdog or its supply."""

    reason: ResetReason = ResetReason.USER


Event = Due | Received | CarChanged | CarSets | Broken | Hang | Restart


@dataclass(frozen=True, slots=True)
class Send:
    """A message to the host."""

    message: ToHost | MeterDue


@dataclass(frozen=True, slots=True)
class TellCar:
    """The car's state has reached its board's end of the cable."""

    state: EvCpState


Effect = Send | TellCar
Step = tuple[Firmware, tuple[Effect, ...]]


# --- the decisions -------------------------------------------------------------------------------------------------


def step(board: Firmware, event: Event, now_s: float) -> Step:
    """What the board is after an event, and what it says."""
    match event:
        case Due(measured):
            return _due(board, measured, now_s)
        case Received(message):
            return (_obey(board, message, now_s) if board.mode == "running" else board), ()
        case CarChanged(car):
            return _trip(replace(board, car=car)), ()
        case CarSets(state):
            car, seen = cars.set_state(board.car, state, board.pilot)
            return replace(board, car=car), () if seen is None else (TellCar(seen),)
        case Broken(faults):
            return _release(replace(board, faults=faults)), ()
        case Hang(watchdog_s):
            until_s = None if watchdog_s is None else now_s + watchdog_s
            return replace(board, mode="hung", next_at_s=until_s), ()
        case Restart(reason):
            return _reset(board, reason, now_s), ()


def _due(board: Firmware, measured: Levels, now_s: float) -> Step:
    if board.next_at_s is None or now_s < board.next_at_s:
        return board, ()
    if board.mode == "hung":
        return _reset(board, ResetReason.WATCHDOG, now_s), ()
    if board.mode == "booting":
        board = replace(
            board, mode="running", booted_at_s=now_s, host_seen_at_s=now_s, next_at_s=now_s + PASS_S
        )
        alive = Send(_alive(board, now_s))
        return board, (*(alive for _ in range(BOOT_ALIVES)), Send(HasReset(board.reset_reason)))
    if board.switching:
        return _tell(_trip(_switched(board)), now_s)
    return _pass(board, measured, now_s)


def _pass(board: Firmware, measured: Levels, now_s: float) -> Step:
    """One pass of the control pilot's task."""
    effects: list[Effect] = []
    if board.passes % TELLS_EVERY == 0:
        voltages = CpVoltages(max(0, int(board.measured.high_v)), max(0, int(board.measured.low_v)))
        effects = [Send(voltages), Send(_alive(board, now_s)), Send(MeterDue())]
    board = replace(board, passes=board.passes + 1, measured=measured)
    if board.rcd_fired:
        board = replace(board, rcd_fired=False, flags=replace(board.flags, rcd_triggered=True))
    board = _watch_host(_stop_lock_motor(board, now_s), now_s)
    if board.allowed_before and not board.allowed:
        board = _power_off(board)

    state = cp_reading.read(measured, pwm_running=board.pilot.running)
    if state is not None:
        board = _decide(replace(board, state=state, allowed_before=board.allowed), now_s)
    elif board.allowed_before is not board.allowed:
        board = replace(board, allowed_before=board.allowed)
    car, seen = cars.echo(board.car, board.pilot)
    if seen is not None:
        board = replace(board, car=car)
        effects.append(TellCar(seen))
    if board.switching:
        return replace(board, next_at_s=now_s + board.faults.relay_s), tuple(effects)
    board, told = _tell(board, now_s)
    return board, (*effects, *told)


def _decide(board: Firmware, now_s: float) -> Firmware:
    """The state machine, for a valid signal."""
    if board.flags.diode_fault is not (board.state is CpRead.DF):
        board = replace(board, flags=replace(board.flags, diode_fault=board.state is CpRead.DF))
    if board.c1_until_s is not None and board.state not in (CpRead.C, CpRead.D):
        board = replace(board, c1_until_s=None)
    match board.state:
        case CpRead.A:
            board = _power_off(board)
            board = replace(
                board,
                pilot=control_pilot.X1,
                flags=replace(board.flags, rcd_triggered=False),
                emergency_off=False,
                rcd_fired=False,
                car=replace(board.car, residual_ma=RCD_IDLE_MA),
            )
        case CpRead.C | CpRead.D if board.pilot.running:
            board = _power_on(board) if board.allowed else board
        case CpRead.C | CpRead.D:
            if board.pwm_before:
                board = replace(board, c1_until_s=now_s + C1_S)
            if board.c1_until_s is not None and now_s > board.c1_until_s:
                board = _power_off(board)
        case _:
            board = _power_off(board)
    return (
        board if board.pwm_before is board.pilot.running else replace(board, pwm_before=board.pilot.running)
    )


def _obey(board: Firmware, message: FromHost, now_s: float) -> Firmware:
    match message:
        case HostAlive():
            return replace(board, host_seen_at_s=now_s)
        case SetPwm(hundredths):
            return _set_pwm(board, hundredths)
        case AllowPowerOn(allowed):
            return replace(board, allowed=allowed)
        case SetLock(locked):
            moving = board.lock_until_s is not None and board.lock_wanted is locked
            return board if moving else replace(board, lock_wanted=locked, lock_until_s=now_s + LOCK_MOTOR_S)
        case SetThreePhases(three_phases):
            return replace(board, three_phases=three_phases)
        case ResetBoard():
            return _reset(board, ResetReason.USER, now_s)
        case EnterBootloader():
            return replace(_reset(board, ResetReason.USER, now_s), mode="bootloader", next_at_s=None)


def _set_pwm(board: Firmware, hundredths_percent: int) -> Firmware:
    if hundredths_percent == 0:
        return replace(board, pilot=control_pilot.F, state=CpRead.F)
    if hundredths_percent >= 100_00:
        return replace(board, pilot=control_pilot.X1)
    return replace(board, pilot=control_pilot.pwm(hundredths_percent / 100))


def _watch_host(board: Firmware, now_s: float) -> Firmware:
    if not board.settings.host_watchdog or now_s - board.host_seen_at_s <= HOST_WATCHDOG_S:
        return board
    return _power_off(replace(board, pilot=control_pilot.F, allowed=False))


def _stop_lock_motor(board: Firmware, now_s: float) -> Firmware:
    if board.lock_until_s is None or now_s < board.lock_until_s:
        return board
    stuck = board.faults.lock_stuck and board.locked != board.lock_wanted
    return replace(
        board,
        lock_until_s=None,
        locked=board.locked if stuck else board.lock_wanted,
        flags=replace(board.flags, connector_lock_failed=stuck),
    )


# --- the contactor -------------------------------------------------------------------------------------------------


def _power_on(board: Firmware) -> Firmware:
    if board.relay_on or board.switching or board.emergency_off:
        return board
    return replace(board, switching=True)


def _power_off(board: Firmware) -> Firmware:
    """The coil is without current at once, and the contacts open; that they have is known later."""
    if not board.relay_on or board.switching:
        return board
    return _release(replace(board, switching=True))


def _switched(board: Firmware) -> Firmware:
    board = replace(board, switching=False, relay_on=not board.relay_on)
    return replace(board, contacts=3 if board.three_phases else 1) if board.relay_on else board


def _release(board: Firmware) -> Firmware:
    """Contacts that nothing holds are open."""
    held = board.faults.welded or (board.relay_on and not board.switching)
    return board if held else replace(board, contacts=0)


def _trip(board: Firmware) -> Firmware:
    """The residual current monitor, by interrupt."""
    if not board.car.trips_rcd or not board.relay_on or board.switching or board.mode != "running":
        return board
    return _release(replace(board, relay_on=False, emergency_off=True, rcd_fired=True))


def _reset(board: Firmware, reason: ResetReason, now_s: float) -> Firmware:
    """All that the firmware knew is gone; the car, the lock and what is broken are still there."""
    return _release(
        Firmware(
            settings=board.settings,
            faults=board.faults,
            car=board.car,
            reset_reason=reason,
            next_at_s=now_s + BOOT_S,
            contacts=board.contacts,
            locked=board.locked,
        )
    )


# --- what is told --------------------------------------------------------------------------------------------------


def _alive(board: Firmware, now_s: float) -> BoardAlive:
    tick_ms = int((now_s - board.booted_at_s) * 1000) % 2**32
    settings = board.settings
    return BoardAlive(
        tick_ms, board.faults.version or settings.version, settings.max_current_a, settings.min_current_a
    )


def _tell(board: Firmware, now_s: float) -> Step:
    """The end of a pass: what has changed, in the firmware's order."""
    effects: list[Effect] = []
    flags, relay = board.shown_flags, board.shown_relay
    if board.state is not board.told_state:
        effects.append(Send(CpIs(board.state.told)))
    if board.faults.pp is not board.told_pp:
        effects.append(Send(PpIs(board.faults.pp)))
    if relay is not board.told_relay:
        effects.append(Send(RelayIs(relay)))
    if flags != board.told_flags:
        effects.append(Send(flags))
    lock = LockState.LOCKED if board.locked else LockState.UNLOCKED
    if board.settings.tells_lock and lock is not board.told_lock:
        effects.append(Send(LockIs(lock)))
    if not effects:
        return replace(board, next_at_s=now_s + PASS_S), ()
    board = replace(
        board,
        next_at_s=now_s + PASS_S,
        told_state=board.state,
        told_pp=board.faults.pp,
        told_relay=relay,
        told_flags=flags,
        told_lock=lock,
    )
    return board, tuple(effects)
