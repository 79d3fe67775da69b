"""The module EvseManager with fakes around it: board, lock, residual current device, meters."""

from __future__ import annotations

from typing import Any

from evse_daemon.framework.errors import Severity
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.store import MemoryJournal
from evse_daemon.types.board_support_common import BspEvent, ProximityPilot
from evse_daemon.types.energy import EnforcedLimits, LimitsRes, NumberWithSource
from evse_daemon.types.evse_manager import EnableDisableSource, SessionEvent, StopTransactionRequest
from evse_daemon.types.powermeter import TransactionStartResponse, TransactionStopResponse
from tests.modules.evse_manager.plant import ACCEPTED, CAPABILITIES, TOKEN, meter, named
from tests.support.harness import World

EVSE = ("evse", "evse")
ENERGY = ("evse", "energy_grid")
BOARD = ("board", "main")
LOCK = ("lock", "main")
METER = ("meter", "main")
CAR_METER = ("car_meter", "main")


class EvseWorld:
    """An EVSE whose contactor follows its command, with everything it can be connected to but the car's meter."""

    def __init__(
        self,
        stored: MemoryJournal | None = None,
        *,
        car_meter: bool = False,
        bare: bool = False,
        failed: Any = None,
        **options: Any,
    ) -> None:
        self.world = World(stored=stored, **({"failed": failed} if failed is not None else {}))
        self.board = self.world.fake("board", main=EvseBoardSupport)["main"]
        self.board.handle(EvseBoardSupport.allow_power_on, self._allow_power)
        self.contactor_follows = True
        self.contactor_closed = False
        self.meters: list[Any] = []
        self.stop_answer = TransactionStopResponse(status="OK")
        connections = {"bsp": [BOARD]}
        if not bare:
            self.lock = self.world.fake("lock", main=ConnectorLock)["main"]
            self.rcd = self.world.fake("rcd", main=AcRcd)["main"]
            self.meter = self._meter("meter")
            connections |= {
                "connector_lock": [LOCK],
                "ac_rcd": [("rcd", "main")],
                "powermeter_grid_side": [METER],
            }
        if car_meter:
            self.car_meter = self._meter("car_meter")
            connections["powermeter_car_side"] = [CAR_METER]
        self.evse = self.world.add(
            EvseManager,
            "evse",
            {"connector_id": 1, "has_ventilation": False, **options},
            connections=connections,
        )
        self.world.start()

    def _meter(self, module_id: str) -> Any:
        made = self.world.fake(module_id, main=PowermeterInterface)["main"]
        self.meters.append(made)
        made.handle(
            PowermeterInterface.start_transaction, lambda value: TransactionStartResponse(status="OK")
        )
        made.handle(PowermeterInterface.stop_transaction, lambda transaction_id: self.stop_answer)
        return made

    def _allow_power(self, value: Any) -> None:
        if self.contactor_follows and self.contactor_closed != value.allow_power_on:
            self.contactor_closed = value.allow_power_on
            self.board.publish(
                EvseBoardSupport.event, BspEvent(event="PowerOn" if value.allow_power_on else "PowerOff")
            )

    # What a test does

    def boot(self) -> None:
        """The board tells what it can, the meter its first value; no car is there."""
        self.board.publish(EvseBoardSupport.capabilities, CAPABILITIES)
        for peer in self.meters:
            peer.publish(PowermeterInterface.powermeter, meter(1000.0))
        self.cp("A")

    def charge(self, limit_a: float = 16.0) -> None:
        """A car is plugged in, authorized, and charges."""
        self.boot()
        self.enforce(limit_a)
        self.cp("B")
        self.authorize()
        self.cp("C")
        assert self.contactor_closed, self.names

    def cp(self, state: Any) -> None:
        self.board.publish(EvseBoardSupport.event, BspEvent(event=state))
        self.world.settle()

    def closes_by_itself(self) -> None:
        """The contactor closes, and nobody has told it to."""
        self.contactor_closed = True
        self.board.publish(EvseBoardSupport.event, BspEvent(event="PowerOn"))
        self.world.settle()

    def cable(self, ampacity: Any) -> None:
        self.board.publish(EvseBoardSupport.ac_pp_ampacity, ProximityPilot(ampacity=ampacity))
        self.world.settle()

    def authorize(self) -> None:
        self.world.call(EVSE, EvseManagerInterface.authorize_response, TOKEN, ACCEPTED)

    def stop(self) -> bool:
        request = StopTransactionRequest(reason="Remote")
        return self.world.call(EVSE, EvseManagerInterface.stop_transaction, request)

    def enable(self, state: Any, connector_id: int = 1) -> bool:
        entry = EnableDisableSource(enable_source="CSMS", enable_state=state, enable_priority=5000)
        return self.world.call(EVSE, EvseManagerInterface.enable_disable, connector_id, entry)

    def enforce(
        self,
        limit_a: float | None,
        *,
        watts: float | None = None,
        valid_for: int = 10_000,
        uuid: str = "evse",
    ) -> None:
        limits = LimitsRes(
            ac_max_current_A=None if limit_a is None else NumberWithSource(value=limit_a, source="test"),
            total_power_W=None if watts is None else NumberWithSource(value=watts, source="test"),
        )
        value = EnforcedLimits(uuid=uuid, valid_for=valid_for, limits_root_side=limits, schedule=[])
        self.world.call(ENERGY, Energy.enforce_limits, value)

    def fail(self, peer: Any, type_: str, severity: Severity = "High") -> None:
        peer.raise_error(type_, "test", severity=severity)
        self.world.settle()

    def mend(self, peer: Any, type_: str) -> None:
        peer.clear_error(type_)
        self.world.settle()

    # What a test sees

    @property
    def events(self) -> list[SessionEvent]:
        return self.world.published(EVSE, EvseManagerInterface.session_event)

    @property
    def names(self) -> list[str]:
        return [named(event) for event in self.events]

    def names_since(self, count: int) -> list[str]:
        return self.names[count:]

    @property
    def power(self) -> list[bool]:
        """What the contactor was told, oldest first."""
        return [
            call["value"].allow_power_on for call in self.world.calls(BOARD, EvseBoardSupport.allow_power_on)
        ]

    @property
    def errors(self) -> list[str]:
        return self.world.errors(EVSE)

    @property
    def limit_a(self) -> float:
        """The limit that the EVSE told last."""
        return self.world.published(EVSE, EvseManagerInterface.limits)[-1].max_current
