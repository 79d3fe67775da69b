"""An EvseManager with a board, a lock, a meter and a residual current monitor that do what a test says."""

from __future__ import annotations

import json
from typing import Any

from evse_daemon.framework.errors import Severity
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.powermeter import Powermeter as Meter
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.mqtt.topics import service_command, service_response
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.energy import EnforcedLimits, LimitsRes, NumberWithSource
from evse_daemon.types.evse_board_support import PowerOnOff
from evse_daemon.types.powermeter import (
    Powermeter,
    TransactionReq,
    TransactionStartResponse,
    TransactionStopResponse,
)
from evse_daemon.types.units import Energy as EnergyWh
from evse_daemon.types.units import Power
from tests.modules.evse_manager.plant import ACCEPTED, CAPABILITIES, TOKEN
from tests.support.harness import World

EVSE = ("connector_1", "evse")


class FaultyStation:
    """A station whose contactor can weld, whose link can break and whose meter can stop.

    Args:
        stored: the journal of a station before this one: it has rebooted.
        options: of the EvseManager.
        failed: told of exceptions that leave a handler.
        meter_period_s: how often the meter measures; None: never.
    """

    def __init__(
        self,
        stored: MemoryJournal | None = None,
        options: dict[str, Any] | None = None,
        failed: Any = None,
        meter_period_s: float | None = 1.0,
    ) -> None:
        self.world = World(stored=stored, **({"failed": failed} if failed else {}))
        self.board = self.world.fake("board", main=EvseBoardSupport)["main"]
        self.rcd = self.world.fake("rcd", main=AcRcd)["main"]
        self.lock = self.world.fake("lock", main=ConnectorLock)["main"]
        self.meter = self.world.fake("meter", main=Meter)["main"]
        self.welded = False
        self.silent = False
        """The board does not tell what its contactor does."""
        self.closed = False
        self.power_w = 0.0
        self.total_wh = 1000.0
        self.meter_period_s = meter_period_s
        self.counts = True
        self.evse = self.world.add(
            EvseManager,
            "connector_1",
            {"connector_id": 1, "has_ventilation": False, **(options or {})},
            connections={
                "bsp": [("board", "main")],
                "ac_rcd": [("rcd", "main")],
                "connector_lock": [("lock", "main")],
                "powermeter_grid_side": [("meter", "main")],
            },
        )
        self.board.handle(EvseBoardSupport.allow_power_on, self._allow_power_on)
        self.meter.handle(Meter.start_transaction, self._start)
        self.meter.handle(Meter.stop_transaction, self._stop)
        self.world.start()
        self.board.publish(EvseBoardSupport.capabilities, CAPABILITIES)
        self.world.settle()
        self.step()

    def _start(self, value: TransactionReq) -> TransactionStartResponse:
        return TransactionStartResponse(status="OK")

    def _stop(self, transaction_id: str) -> TransactionStopResponse:
        return TransactionStopResponse(status="OK")

    def _allow_power_on(self, value: PowerOnOff) -> None:
        if value.allow_power_on != self.closed and not (self.welded and self.closed):
            self.closed = value.allow_power_on
            if not self.silent:
                self.board.publish(
                    EvseBoardSupport.event, BspEvent(event="PowerOn" if self.closed else "PowerOff")
                )

    def sample(self, timestamp: str | None = None) -> None:
        self.meter.publish(
            Meter.powermeter,
            Powermeter(
                timestamp=timestamp or self.world.bus.timestamp(),
                energy_Wh_import=EnergyWh(total=self.total_wh),
                power_W=Power(total=self.power_w),
            ),
        )

    def step(self) -> None:
        """A second passes: the limit is renewed, and the meter measures."""
        self.world.call(
            ("connector_1", "energy_grid"),
            Energy.enforce_limits,
            value=EnforcedLimits(
                uuid="connector_1",
                valid_for=10,
                limits_root_side=LimitsRes(ac_max_current_A=NumberWithSource(value=16.0, source="test")),
                schedule=[],
            ),
        )
        if self.meter_period_s is not None and self.world.clock.now_s() % self.meter_period_s < 1.0:
            self.sample()
        self.world.advance(1.0)
        self.power_w = 11_000.0 if self.closed else 0.0
        if self.counts:
            self.total_wh += self.power_w / 3600

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.step()

    def pilot(self, *states: Any) -> None:
        for state in states:
            self.board.publish(EvseBoardSupport.event, BspEvent(event=state))
            self.world.settle()
            self.step()

    def authorize(self) -> None:
        self.world.call(EVSE, Interface.authorize_response, provided_token=TOKEN, validation_result=ACCEPTED)
        self.step()

    def charge(self) -> None:
        self.pilot("A", "B")
        self.authorize()
        self.pilot("C")
        assert self.closed

    def clear_latched(self, name: str) -> dict[str, Any]:
        """The technician's command, and its answer."""
        self.world.send(service_command("everest", "connector_1", "clear_latched_error"), name)
        answer: dict[str, Any] = json.loads(
            self.world.mqtt.payloads(service_response("everest", "connector_1", "clear_latched_error"))[-1]
        )
        return answer

    def fault(self, type_: str, severity: Severity = "High") -> None:
        peer = self.rcd if type_.startswith("ac_rcd") else self.board
        peer.raise_error(type_, "as the test says", severity=severity)
        self.world.settle()

    def clear(self, type_: str) -> None:
        peer = self.rcd if type_.startswith("ac_rcd") else self.board
        peer.clear_error(type_)
        self.world.settle()

    @property
    def errors(self) -> list[str]:
        return [
            error.type + (f"/{error.sub_type}" if error.sub_type else "")
            for error in self.world.active_errors(EVSE)
        ]

    @property
    def events(self) -> list[str]:
        return [event.event for event in self.world.published(EVSE, Interface.session_event)]

    @property
    def locked(self) -> bool:
        calls = [entry.name for entry in self.world.recorder.select("call", "lock", "main")]
        return bool(calls) and calls[-1] == "lock"
