"""Everything around the pure kernel, as plain values: board, contactor, lock, meter, store, car. It checks the invariants.

The checks restate docs/invariants.md in their own words and use none of the kernel's guards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager import latches
from evse_daemon.modules.evse_manager.pwm import current_for
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.modules.evse_manager.step import Effects, next_deadline_s, step
from evse_daemon.store import MemoryJournal
from evse_daemon.types.authorization import IdToken, ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import (
    Powermeter,
    TransactionStartResponse,
    TransactionStopResponse,
)
from evse_daemon.types.uk_random_delay import CountDown
from evse_daemon.types.units import Current, Energy

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

SWITCHES_PHASES = CAPABILITIES.model_copy(update={"supports_changing_phases_during_charging": True})

SOCKET = CAPABILITIES.model_copy(update={"connector_type": "IEC62196Type2Socket"})

WARNING = ev.Cause("bsp", "evse_board_support/MREC3HighTemperature", "", "Low")
WARNINGS = ("MREC3HighTemperature", "MREC18CableOverTempDerate", "VendorWarning")
FAULT = ev.Cause("ac_rcd", "ac_rcd/DC", "", "High", "direct current found")
UNPLUG_FAULT = ev.Cause("ac_rcd", "ac_rcd/Selftest", "", "High", "it lasts until the car has left")
SERVICE_FAULT = ev.Cause("bsp", "evse_board_support/MREC17EVSEContactorFault", "", "High", "it may be welded")
SERVICE_NAMES = (SERVICE_FAULT.type, "evse_manager/Internal/ContactorWelded")


def meter(total_wh: float, current_a: Current | None = None) -> Powermeter:
    return Powermeter(timestamp=UTC, energy_Wh_import=Energy(total=total_wh), current_A=current_a)


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
        self.reserved = False
        self.owed = ""
        """The session in whose transaction the process died."""
        self.resumed = ""
        self.finished: set[str] = set()
        """The sessions whose transaction is finished."""

    def die(self, left_open: Iterable[str] = ()) -> None:
        """The process ends here, and another begins.

        Args:
            left_open: the sessions whose transaction is open in the store; where its end was told all the same, it
                is told once more.
        """
        self.finished -= set(left_open)
        self.owed = self.session if self.transaction else self.owed
        self.session, self.transaction, self.resumed = "", False, ""

    def _read_resumed(self, event: SessionEvent) -> None:
        assert event.uuid == self.resumed, f"{event.event} within the session that is resumed"
        if event.event == "TransactionFinished":
            assert event.uuid not in self.finished, "a transaction is finished twice"
            self.finished.add(event.uuid)
            if self.owed == event.uuid:
                self.owed = ""
        else:
            assert event.event == "SessionFinished", f"{event.event} in a session that is resumed"
            assert event.uuid in self.finished, "a session that was resumed ends without its transaction"
            self.resumed = ""

    def read(self, event: SessionEvent) -> None:
        if event.event == "SessionResumed":
            assert self.session in ("", event.uuid), "a session is resumed within another"
            self.die()
            assert event.uuid not in self.finished, "a session is resumed whose transaction is finished"
            self.resumed = event.uuid
            return
        if self.resumed:
            self._read_resumed(event)
            return
        assert not self.owed, f"{event.event} before the transaction that was cut off is finished"
        match event.event:
            case "Enabled" | "Disabled":
                return
            case "ReservationStart" | "ReservationEnd":
                assert not event.uuid, "a reservation is not of a session"
                assert self.reserved == (event.event == "ReservationEnd"), "reserved twice, or ended twice"
                self.reserved = not self.reserved
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
                self.reserved = False
            case "PrepareCharging" | "ChargingStarted" | "StoppingCharging" | "ChargingFinished":
                assert self.transaction, f"{event.event} outside of a transaction"
            case "ChargingPausedEV" | "ChargingPausedEVSE":
                assert self.transaction, f"{event.event} outside of a transaction"
            case "TransactionFinished":
                assert self.transaction, "TransactionFinished without TransactionStarted"
                self.transaction = False
                self.finished.add(event.uuid)
            case "SessionFinished":
                assert not self.transaction, "a session ends within its transaction"
                self.session = ""


class Plant:
    """A kernel with its surroundings; ``tell`` gives it an event and carries out what it wants."""

    def __init__(
        self,
        config: KernelConfig | None = None,
        *,
        prompt: bool = True,
        capabilities: HardwareCapabilities = CAPABILITIES,
    ) -> None:
        self.config = config or KernelConfig()
        self.capabilities = capabilities
        self.prompt = prompt
        """Requests are answered and the contactor follows at once; else ``answer`` and ``move_contactor`` do it."""
        self.state = State()
        self.now_s = 0.0
        self.events: list[SessionEvent] = []
        self.board: list[fx.BoardEffect] = []
        self.pending: list[
            fx.Lock | fx.StartMeter | fx.StopMeter | fx.Commit | fx.SwitchPhases | fx.SaveLatched
        ] = []
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
        self.start_wh = 0.0
        self.errors: set[tuple[str, str]] = set()
        self.was_charging = False
        self.fault_while_charging = False
        self.shared_a: float | None = None
        self.phases = capabilities.max_phase_count_import
        """As the board has them switched."""
        self.phases_told_s: float | None = None
        """Since when a switch of phases is unanswered."""
        self.switched_charging = False
        self.store = MemoryJournal()
        self.waits_for_commits = False
        """What follows a commit waits until it is answered, as in the shell."""
        self.lane: list[fx.JournalEffect] = []
        self.held: tuple[float, float | None] | None = None
        """What a random delay holds (per phase, of all phases); None: none runs."""
        self.before: tuple[float, float | None] = (0.0, None)
        """What was allowed before the newest limit came."""
        self.at_once = False
        self.delay_until_s = 0.0
        self.longest_delay_s = 600
        self.saved: list[fx.SaveTable] = []
        self.steps = 0
        self.utc = UTC
        """The time of day, which may jump."""
        self._told = 0

    # What a test says

    def boot(self) -> None:
        self.tell(ev.CapabilitiesChanged(self.capabilities))
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

    def limit(
        self,
        limit_a: float,
        valid_for_s: float = 1e6,
        *,
        phases: int | None = None,
        shared_a: float | None = None,
        at_once: bool = False,
        chance: float = 0.5,
    ) -> None:
        self.before, self.at_once = self._enforced(), at_once
        self.limit_a, self.limit_until_s, self.shared_a = limit_a, self.now_s + valid_for_s, shared_a
        self.tell(ev.LimitChanged(limit_a, self.limit_until_s, phases, shared_a, at_once, chance))

    def set_longest_delay(self, seconds: int) -> None:
        self.longest_delay_s = seconds
        self.tell(ev.SetDelayDuration(seconds))

    def board_has_phases(self, count: int) -> None:
        """The board has another number of phases now and says so."""
        self.phases = count
        self.tell(ev.PhasesAvailable(count))

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

    def restart(self) -> None:
        """The process dies, with all that waits in it, and another begins; the board opens the contactor meanwhile."""
        left_open = self.store.open_transactions("evse")
        self.grammar.die(str(payload["session_id"]) for payload in left_open)
        self.lane.clear()
        self.pending.clear()
        self.errors.clear()
        self.grammar.reserved = False
        self.f_since_s, self.until_unplug, self.cleared = None, False, 0
        self.held, self.before = None, (0.0, None)
        self.longest_delay_s = 600  # what was set by command ends with the process
        self.state = State()
        self.power_allowed = self.contactor_closed = False
        self.pilot, self.limit_a = "none", 0.0
        if self.energy_wh is not None:
            self.energy_wh = self.start_wh  # what was announced and not stored is forgotten
        self.tell(ev.CapabilitiesChanged(CAPABILITIES))
        # What was latched and not yet stored was not told either; where it is still there it is found again.
        self.for_service = {latches.name(cause) for cause in self.stored_latches}
        self.tell(ev.CausesChanged(self.causes))
        if self.stored_latches:
            self.tell(ev.LatchesRestored(self.stored_latches))
        self.tell(ev.Boot(unfinished=tuple(left_open), untold=tuple(self.store.untold_ends("evse"))))

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
        self.steps += 1
        before = self.state
        self.state, wanted = step(self.config, before, event, self.now_s, self.utc, f"session-{self.steps}")
        self._watch_latches(event, wanted)
        for effect in wanted.journal:
            if isinstance(effect, fx.Publish) and effect.var is UkRandomDelay.countdown:
                self._countdown(effect.value)
        self._board(wanted)
        self.lane.extend(wanted.journal)
        while self.lane and not (
            self.waits_for_commits and any(isinstance(effect, fx.Commit) for effect in self.pending)
        ):
            self._journal(self.lane.pop(0))
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
            case fx.SwitchPhases():
                self.phases_told_s = None
                self.tell(ev.PhasesSwitched(effect.request_id, error))
            case fx.StartMeter():
                status: Any = "OK" if error is None else "UNEXPECTED_ERROR"
                self.tell(ev.MeterStarted(effect.request_id, TransactionStartResponse(status=status)))
            case fx.StopMeter():
                status = "OK" if error is None else "UNEXPECTED_ERROR"
                self.tell(ev.MeterStopped(effect.request_id, TransactionStopResponse(status=status)))
            case fx.Commit():
                if error is None:
                    self.store.append(effect.kind, "evse", effect.payload, lambda _: None)
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

    def sample(self, delta_wh: float, current_a: Current | None = None) -> None:
        """The meter's next sample; a meter that runs backwards is a fault that is tried, too."""
        self.total_wh = max(0.0, self.total_wh + delta_wh)
        self.tell(ev.MeterSample(meter(self.total_wh, current_a)))

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
                case fx.SwitchPhases():
                    assert not self.contactor_closed, "phases switched under load"
                    assert not self.power_allowed, "phases switched under load"
                    self.phases = 3 if effect.three_phases else 1
                    self.phases_told_s = self.now_s
                    self.switched_charging |= self.state.charger == "SwitchPhases"
                    self.pending.append(effect)
                case fx.SetPwm(duty):
                    if self.pilot == "PWM" and self.power_allowed and not self._above_cable():
                        apart_s = self.now_s - self.pwm_set_s
                        assert apart_s >= 5.0 - 1e-6, f"PWM changed {apart_s:.3f} s after the last change"
                    self._check_duty(duty)
                    self.pilot, self.duty, self.pwm_set_s = "PWM", duty, self.now_s
                    if self.power_allowed:
                        self._check_shared()
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

    def _countdown(self, told: CountDown) -> None:
        if told.countdown_s == 0:
            self.held = None
            return
        if self.held is None:
            self.delay_until_s = self.now_s + self.longest_delay_s
            self.held = self.before if told.current_limit_during_delay_A > 0.0 else (0.0, None)
        during_a = told.current_limit_during_delay_A
        assert during_a <= self.held[0], "a delay allows more than was allowed before it"
        if self.at_once:
            shared = [a for a in (self.held[1], self.shared_a) if a is not None]
            self.held = min(self.held[0], self.limit_a), min(shared, default=None)
            assert during_a <= self.limit_a, "a delay holds more than a rating allows"

    def _journal(self, effect: fx.JournalEffect) -> None:
        match effect:
            case fx.SaveTable():
                self.saved.append(effect)
            case fx.Announce(event):
                self.grammar.read(event)
                self._check_energy(event)
                self.events.append(event)
                if event.event == "TransactionFinished":
                    self.store.told("evse", event.uuid)
            case fx.Record(kind, payload):
                self.store.append(kind, "evse", payload, lambda _: None)
            case fx.Told(session_id):
                self.store.told("evse", session_id)
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
        if event == ev.CpChanged("A") and self.state.pilot.board_enabled:
            self.until_unplug = False
        if isinstance(event, ev.ClearLatched) and wanted.reply:
            self.for_service.discard(event.name)
        for effect in wanted.journal:
            if isinstance(effect, fx.RaiseError) and effect.sub_type == "ContactorWelded":
                self.for_service.add(SERVICE_NAMES[1])
            if isinstance(effect, fx.Announce) and effect.event.event in (
                "SessionStarted",
                "SessionFinished",
            ):
                self.cleared = 0
        if self.f_since_s is not None and any(isinstance(e, fx.SetX1 | fx.SetPwm) for e in wanted.board):
            assert self.now_s - self.f_since_s >= 0.3 - 1e-6, "state F after a fault ended too soon"
            self.f_since_s = None

    def _faults(self) -> list[ev.Cause]:
        causes = (*self.state.causes, *self.state.own_errors)
        return [cause for cause in causes if not cause.type.endswith(WARNINGS)]

    def _enforced(self) -> tuple[float, float | None]:
        """The limit of the energy management, or the one that a random delay holds in its place."""
        if self.now_s >= self.limit_until_s:
            self.held = None
            return 0.0, None
        return (self.limit_a, self.shared_a) if self.held is None else self.held

    def _allowed_a(self) -> float:
        rated, phases = self.state.capabilities, self.state.phases
        board_a = rated.max_current_A_import if rated is not None else math.inf
        limit_a, shared_a = self._enforced()
        allowed_a = min(limit_a, board_a)
        if shared_a is not None:
            said = phases.said if phases.said_since else phases.switched_to
            allowed_a = min(allowed_a, shared_a / (phases.wanted or said or 3))
        return min(allowed_a, self.cable_a) if self._socket else allowed_a

    @property
    def _socket(self) -> bool:
        rated = self.state.capabilities
        return rated is not None and rated.connector_type == "IEC62196Type2Socket"

    def _above_cable(self) -> bool:
        """Whether the car is told more than the cable carries; a cable with the lowest rating carries 13 A."""
        return self._socket and self.pilot == "PWM" and self.duty > self.cable_a / 60 + 1e-9

    def _check_shared(self) -> None:
        """A limit in watt holds on the phases that the board has, whatever it was asked for."""
        _, shared_a = self._enforced()
        if shared_a is None:
            return
        drawn_a = current_for(self.duty) * self.phases
        assert drawn_a <= shared_a + 1e-6, f"{drawn_a} A on {self.phases} phases for {shared_a} A"

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
        if self.phases_told_s is not None:
            assert self.now_s >= self.phases_told_s + 6.0, "power on while the phases are switched"
        self._check_shared()

    def _check_duty(self, duty: float) -> None:
        current_a = self._allowed_a()
        if self.state.pilot.simplified and self.config.simplified_mode_limit_10a:
            current_a = min(current_a, 10.0)
        expected = min(current_a, 51.0) / 60 if current_a < 52.5 else current_a / 250 + 0.64
        assert abs(duty - max(expected, 0.1)) < 1e-9, f"duty {duty} for {current_a} A"

    def _check_energy(self, event: SessionEvent) -> None:
        if event.event == "TransactionStarted":
            assert event.transaction_started is not None
            self.energy_wh = self.start_wh = event.transaction_started.meter_value.energy_Wh_import.total
        elif event.event == "TransactionFinished":
            assert event.transaction_finished is not None
            finished_wh = event.transaction_finished.meter_value.energy_Wh_import.total
            if self.energy_wh is None:
                assert self.grammar.resumed == event.uuid, "a transaction ends that did not begin"
                return
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
        assert self.held is None or self.now_s <= self.delay_until_s + 1e-3, "a delay never ends"
        assert state.pilot.power_commanded == self.power_allowed
        if self.pilot != "PWM" and state.pilot.cp in ("C", "D") and self.power_allowed:
            self.x1_since_s = self.now_s if self.x1_since_s is None else self.x1_since_s
        else:
            self.x1_since_s = None
        assert not self._above_cable(), f"duty {self.duty} on a cable for {self.cable_a} A after {event}"
        if not self.power_allowed:
            return
        if self._socket:
            assert self.cable_a > 0.0, f"power stays on without a cable after {event}"
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
            assert self.pilot in ("X1", "F"), f"charging ended and PWM is still on after {event}"
            assert self.x1_since_s is not None
            assert self.now_s - self.x1_since_s <= 6.0 + 1e-3, "power on more than 6 s after PWM ended"
