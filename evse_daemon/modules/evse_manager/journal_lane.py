"""Runs the kernel's journal effects in order; what follows a commit waits until it is durable (design rules 2, 8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import effects, events, faults, latches
from evse_daemon.modules.evse_manager.kept_table import KeptTable
from evse_daemon.modules.evse_manager.settings import LATCHED_ERRORS, Settings
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.types.authorization import IdToken, ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_manager import EnableDisableSource, SessionEvent, SessionEventEnum

FREE_SERVICE = ProvidedIdToken(
    id_token=IdToken(value="FREESERVICE", type="Local"), authorization_type="RFID", prevalidated=True
)
"""The token of a charger without authentication (evse_managerImpl.cpp:141)."""


@dataclass(frozen=True, slots=True)
class _Then:
    """Somebody waits for what stands before it."""

    callback: Callable[[], None]


def _is_inoperative(effect: object) -> bool:
    return isinstance(effect, effects.RaiseError | effects.ClearError) and effect.type == faults.INOPERATIVE


class JournalLane:
    """Stores, tells and asks, one after the other.

    Args:
        evse: whose kernel it is.
        settings: what of it survives a restart.
        kept_table: the operator's part of that.
        request_energy: has the energy management look at this EVSE now.
        rested: called when something is done that the end of the process may wait for.
    """

    def __init__(
        self,
        evse: EvseShell,
        settings: Settings,
        kept_table: KeptTable,
        request_energy: Callable[[], None],
        rested: Callable[[], None],
    ) -> None:
        self.told_reserved = False
        self._unanswered = 0
        self._save_by_s = 0.0
        self.told_session = ""
        """Whose start was announced, and whose end was not."""
        self._evse = evse
        self._settings = settings
        self._kept_table = kept_table
        self._request_energy = request_energy
        self._rested = rested
        self._waiting: deque[effects.JournalEffect | _Then] = deque()
        self._committing: int | None = None
        """The request whose answer the lane waits for."""
        self._saving = 0
        """Which save of the operator's table the lane waits for; 0: none."""
        self._saves = 0

    @property
    def committing(self) -> bool:
        """Whether an answer of the store is awaited that says how a transaction or a latch stands."""
        return self._committing is not None

    @property
    def idle(self) -> bool:
        """Whether all is done."""
        return not self._waiting and self._committing is None and not self._saving

    def queue(self, wanted: Sequence[effects.JournalEffect]) -> None:
        """Puts these behind what waits already; ``run`` does them."""
        self._waiting.extend(wanted)

    def afterwards(self, callback: Callable[[], None]) -> None:
        """Calls back when what waits now is done: at once, where nothing does."""
        self._waiting.append(_Then(callback))
        self.run()

    def drop_undone(self) -> None:
        """The kernel failed: what it decided for a session is found in the journal, as after a crash."""
        kept = [
            effect
            for effect in self._waiting
            if not _is_inoperative(effect)
            and (
                isinstance(
                    effect,
                    effects.ClearError | effects.Publish | effects.SaveTable | effects.SaveLatched | _Then,
                )
                or (isinstance(effect, effects.RaiseError) and faults.lasts(effect.type, effect.sub_type))
            )
        ]
        self._waiting.clear()
        self._waiting.extend(kept)
        if self.told_reserved != self._evse.state.reserved:
            event: SessionEventEnum = "ReservationEnd" if self.told_reserved else "ReservationStart"
            self._waiting.append(
                effects.Announce(
                    SessionEvent(uuid="", timestamp=self._evse.context.bus.timestamp(), event=event)
                )
            )
        self._evse.context.inbox.put(self.run)

    def run(self) -> None:
        """Does what waits, as far as nothing has to be answered first."""
        while self._waiting and self._committing is None and not self._saving:
            effect = self._waiting.popleft()
            if isinstance(effect, _Then):
                effect.callback()
            else:
                self._evse.session_log.effect(effect)
                self._do(effect)

    def _do(self, effect: effects.JournalEffect) -> None:
        evse = self._evse
        journal = evse.context.journal
        match effect:
            case effects.Commit(request_id, kind, payload):
                self._await_store(request_id)
                journal.append(kind, evse.module_id, payload, self._answer_to(request_id))
            case effects.SaveLatched(request_id, latched):
                self._await_store(request_id)
                answer = self._answer_to(request_id)
                if evse.latches_read:
                    self._settings.put(LATCHED_ERRORS, latches.to_json(latched), answer)
                else:
                    answer("what was latched before has not been read yet")
            case effects.SaveTable(entries):
                self._save_table(entries)
            case effects.Record(kind, payload):
                journal.append(kind, evse.module_id, payload, self._recorded)
            case effects.Told(session_id):
                journal.told(evse.module_id, session_id)
            case effects.StoreSession(session_id):
                if evse.store is not None:
                    evse.store.call(Kvs.store, key=f"{evse.module_id}_session", value=session_id)
            case effects.Announce(event):
                self._announce(event)
            case effects.Publish(var, value):
                source = evse.random_delay if var.interface is UkRandomDelay else evse.evse
                source.publish(var, value)
            case effects.RaiseError():
                evse.evse.raise_error(
                    effect.type,
                    effect.message,
                    severity=effect.severity,
                    sub_type=effect.sub_type,
                    description_=effect.description,
                    vendor_id=effect.vendor_id,
                )
            case effects.ClearError(type_, sub_type):
                evse.evse.clear_error(type_, sub_type)
            case effects.StateEntered(state):
                if state in ("WaitingForAuthentication", "Finished"):
                    self._request_energy()
            case effects.Note(message):
                evse.seldom.info(message, message)
            case effects.StartMeter():
                evse.meter.start(effect, evse.state.session.validation)
            case effects.StopMeter():
                evse.meter.stop(effect)
            case _:
                assert_never(effect)

    def _announce(self, event: SessionEvent) -> None:
        evse = self._evse
        evse.evse.publish(EvseManagerInterface.session_event, event)
        match event.event:
            case "TransactionFinished":
                evse.context.journal.told(evse.module_id, event.uuid)
            case "ReservationStart":
                self.told_reserved = True
            case "ReservationEnd" | "TransactionStarted":
                self.told_reserved = False
            case "SessionStarted":
                self.told_session = event.uuid
            case "SessionFinished":
                self.told_session = ""
        started = event.session_started
        if started is not None and started.reason == "EVConnected" and evse.options.disable_authentication:
            accepted = ValidationResult(authorization_status="Accepted", tariff_messages=[])
            evse.context.inbox.put(self._feed, events.Authorize(FREE_SERVICE, accepted))

    def _feed(self, event: events.Event) -> None:
        self._evse.feed(event)

    def _await_store(self, request_id: int) -> None:
        self._committing = request_id
        self._evse.after(self._evse.config.commit_s, partial(self._committed, request_id, "no answer"))

    def _answer_to(self, request_id: int) -> Callable[[str | None], None]:
        return partial(self._evse.context.inbox.put, self._committed, request_id)

    def _committed(self, request_id: int, error: str | None) -> None:
        if self._committing != request_id:
            if error is None:  # later than we waited, but durable: it need not be stored again
                self._feed(events.Committed(request_id))
            return
        self._committing = None
        if error is not None:
            self._evse.seldom.error("record", "a record could not be stored", reason=error)
        self._feed(events.Committed(request_id, error))
        self.run()
        self._rested()

    def _save_table(self, entries: Sequence[EnableDisableSource]) -> None:
        self._saves += 1
        self._saving = self._saves
        now_s = self._evse.clock.now_s()
        if not self._unanswered:
            self._save_by_s = now_s + self._evse.config.save_s
        self._unanswered += 1  # behind one that is not answered yet there is no more time than for that one
        self._evse.after(max(0.0, self._save_by_s - now_s), partial(self._saved, self._saves))
        self._kept_table.write(entries, partial(self._stored, self._saves))

    def _stored(self, save: int) -> None:
        self._unanswered -= 1
        self._saved(save)

    def _saved(self, save: int) -> None:
        if self._saving == save:
            self._saving = 0
            self.run()
            self._rested()

    def _recorded(self, error: str | None) -> None:
        if error is not None:
            self._evse.seldom.warning(
                "meter", "a meter value of a transaction could not be stored", reason=error
            )
