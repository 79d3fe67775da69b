"""The shell of EvseManager: feeds the pure core with events, runs its effects, arms its deadline."""

from __future__ import annotations

import base64
import random
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from evse_daemon.framework.bus import Client
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.errors import Error
from evse_daemon.framework.module import Context, Module, Provides, Requires, RequiresOptional
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.dc_external_derate import DcExternalDerate
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import (
    closing,
    effects,
    enable_table,
    energy_request,
    enforced,
    events,
    faults,
    guards,
    latches,
    more_commands,
    random_delay,
    recovery,
)
from evse_daemon.modules.evse_manager.billing_meter import BillingMeter
from evse_daemon.modules.evse_manager.board_lane import BoardLane
from evse_daemon.modules.evse_manager.commands import CommandHandlers
from evse_daemon.modules.evse_manager.explain_limits import Failed
from evse_daemon.modules.evse_manager.explained import Explained
from evse_daemon.modules.evse_manager.journal_lane import JournalLane
from evse_daemon.modules.evse_manager.kept_table import KeptTable
from evse_daemon.modules.evse_manager.nodered import REPEAT_S, NodeRed
from evse_daemon.modules.evse_manager.options import EvseManagerOptions
from evse_daemon.modules.evse_manager.residual_current import ResidualCurrent
from evse_daemon.modules.evse_manager.service import ServiceCommands
from evse_daemon.modules.evse_manager.session_logger import SessionLogger
from evse_daemon.modules.evse_manager.settings import LATCHED_ERRORS, Settings
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.modules.evse_manager.step import next_deadline_s, step
from evse_daemon.mqtt.topics import api_var
from evse_daemon.store import StoreError
from evse_daemon.types.board_support_common import BspEvent, ProximityPilot
from evse_daemon.types.energy import EnforcedLimits
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import StopTransactionRequest
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


class EvseManager(Module):
    """One EVSE: control pilot, sessions, transactions, limits, errors."""

    class Options(EvseManagerOptions):
        """See options.py."""

    evse = Provides(EvseManagerInterface)
    energy_grid = Provides(Energy)
    token_provider = Provides(AuthTokenProvider)
    """Publishes nothing: autocharge and contracts need ISO 15118."""
    random_delay = Provides(UkRandomDelay)
    dc_external_derate = Provides(DcExternalDerate)

    bsp = Requires(EvseBoardSupport)
    ac_rcd = RequiresOptional(AcRcd)
    connector_lock = RequiresOptional(ConnectorLock)
    powermeter_grid_side = RequiresOptional(PowermeterInterface)
    powermeter_car_side = RequiresOptional(PowermeterInterface)
    store = RequiresOptional(Kvs)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        assert isinstance(context.options, EvseManagerOptions)
        self.options = context.options
        self.config = KernelConfig()
        self.state = State()
        self.grid_meter: Powermeter | None = None
        self._fresh_id = self._new_session_id()
        self._errors: dict[tuple[str, str, str], events.Cause] = {}
        self._timer: Timer | None = None
        self._armed_s: float | None = None
        self._booted = False
        self.session_log = SessionLogger(
            context.bus.timestamp, partial(self.mqtt.publish, api_var(self.module_id, "hlc_log"))
        )
        self._done: Callable[[], None] | None = None
        self._restarting: Timer | None = None
        self._off = False
        """The kernel failed too often: nothing begins any more."""
        self._untaken: dict[type[events.Event], events.Event] = {}
        """The levels at which the kernel failed: the one that begins anew takes them over."""
        self.latches_read = False
        """What a run before this one has latched is known, and may be overwritten."""
        self.settings = Settings(context.journal, context.module_id)
        self._kept_table = KeptTable(self, self.settings)
        self.lane = JournalLane(self, self.settings, self._kept_table, self._tell_done)
        self.commands = CommandHandlers(self.options, self.feed, self.lane.afterwards)
        self.nodered = NodeRed(self)
        self._residual_current = ResidualCurrent(self.clock.now_s)
        self.explained = Explained(self)

    @property
    def billing_meter(self) -> Client[PowermeterInterface] | None:
        """The meter on the car's side if there is one, else the one on the grid's (EvseManager.cpp:2481)."""
        return self.powermeter_car_side or self.powermeter_grid_side

    def connect(self) -> None:
        super().connect()
        self.board = BoardLane(self.bsp, self.connector_lock, self.feed, self.log)
        self.meter = BillingMeter(self.billing_meter, self.options.evse_id, self.feed)

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
        self.energy_grid.handle(Energy.enforce_limits, self._enforce_limits)
        bsp = self.bsp
        bsp.subscribe(EvseBoardSupport.event, self._bsp_event)
        bsp.subscribe(EvseBoardSupport.capabilities, self._capabilities)
        bsp.subscribe(EvseBoardSupport.ac_pp_ampacity, self._proximity)
        bsp.subscribe(EvseBoardSupport.ac_nr_of_phases_available, self._phases_available)
        bsp.subscribe(EvseBoardSupport.request_stop_transaction, self._stop_requested)
        bsp.subscribe(EvseBoardSupport.telemetry, self._telemetry)
        if self.ac_rcd is not None:
            self.ac_rcd.subscribe(AcRcd.rcd_current_mA, self._residual_current.measured)
        for source, client in (
            ("bsp", bsp),
            ("connector_lock", self.connector_lock),
            ("ac_rcd", self.ac_rcd),
            ("powermeter", self.billing_meter if self.options.fail_on_powermeter_errors else None),
        ):
            if client is not None:
                client.subscribe_errors(partial(self._error_changed, source))
                client.subscribe_lost(partial(self._lost, source, client.module_id))
        if self.billing_meter is not None:
            self.billing_meter.subscribe(PowermeterInterface.powermeter, self._billing_sample)
            self.billing_meter.subscribe(
                PowermeterInterface.public_key_ocmf,
                partial(self.evse.publish, EvseManagerInterface.powermeter_public_key_ocmf),
            )
        if self.powermeter_grid_side is not None:
            self.powermeter_grid_side.subscribe(PowermeterInterface.powermeter, self._grid_sample)

    def ready(self) -> None:
        self.every(1.0, partial(self.request_energy, priority=False))
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
        self.request_energy(priority=True)

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
        """Has the core decide on an event and runs the effects; returns a command's result."""
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

    def _bsp_event(self, value: BspEvent) -> None:
        match value.event:
            case "PowerOn":
                self.feed(events.ContactorChanged(closed=True))
            case "PowerOff":
                self.feed(events.ContactorChanged(closed=False))
            case "Disconnected":
                self.feed(events.CpChanged(None))
            case "A" | "B" | "C" | "D" | "E" | "F":
                self.feed(events.CpChanged(value.event))
            case _:
                self.log.debug("an event of the board has no meaning here", event_=value.event)

    def _telemetry(self, value: Telemetry) -> None:
        self.evse.publish(EvseManagerInterface.telemetry, self._residual_current.beside(value))
        self.nodered.temperature(value.evse_temperature_C)
        if value.plug_temperature_C is not None:
            self.dc_external_derate.publish(DcExternalDerate.plug_temperature_C, value.plug_temperature_C)

    def _capabilities(self, value: HardwareCapabilities) -> None:
        self.feed(events.CapabilitiesChanged(value))

    def _proximity(self, value: ProximityPilot) -> None:
        capabilities = self.state.capabilities
        single_phase = capabilities is not None and capabilities.max_phase_count_import == 1
        ratings_a = {
            "A_13": 13.0,
            "A_20": 20.0,
            "A_32": 32.0,
            "A_63_3ph_70_1ph": 70.0 if single_phase else 63.0,
        }
        self.feed(events.ProximityChanged(ratings_a.get(value.ampacity)))

    def _phases_available(self, count: int) -> None:
        self.feed(events.PhasesAvailable(count))

    def _stop_requested(self, request: StopTransactionRequest) -> None:
        self.feed(events.Stop(request.reason, request.id_tag))

    def _billing_sample(self, value: Powermeter) -> None:
        self.evse.publish(EvseManagerInterface.powermeter, value)
        self.feed(events.MeterSample(value))
        self.nodered.powermeter(value)
        self.explained.reading(value)
        if not self._booted:
            self._boot()

    def _grid_sample(self, value: Powermeter) -> None:
        self.grid_meter = value

    def _error_changed(self, source: str, error: Error) -> None:
        key = (source, error.type, error.sub_type)
        if error.active:
            self._errors[key] = events.Cause(
                source, error.type, error.sub_type, error.severity, error.description, error.vendor_id
            )
        else:
            self._errors.pop(key, None)
        self.feed(events.CausesChanged(tuple(self._errors.values())))

    def _lost(self, source: str, module_id: str) -> None:
        """A module that this EVSE depends on has failed for good."""
        type_ = {"bsp": "evse_board_support", "ac_rcd": "ac_rcd", "connector_lock": "connector_lock"}.get(
            source, source
        )
        cause = events.Cause(
            source, f"{type_}/CommunicationFault", "", "High", f"module {module_id} has failed"
        )
        self._errors[source, cause.type, "lost"] = cause
        self.feed(events.CausesChanged(tuple(self._errors.values())))

    def _enforce_limits(self, value: EnforcedLimits) -> None:
        if value.uuid != self.module_id:
            return
        self.evse.publish(
            EvseManagerInterface.enforced_limits, energy_request.within_cable(value, self.state.cable_limit_a)
        )
        power = value.limits_root_side.total_power_W
        self.explained.enforced(value)
        if power is not None:
            self.nodered.max_watt(power.value)
        phases = value.limits_root_side.ac_max_phase_count
        max_phases = phases.value if phases is not None else None
        shared_a = energy_request.shared_a(value, self.options.ac_nominal_voltage)
        self.feed(
            events.LimitChanged(
                energy_request.limit_a(value),
                self.clock.now_s() + max(0, value.valid_for),
                max_phases,
                shared_a,
                at_once=enforced.by_rating(value, shared_a, max_phases or guards.phases(self.state) or 3),
                chance=random.random(),
            )
        )

    def request_energy(self, *, priority: bool) -> None:
        request = energy_request.request(
            self.module_id,
            self.state,
            self.grid_meter,
            self.state.meter if self.powermeter_car_side is not None else None,
            self.context.bus.timestamp(),
            priority=priority,
            zero_in_idle=self.options.request_zero_power_in_idle,
            local=self.nodered.local,
        )
        if request is not None:
            self.energy_grid.publish(Energy.energy_flow_request, request)

    @property
    def kernel_failed(self) -> Failed:
        """Whether the kernel is down after an exception, or could not begin."""
        if self._off:
            return "off"
        if self._restarting is None or not self._booted:
            return ""
        return "restarts" if self.latches_read else "unread"

    def explain(self) -> dict[str, Any]:
        return self.explained.as_json()

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
