"""The shell of EvseManager: feeds the pure core with events, runs its effects, arms its deadline."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from evse_daemon.framework.clock import Timer
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import Context
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.modules.evse_manager import (
    closing,
    effects,
    enable_table,
    events,
    faults,
    latches,
    measured,
    more_commands,
    random_delay,
    recovery,
)
from evse_daemon.modules.evse_manager.commands import CommandHandlers
from evse_daemon.modules.evse_manager.energy_lane import EnergyLane
from evse_daemon.modules.evse_manager.explain_limits import Failed
from evse_daemon.modules.evse_manager.explained import Explained
from evse_daemon.modules.evse_manager.journal_lane import JournalLane
from evse_daemon.modules.evse_manager.kept_table import KeptTable
from evse_daemon.modules.evse_manager.local_limits import Sliders
from evse_daemon.modules.evse_manager.nodered import REPEAT_S, NodeRed
from evse_daemon.modules.evse_manager.peers import Peers
from evse_daemon.modules.evse_manager.service import ServiceCommands
from evse_daemon.modules.evse_manager.settings import LATCHED_ERRORS, Settings
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.modules.evse_manager.state import State
from evse_daemon.modules.evse_manager.step import next_deadline_s, step
from evse_daemon.store import StoreError
from evse_daemon.types.energy import EnforcedLimits
from evse_daemon.types.iso15118 import EnergyTransferMode
from evse_daemon.types.powermeter import Powermeter

RESTARTS = 3
"""How often the kernel begins anew after an exception before the EVSE stays off (design rule 9)."""

RESTART_AFTER_S = 2.0

RETRY_SETTINGS_S = 10.0
"""How long after the settings could not be read they are read again."""


LEVELS = (
    events.CapabilitiesChanged,
    events.PhasesAvailable,
    events.ProximityChanged,
    events.ContactorChanged,
    events.CausesChanged,
)
"""What peers say once and not again while it holds."""


def _begins_session(effect: effects.JournalEffect) -> bool:
    return isinstance(effect, effects.Announce) and effect.event.event == "SessionStarted"


class EvseManager(EvseShell):
    """One EVSE: control pilot, sessions, transactions, limits, errors."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._fresh_id = self._new_session_id()
        self._timer: Timer | None = None
        self._armed_s: float | None = None
        self._booted = False
        self._done: Callable[[], None] | None = None
        self._restarting: Timer | None = None
        self._off = False
        """The kernel failed too often: nothing begins any more."""
        self._untaken: dict[type[events.Event], events.Event] = {}
        """The levels at which the kernel failed: the one that begins anew takes them over."""
        self.settings = Settings(context.journal, context.module_id)
        self._kept_table = KeptTable(self, self.settings)
        self._peers = Peers(self, self._billing_sample)
        sliders = Sliders()
        self.explained = Explained(self, sliders)
        self._energy = EnergyLane(self, self._peers, sliders, self._enforced)
        self.lane = JournalLane(
            self, self.settings, self._kept_table, self._energy.request_now, self._tell_done
        )
        self.commands = CommandHandlers(self.options, self.feed, self.lane.afterwards)
        self.nodered = NodeRed(self, sliders, self.commands, self._energy.request_now)

    def init(self) -> None:
        o = self.options
        self.config = o.kernel_config(
            self.module_id,
            has_connector_lock=self.connector_lock is not None,
            has_billing_meter=self.billing_meter is not None,
        )
        table = enable_table.restored(self._kept_table.read())
        self.state = State(
            table=table,
            decided_by=enable_table.decide(table),
            delay=random_delay.RandomDelay(
                enabled=o.uk_smartcharging_random_delay_enable,
                max_duration_s=o.uk_smartcharging_random_delay_max_duration,
                at_any_change=o.uk_smartcharging_random_delay_at_any_change,
            ),
        )
        self.commands.register(self.evse)
        ServiceCommands(self).register()
        self.nodered.register()
        more_commands.register_random_delay(self.random_delay, self.feed)
        more_commands.register_dc_derating(self.dc_external_derate)
        self._energy.register()
        self._peers.subscribe()

    def ready(self) -> None:
        self.every(1.0, self._energy.request)
        self.every(REPEAT_S, self.nodered.repeat)
        if self.billing_meter is None:
            self._boot()
        else:
            self.after(self.options.initial_meter_value_timeout_ms / 1000, self._boot)

    def _boot(self) -> None:
        if self._booted:
            return
        self._booted = True
        modes: list[EnergyTransferMode] = ["AC_single_phase_core"]
        capabilities = self.state.capabilities
        if capabilities is None or capabilities.max_phase_count_import == 3:
            modes.append("AC_three_phase_core")
        self.evse.publish(EvseManagerInterface.supported_energy_transfer_modes, modes)
        if self._restarting is None:
            self._begin()

    def _begin(self) -> None:
        self._restarting = None
        if self._off:
            return
        if not self._restore_latches():
            # Whether the contactor is welded must be known.
            self._restarting = self.after(RETRY_SETTINGS_S, self._begin)
            return
        if self._kept_table.unread:
            table = {**enable_table.restored(self._kept_table.read()), **self.state.table}
            self.state.table, self.state.decided_by = table, enable_table.decide(table)
            self.lane.queue((effects.SaveTable(enable_table.lasting(table)),))
        unfinished: tuple[dict[str, Any], ...] = ()
        untold: tuple[dict[str, Any], ...] = ()
        try:
            unfinished = tuple(self.context.journal.open_transactions(self.module_id))
            untold = tuple(self.context.journal.untold_ends(self.module_id))
        except StoreError as error:
            # A run before this one may have left a transaction open: it is found when the store can be read again.
            self.log.error("the journal cannot be read", reason=str(error))  # noqa: TRY400 - the reason says it
        # An end that was announced and is tried again is not ended once more.
        ending = {commit.payload["session_id"] for commit in self.state.unstored_ends}
        unfinished = tuple(record for record in unfinished if record["session_id"] not in ending)
        self.feed(events.Boot(self.options.external_ready_to_start_charging, unfinished, untold))
        if self.config.watch_meter and self.state.meter is None:
            self.feed(events.MeterMissing())
        self._energy.request_now()

    def _restore_latches(self) -> bool:
        try:
            stored = latches.from_json(self.settings.get(LATCHED_ERRORS))
        except StoreError as error:
            self.log.error("the latched errors cannot be read", reason=str(error))  # noqa: TRY400 - as below
            return False
        self.latches_read = True
        if stored or self.state.latched:
            self.feed(events.LatchesRestored(stored))
        return True

    def feed(self, event: events.Event) -> bool | None:
        now_s = self.clock.now_s()
        if isinstance(event, LEVELS):
            self._untaken[type(event)] = event
        self.session_log.event(event)
        state, wanted = step(
            self.config, self.state, event, now_s, self.context.bus.timestamp(), self._fresh_id
        )
        self._untaken.pop(type(event), None)
        before, self.state = self.state, state
        self.lane.queue(wanted.journal)  # before anything can fail: the state is that after these effects
        for effect in wanted.board:
            self.session_log.effect(effect)
            self.board.run(effect)
        if state.inoperative != before.inoperative:
            self._explain(before.inoperative)
        if any(_begins_session(effect) for effect in wanted.journal):
            self._fresh_id = self._new_session_id()  # also where the session has ended in the same step
        self.lane.run()
        self._arm(now_s)
        self.nodered.charger(state.charger)
        self._tell_done()
        return wanted.reply

    def _explain(self, before: tuple[events.Cause, ...]) -> None:
        known = {latches.key(cause) for cause in before}
        for cause in self.state.inoperative:
            if latches.key(cause) not in known:
                row = latches.row(cause)
                self.seldom.warning(
                    latches.key(cause),
                    "charging is prevented",
                    error=latches.name(cause),
                    what=row.text,
                    remedy=row.remedy,
                )
        if not self.state.inoperative:
            self.seldom.info("over", "nothing prevents charging any more")

    def _arm(self, now_s: float) -> None:
        deadline_s = next_deadline_s(self.config, self.state)
        if deadline_s is not None and deadline_s <= now_s:
            deadline_s = now_s + 0.05  # due already and not done: look again soon, but do not spin
        if deadline_s == self._armed_s:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_s = deadline_s
        if deadline_s is not None:
            self._timer = self.clock.call_at(deadline_s, partial(self.context.inbox.put, self._tick))

    def _tick(self) -> None:
        self._armed_s = None
        self.feed(events.Tick())

    def _billing_sample(self, value: Powermeter) -> None:
        self.evse.publish(EvseManagerInterface.powermeter, value)
        self.feed(events.MeterSample(value))
        self.nodered.powermeter(value)
        self.explained.reading(value)
        if not self._booted:
            self._boot()

    def _enforced(self, value: EnforcedLimits) -> None:
        self.explained.enforced(value)
        power = value.limits_root_side.total_power_W
        if power is not None:
            self.nodered.max_watt(power.value)

    @property
    def kernel_failed(self) -> Failed:
        if self._off:
            return "off"
        if self._restarting is None or not self._booted:
            return ""
        return "restarts" if self.latches_read else "unread"

    def explain(self) -> dict[str, Any]:
        return self.explained.as_json()

    def measures(self) -> Iterable[Measure]:
        now_s = self.clock.now_s()
        nodes = {module_id for module_id, _ in self.context.bus.implementations}
        return measured.measures(self.config, self.state, self.explained.told(now_s), nodes, now_s)

    def _new_session_id(self) -> str:
        match self.options.session_id_type:
            case "UUID":
                return str(uuid.uuid4())
            case "UUID_BASE64":
                return base64.b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            case "SHORT_BASE64":
                return base64.b64encode(uuid.uuid4().bytes[:12]).decode()

    def end(self, done: Callable[[], None]) -> None:
        """A transaction is brought to its end, with reason Reboot, stored and announced."""
        self._done = done
        self.feed(events.StationEnds())

    def _tell_done(self) -> None:
        done = self._done
        if done is not None and (self._off or closing.done(self.state)) and self.lane.idle:
            self._done = None
            done()

    def make_safe(self) -> None:
        """Power off and PWM off, past the core: it may be what failed."""
        self.board.make_safe()

    def recover(self, error: Exception, failures: int) -> bool:
        """The kernel begins anew as after a crash, three times; then the EVSE stays off (design rule 9)."""
        self.make_safe()
        self.evse.raise_error(
            "evse_manager/Internal", f"the charging kernel failed: {error!r}", sub_type="Kernel"
        )
        self.evse.raise_error(
            "evse_manager/Inoperative", "evse_manager/Internal", description_="Internal/Kernel"
        )
        for cause in faults.passing(self.state):
            self.evse.clear_error(cause.type, cause.sub_type)
        self.state = recovery.after_failure(self.state, self.lane.told_session)
        self._off = failures > RESTARTS
        self.lane.drop_undone()
        self._tell_done()
        if self._restarting is not None:
            self._restarting.cancel()
        self._restarting = self.after(RESTART_AFTER_S, self._restart) if failures <= RESTARTS else None
        return True

    def _journal_readable(self) -> bool:
        try:
            self.context.journal.open_transactions(self.module_id)
        except StoreError as error:
            self.log.error("the journal cannot be read", reason=str(error))  # noqa: TRY400
            return not self.state.session.id
        return True

    def _restart(self) -> None:
        if not self.lane.idle or not self._journal_readable():
            self._restarting = self.after(
                RESTART_AFTER_S, self._restart
            )  # the journal must say how it stands
            return
        for level in tuple(self._untaken.values()):
            self.feed(level)
        self.state.inoperative = ()  # what still prevents charging is told anew
        self.evse.clear_error("evse_manager/Inoperative")
        self.evse.clear_error("evse_manager/Internal", "Kernel")
        if self._done is not None:
            self.feed(events.StationEnds())
        self._begin()
