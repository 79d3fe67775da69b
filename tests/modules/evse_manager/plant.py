"""Everything around the pure kernel, as plain values: board, contactor, lock, meter, store, car. It checks the invariants.

The checks restate docs/invariants.md in their own words and use none of the kernel's guards.
"""

from __future__ import annotations

import math
from typing import Any

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.modules.evse_manager.step import Effects, next_deadline_s, step
from evse_daemon.types.authorization import IdToken, ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import (
    Powermeter,
    TransactionStartResponse,
    TransactionStopResponse,
)
from evse_daemon.types.units import Energy

UTC = "2026-03-04T10:15:00.000Z"

TOKEN = ProvidedIdToken(id_token=IdToken(value="DEADBEEF", type="ISO14443"), authorization_type="RFID")

ACCEPTED = ValidationResult(authorization_status="Accepted", tariff_messages=[])

CAPABILITIES = HardwareCapabilities(
    max_current_A_import=32.0,
    min_current_A_import=6.0,
    max_phase_count_import=3,
    min_phase_count_import=1,
    max_current_A_export=0.0,
    min_current_A_export=0.0,
    max_phase_count_export=3,
    min_phase_count_export=1,
    supports_changing_phases_during_charging=False,
    supports_cp_state_E=False,
    connector_type="IEC62196Type2Cable",
)

WARNING = ev.Cause("bsp", "evse_board_support/MREC3HighTemperature", "", "Low")
WARNINGS = ("MREC3HighTemperature", "MREC18CableOverTempDerate", "VendorWarning")
FAULT = ev.Cause("ac_rcd", "ac_rcd/DC", "", "High", "direct current found")
UNPLUG_FAULT = ev.Cause("ac_rcd", "ac_rcd/Selftest", "", "High", "it lasts until the car has left")
SERVICE_FAULT = ev.Cause("bsp", "evse_board_support/MREC17EVSEContactorFault", "", "High", "it may be welded")
SERVICE_NAMES = (SERVICE_FAULT.type, "evse_manager/Internal/ContactorWelded")


def meter(total_wh: float) -> Powermeter:
    return Powermeter(timestamp=UTC, energy_Wh_import=Energy(total=total_wh))


def named(event: SessionEvent) -> str:
    """A session event's name, with its reason or reasons where it has any: ChargingPausedEVSE(NoEnergy,UserPause)."""
    reasons: list[str] = []
    if event.charging_paused_evse is not None:
        reasons = list(event.charging_paused_evse.reasons or [])
    elif event.transaction_finished is not None:
        reasons = [event.transaction_finished.reason or ""]
    elif event.session_started is not None:
        reasons = [event.session_started.reason]
    return f"{event.event}({','.join(reasons)})" if reasons else event.event


class Grammar:
    """The words that session events may form (design: the invariants)."""

    def __init__(self) -> None:
        self.session = ""
        self.transaction = False
        self.had_transaction = False
        self.paused: tuple[str, ...] = ()

    def read(self, event: SessionEvent) -> None:
        match event.event:
            case "Enabled" | "Disabled":
                return
            case "SessionStarted":
                assert not self.session, "a session starts within a session"
                assert event.uuid, "a session without id"
                self.session, self.had_transaction = event.uuid, False
                return
        assert event.uuid == self.session, f"{event.event} of a session that is not running"
        match event.event:
            case "TransactionStarted":
                assert not self.had_transaction, "two transactions in one session"
                self.transaction = self.had_transaction = True
            case "PrepareCharging" | "ChargingStarted" | "StoppingCharging" | "ChargingFinished":
                assert self.transaction, f"{event.event} outside of a transaction"
            case "ChargingPausedEV" | "ChargingPausedEVSE":
                assert self.transaction, f"{event.event} outside of a transaction"
            case "TransactionFinished":
                assert self.transaction, "TransactionFinished without TransactionStarted"
                self.transaction = False
            case "SessionFinished":
                assert not self.transaction, "a session ends within its transaction"
                self.session = ""


class Plant:
    """A kernel with its surroundings; ``tell`` gives it an event and carries out what it wants."""

    def __init__(self, config: KernelConfig | None = None, *, prompt: bool = True) -> None:
        self.config = config or KernelConfig()
        self.prompt = prompt
        """Requests are answered and the contactor follows at once; else ``answer`` and ``move_contactor`` do it."""
        self.state = State()
        self.now_s = 0.0
        self.events: list[SessionEvent] = []
        self.board: list[fx.BoardEffect] = []
        self.pending: list[fx.Lock | fx.StartMeter | fx.StopMeter | fx.Commit | fx.SaveLatched] = []
        self.causes: tuple[ev.Cause, ...] = ()
        """As told last."""
        self.for_service: set[str] = set()
        """Errors that the service has to clear first."""
        self.stored_latches: tuple[ev.Cause, ...] = ()
        self.until_unplug = False
        self.cleared = 0
        """Errors that cleared within the session."""
        self.f_since_s: float | None = None
        self.notes: list[str] = []
        self.power_allowed = False
        self.contactor_closed = False
        self.lock_holds = False
        self.pilot = "none"
        self.duty = 1.0
        self.pwm_set_s = -1e9
        self.x1_since_s: float | None = None
        self.limit_a = 0.0
        self.limit_until_s = 0.0
        self.cable_a = math.inf
        """What the cable in a socket is rated for; infinite where it is fixed."""
        self.total_wh = 0.0
        self.grammar = Grammar()
        self.energy_wh: float | None = None
        self.errors: set[tuple[str, str]] = set()
        self.was_charging = False
        self.fault_while_charging = False
        self._ids = 0
        self._told = 0

    # What a test says

    def boot(self) -> None:
        self.tell(ev.CapabilitiesChanged(CAPABILITIES))
        self.tell(ev.Boot())

    def plug_in(self) -> None:
        self.tell(ev.CpChanged("B"))

    def authorize(self) -> None:
        self.tell(ev.Authorize(TOKEN, ACCEPTED))

    def charge(self) -> None:
        """A whole start: limit, car, card, state C."""
        self.boot()
        self.tell(ev.CpChanged("A"))
        self.limit(32.0)
        self.plug_in()
        self.authorize()
        self.tell(ev.CpChanged("C"))

    def limit(self, limit_a: float, valid_for_s: float = 1e6) -> None:
        self.limit_a, self.limit_until_s = limit_a, self.now_s + valid_for_s
        self.tell(ev.LimitChanged(limit_a, self.limit_until_s))

    def cable(self, rating_a: float | None) -> None:
        """The board reads the proximity resistor of the cable in the socket, or cannot."""
        self.cable_a = rating_a or 0.0
        self.tell(ev.ProximityChanged(rating_a))

    def advance(self, seconds: float) -> None:
        """Lets time pass, with a Tick at each deadline that the kernel names."""
        end_s = self.now_s + seconds
        for _ in range(1000):
            deadline_s = next_deadline_s(self.config, self.state)
            if deadline_s is None or deadline_s > end_s:
                break
            self.now_s = max(self.now_s + 1e-3, deadline_s)
            self.tell(ev.Tick())
        else:
            raise AssertionError("the kernel names deadlines that it does not serve")
        self.now_s = max(self.now_s, end_s)

    @property
    def names(self) -> list[str]:
        """The session events so far, with the reason where there is one."""
        return [named(event) for event in self.events]

    def news(self) -> list[str]:
        """The session events since this was asked last."""
        told, self._told = self._told, len(self.events)
        return self.names[told:]

    # What happens

    def tell(self, event: ev.Event) -> bool | None:
        self._ids += 1
        before = self.state
        self.state, wanted = step(self.config, before, event, self.now_s, UTC, f"session-{self._ids}")
        self._watch_latches(event, wanted)
        self._board(wanted)
        for effect in wanted.journal:
            self._journal(effect)
        self._check(event, charging_before=before.charger == "Charging")
        if self.prompt:
            while self.pending:
                self.answer()
            if self.power_allowed != self.contactor_closed:
                self.move_contactor()
        return wanted.reply

    def answer(self, error: str | None = None, which: int = 0) -> None:
        """A request is answered, the oldest if not said otherwise."""
        effect = self.pending.pop(which % len(self.pending))
        match effect:
            case fx.Lock():
                if error is None:
                    self.lock_holds = effect.locked
                self.tell(ev.LockDone(effect.request_id, error))
            case fx.StartMeter():
                status: Any = "OK" if error is None else "UNEXPECTED_ERROR"
                self.tell(ev.MeterStarted(effect.request_id, TransactionStartResponse(status=status)))
            case fx.StopMeter():
                status = "OK" if error is None else "UNEXPECTED_ERROR"
                self.tell(ev.MeterStopped(effect.request_id, TransactionStopResponse(status=status)))
            case fx.Commit():
                self.tell(ev.Committed(effect.request_id, error))
            case fx.SaveLatched():
                if error is None:
                    self.stored_latches = effect.latched
                self.tell(ev.Committed(effect.request_id, error))

    def move_contactor(self) -> None:
        """The contactor follows what the board was told, and the board says so."""
        if self.contactor_closed != self.power_allowed:
            self.contactor_closed = self.power_allowed
            self.tell(ev.ContactorChanged(self.contactor_closed))

    def sample(self, delta_wh: float) -> None:
        """The meter's next sample; a meter that runs backwards is a fault that is tried, too."""
        self.total_wh = max(0.0, self.total_wh + delta_wh)
        self.tell(ev.MeterSample(meter(self.total_wh)))

    def _board(self, wanted: Effects) -> None:
        for position, effect in enumerate(wanted.board):
            self.board.append(effect)
            match effect:
                case fx.AllowPower(on):
                    if not on:
                        assert all(isinstance(other, fx.AllowPower) for other in wanted.board[:position]), (
                            "something was commanded before power-off"
                        )
                    else:
                        self._check_power_on()
                    self.power_allowed = on
                case fx.SetPwm(duty):
                    if self.pilot == "PWM" and self.power_allowed:
                        apart_s = self.now_s - self.pwm_set_s
                        assert apart_s >= 5.0 - 1e-6, f"PWM changed {apart_s:.3f} s after the last change"
                    self._check_duty(duty)
                    self.pilot, self.duty, self.pwm_set_s = "PWM", duty, self.now_s
                case fx.SetX1():
                    self.pilot = "X1"
                case fx.SetF():
                    self.pilot = "F"
                    if self.state.charger == "ChargingPausedEVSE":
                        self.f_since_s = self.now_s
                case fx.Lock():
                    if not effect.locked:
                        assert not self.for_service, "unlocked with an error that the service has to clear"
                        assert not self.contactor_closed, "unlocked while the contactor is closed"
                        assert not self.power_allowed, "unlocked while power is allowed"
                    self.pending.append(effect)

    def _journal(self, effect: fx.JournalEffect) -> None:
        match effect:
            case fx.Announce(event):
                self.grammar.read(event)
                self._check_energy(event)
                self.events.append(event)
            case fx.RaiseError():
                assert (effect.type, effect.sub_type) not in self.errors, "an error raised twice"
                self.errors.add((effect.type, effect.sub_type))
            case fx.ClearError(type_, sub_type):
                assert (type_, sub_type) in self.errors, "an error cleared that was not raised"
                self.errors.remove((type_, sub_type))
            case fx.StartMeter() | fx.StopMeter() | fx.Commit() | fx.SaveLatched():
                self.pending.append(effect)
            case fx.Note(message):
                self.notes.append(message)

    # The invariants

    def _watch_latches(self, event: ev.Event, wanted: Effects) -> None:
        """Keeps account of what has cleared and must not be forgotten, and of state F after a fault."""
        if isinstance(event, ev.CausesChanged):
            gone = [cause for cause in self.causes if cause not in event.causes]
            self.causes = event.causes
            if SERVICE_FAULT.type in {cause.type for cause in event.causes}:
                self.for_service.add(SERVICE_FAULT.type)
            if self.grammar.transaction and self.state.pilot.plugged:
                self.until_unplug = self.until_unplug or UNPLUG_FAULT in gone
                self.cleared += FAULT in gone
        if isinstance(event, ev.ClearLatched) and wanted.reply:
            self.for_service.discard(event.name)
        for effect in wanted.journal:
            if isinstance(effect, fx.RaiseError) and effect.sub_type == "ContactorWelded":
                self.for_service.add(SERVICE_NAMES[1])
            if isinstance(effect, fx.Announce) and effect.event.event in (
                "SessionStarted",
                "SessionFinished",
            ):
                self.until_unplug, self.cleared = False, 0
        if self.f_since_s is not None and any(isinstance(e, fx.SetX1 | fx.SetPwm) for e in wanted.board):
            assert self.now_s - self.f_since_s >= 0.3 - 1e-6, "state F after a fault ended too soon"
            self.f_since_s = None

    def _faults(self) -> list[ev.Cause]:
        causes = (*self.state.causes, *self.state.own_errors)
        return [cause for cause in causes if not cause.type.endswith(WARNINGS)]

    def _allowed_a(self) -> float:
        if self.now_s >= self.limit_until_s:
            return 0.0
        rated = self.state.capabilities
        board_a = rated.max_current_A_import if rated is not None else math.inf
        return min(self.limit_a, self.cable_a, board_a)

    def _check_power_on(self) -> None:
        state = self.state
        assert state.decided_by.enable_state != "Disable", "power on while disabled"
        assert state.session.authorized, "power on without authorization"
        assert state.session.transaction, "power on without transaction"
        assert state.pilot.cp == "C" or (state.pilot.cp == "D" and self.config.has_ventilation), (
            "power on outside C/D"
        )
        assert not self._faults(), f"power on with {self._faults()}"
        assert not self.for_service, f"power on although the service has to clear {self.for_service}"
        assert not self.until_unplug, "power on although the car has to leave first"
        assert self.cleared <= 3, "charging resumed too often after errors"
        assert self._allowed_a() >= 5.9, "power on without a valid limit"
        if self.config.has_connector_lock:
            assert self.lock_holds, "power on with the connector unlocked"

    def _check_duty(self, duty: float) -> None:
        current_a = self._allowed_a()
        if self.state.pilot.simplified and self.config.simplified_mode_limit_10a:
            current_a = min(current_a, 10.0)
        expected = min(current_a, 51.0) / 60 if current_a < 52.5 else current_a / 250 + 0.64
        assert abs(duty - max(expected, 0.1)) < 1e-9, f"duty {duty} for {current_a} A"

    def _check_energy(self, event: SessionEvent) -> None:
        if event.event == "TransactionStarted":
            assert event.transaction_started is not None
            self.energy_wh = event.transaction_started.meter_value.energy_Wh_import.total
        elif event.event == "TransactionFinished":
            assert event.transaction_finished is not None
            assert self.energy_wh is not None
            finished_wh = event.transaction_finished.meter_value.energy_Wh_import.total
            assert finished_wh >= self.energy_wh, "the energy of a transaction is negative"
            self.energy_wh = None
        elif self.energy_wh is not None and event.charging_state_changed_event is not None:
            now_wh = event.charging_state_changed_event.meter_value.energy_Wh_import.total
            assert now_wh >= self.energy_wh, "the energy fell within a transaction"
            self.energy_wh = now_wh

    def _check(self, event: ev.Event, *, charging_before: bool) -> None:
        """What must hold after every event."""
        state = self.state
        if isinstance(event, ev.CausesChanged) and self._faults() and charging_before:
            self.fault_while_charging = True
        self.was_charging = self.was_charging or state.charger == "Charging"
        assert state.pilot.power_commanded == self.power_allowed
        if self.pilot != "PWM" and state.pilot.cp in ("C", "D") and self.power_allowed:
            self.x1_since_s = self.now_s if self.x1_since_s is None else self.x1_since_s
        else:
            self.x1_since_s = None
        if not self.power_allowed:
            return
        assert not self._faults(), f"power stays on with {self._faults()} after {event}"
        assert state.pilot.cp == "C" or (state.pilot.cp == "D" and self.config.has_ventilation), (
            f"power stays on in pilot state {state.pilot.cp}"
        )
        going = (
            state.session.authorized
            and not state.session.paused_by_user
            and state.decided_by.enable_state != "Disable"
            and self._allowed_a() >= 5.9
        )
        if not going:
            assert self.pilot == "X1", f"charging ended and PWM is still on after {event}"
            assert self.x1_since_s is not None
            assert self.now_s - self.x1_since_s <= 6.0 + 1e-3, "power on more than 6 s after PWM ended"
