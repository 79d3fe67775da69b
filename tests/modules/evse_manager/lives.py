"""An EVSE whose process may die and begin again: the car, the meter and the journal live on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.powermeter import Powermeter as MeterInterface
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.store import MemoryJournal
from evse_daemon.types.board_support_common import BspEvent, Event
from evse_daemon.types.energy import EnforcedLimits, LimitsRes, NumberWithSource
from evse_daemon.types.evse_board_support import PowerOnOff
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import (
    Powermeter,
    TransactionReq,
    TransactionStartResponse,
    TransactionStopResponse,
)
from evse_daemon.types.units import Energy as EnergyWh
from evse_daemon.types.units_signed import SignedMeterValue
from tests.modules.evse_manager.plant import ACCEPTED, CAPABILITIES, TOKEN
from tests.support.harness import World

EVSE = "evse_manager"
POWER_W = 3600.0
"""What the car draws: 1 Wh in each second."""


class Killed(BaseException):
    """kill -9."""


class BrokenError(Exception):
    """A fault in the kernel."""


class MortalManager(EvseManager):
    """Dies before its effect number ``dies_at``, counted from 0, or breaks before number ``breaks_at``."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.dies_at: int | None = None
        self.breaks_at: int | None = None
        self.done: list[Any] = []
        manager = self

        class Lane(deque[Any]):
            def popleft(self) -> Any:
                manager.count(self[0])
                return super().popleft()

        self.lane._waiting = Lane()

    def count(self, effect: Any) -> None:
        if self.dies_at is not None and len(self.done) >= self.dies_at:
            raise Killed
        self.done.append(effect)
        if self.breaks_at is not None and len(self.done) > self.breaks_at:
            self.breaks_at = None
            raise BrokenError

    def connect(self) -> None:
        super().connect()
        run = self.board.run

        def counted(effect: fx.BoardEffect) -> None:
            self.count(effect)
            run(effect)

        self.board.run = counted  # type: ignore[method-assign]


class Site:
    """What is there when the process is not: the car, the contactor, the meter, the journal."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self.options = {"connector_id": 1, "has_ventilation": False, **(options or {})}
        self.journal = MemoryJournal()
        self.pilot: Event = "A"
        self.energy_wh = 1000.0
        self.meter_transaction = ""
        """The transaction that the meter believes to go on."""
        self.kvs: dict[str, Any] = {}
        self.told: list[SessionEvent] = []
        """The session events of all lives."""
        self.lives: list[Life] = []

    def live(self, dies_at: int | None = None) -> Life:
        life = Life(self, dies_at)
        self.lives.append(life)
        return life


class Life:
    """One run of the process."""

    def __init__(self, site: Site, dies_at: int | None = None) -> None:
        self.site = site
        self.world = World(stored=site.journal, failed=self._failed)
        self.journal = self.world.journal
        self.journal.delay_s = 0.004
        self.closed = False
        self._noted = 0
        self.left_open: list[dict[str, Any]] = []
        """The journal's open transactions when this was over."""
        self.broke_after = 0
        """How many session events there were when the kernel broke."""
        board = self.world.fake("board", bsp=EvseBoardSupport, meter=MeterInterface, lock=ConnectorLock)
        self.bsp, self.meter, lock = board["bsp"], board["meter"], board["lock"]
        kvs = self.world.fake("kvs", main=Kvs)["main"]
        self.bsp.handle(EvseBoardSupport.enable, self._enable)
        self.bsp.handle(EvseBoardSupport.allow_power_on, self._allow_power)
        self.meter.handle(MeterInterface.start_transaction, self._meter_starts)
        self.meter.handle(MeterInterface.stop_transaction, self._meter_stops)
        lock.handle(ConnectorLock.lock, lambda: None)
        lock.handle(ConnectorLock.unlock, lambda: None)
        kvs.handle(Kvs.store, self._kvs_stores)
        self.manager = self.world.add(
            MortalManager,
            EVSE,
            site.options,
            connections={
                "bsp": [("board", "bsp")],
                "powermeter_grid_side": [("board", "meter")],
                "connector_lock": [("board", "lock")],
                "store": [("kvs", "main")],
            },
        )
        self.manager.dies_at = dies_at

    @property
    def events(self) -> list[SessionEvent]:
        return self.world.published((EVSE, "evse"), Interface.session_event)

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]

    def runs(self, *doings: Callable[[Life], None]) -> bool:
        """Does one after the other; False where the process died meanwhile."""
        try:
            for doing in doings:
                doing(self)
        except Killed:
            return False
        finally:
            self.world.bus._show_all()
            self.site.told += self.events[self._noted :]
            self._noted = len(self.events)
            self.left_open = self.site.journal.open_transactions(EVSE)
        return True

    # What may be done

    def begin(self) -> None:
        self.world.start()
        self.bsp.publish(EvseBoardSupport.capabilities, CAPABILITIES)
        self.measure()
        self.advance(1)
        self.limit(32.0)

    def advance(self, seconds: float) -> None:
        """Lets time pass; the meter measures each second."""
        while seconds > 0:
            step_s = min(1.0, seconds)
            self.world.advance(step_s)
            if self.closed:
                self.site.energy_wh += POWER_W / 3600.0 * step_s
            self.measure()
            self.world.settle()
            seconds -= step_s

    def measure(self) -> None:
        value = Powermeter(
            timestamp=self.world.bus.timestamp(), energy_Wh_import=EnergyWh(total=self.site.energy_wh)
        )
        self.meter.publish(MeterInterface.powermeter, value)

    def limit(self, limit_a: float, valid_s: int = 100_000) -> None:
        limits = LimitsRes(ac_max_current_A=NumberWithSource(value=limit_a, source="test"))
        value = EnforcedLimits(uuid=EVSE, valid_for=valid_s, limits_root_side=limits, schedule=[])
        self.world.begin((EVSE, "energy_grid"), Energy.enforce_limits, value=value)
        self.world.settle()

    def signal(self, pilot: Event) -> None:
        self.site.pilot = pilot
        self.bsp.publish(EvseBoardSupport.event, BspEvent(event=pilot))
        self.world.settle()

    def authorize(self) -> None:
        self.world.begin(
            (EVSE, "evse"), Interface.authorize_response, provided_token=TOKEN, validation_result=ACCEPTED
        )
        self.world.settle()

    def pause(self) -> None:
        self.world.begin((EVSE, "evse"), Interface.pause_charging)
        self.world.settle()

    def resume(self) -> None:
        self.world.begin((EVSE, "evse"), Interface.resume_charging)
        self.world.settle()

    def _failed(self, module_id: str, error: Exception) -> None:
        """As the station does it."""
        if not isinstance(error, BrokenError):
            raise error
        self.world.bus._show_all()
        self.broke_after = len(self.events)
        assert self.manager.recover(error, 1)

    # The fakes

    def _kvs_stores(self, key: str, value: Any) -> None:
        self.site.kvs[key] = value

    def _enable(self, value: bool) -> None:
        if value:
            self.bsp.publish(EvseBoardSupport.event, BspEvent(event=self.site.pilot))

    def _allow_power(self, value: PowerOnOff) -> None:
        if value.allow_power_on != self.closed:
            self.closed = value.allow_power_on
            self.bsp.publish(EvseBoardSupport.event, BspEvent(event="PowerOn" if self.closed else "PowerOff"))

    def _meter_starts(self, value: TransactionReq) -> TransactionStartResponse:
        self.site.meter_transaction = value.transaction_id
        return TransactionStartResponse(status="OK", signed_meter_value=_signed("start"))

    def _meter_stops(self, transaction_id: str) -> TransactionStopResponse:
        if not transaction_id or transaction_id != self.site.meter_transaction:
            self.site.meter_transaction = ""
            return TransactionStopResponse(status="UNEXPECTED_ERROR", error="there is no such transaction")
        self.site.meter_transaction = ""
        return TransactionStopResponse(status="OK", signed_meter_value=_signed("stop"))


def _signed(text: str) -> SignedMeterValue:
    return SignedMeterValue(signed_meter_data=text, signing_method="", encoding_method="OCMF")
