"""An EvseWorld whose contactor can weld, whose link can break and whose meter can stop; its limit is renewed."""

from __future__ import annotations

import json
from typing import Any

from evse_daemon.framework.errors import Severity
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter as Meter
from evse_daemon.mqtt.topics import service_command, service_response
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy, Power
from tests.modules.evse_manager.evse_world import EVSE, LOCK, EvseWorld
from tests.modules.evse_manager.plant import CAPABILITIES

COMMAND = service_command("everest", EVSE[0], "clear_latched_error")
RESPONSE = service_response("everest", EVSE[0], "clear_latched_error")


class FaultyStation(EvseWorld):
    """A station that has just started.

    Args:
        stored: the journal of a station before this one: it has rebooted.
        failed: told of exceptions that leave a handler.
        meter_period_s: how often the meter measures; None: never.
        options: of the EvseManager.
    """

    def __init__(
        self,
        stored: MemoryJournal | None = None,
        *,
        failed: Any = None,
        meter_period_s: float | None = 1.0,
        **options: Any,
    ) -> None:
        self.welded = False
        self.silent = False
        """The board does not tell what its contactor does."""
        self.meter_period_s = meter_period_s
        self.power_w = 0.0
        self.total_wh = 1000.0
        super().__init__(stored, failed=failed, **options)
        self.board.publish(EvseBoardSupport.capabilities, CAPABILITIES)
        self.step()

    def _allow_power(self, value: Any) -> None:
        if self.welded and self.contactor_closed:
            return
        if self.silent:
            self.contactor_closed = value.allow_power_on
            return
        super()._allow_power(value)

    def step(self) -> None:
        """A second passes: the limit is renewed, and the meter measures."""
        self.enforce(16.0, valid_for=10)
        if self.meter_period_s is not None:
            self.meter.publish(
                Meter.powermeter,
                Powermeter(
                    timestamp=self.world.bus.timestamp(),
                    energy_Wh_import=Energy(total=self.total_wh),
                    power_W=Power(total=self.power_w),
                ),
            )
        self.world.advance(1.0)
        self.power_w = 11_000.0 if self.contactor_closed else 0.0
        self.total_wh += self.power_w / 3600

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.step()

    def pilot(self, *states: Any) -> None:
        for state in states:
            self.cp(state)
            self.step()

    def charge(self, limit_a: float = 16.0) -> None:
        self.pilot("A", "B")
        self.authorize()
        self.pilot("C")
        assert self.contactor_closed

    def clear_latched(self, name: str) -> dict[str, Any]:
        """The technician's command, and its answer."""
        self.world.send(COMMAND, name)
        answer: dict[str, Any] = json.loads(self.world.mqtt.payloads(RESPONSE)[-1])
        return answer

    def fault(self, type_: str, severity: Severity = "High") -> None:
        self.fail(self.rcd if type_.startswith("ac_rcd") else self.board, type_, severity)

    def clear(self, type_: str) -> None:
        self.mend(self.rcd if type_.startswith("ac_rcd") else self.board, type_)

    @property
    def raised(self) -> list[str]:
        """The EVSE's errors, with their sub types."""
        return [
            error.type + (f"/{error.sub_type}" if error.sub_type else "")
            for error in self.world.active_errors(EVSE)
        ]

    @property
    def locked(self) -> bool:
        calls = [entry.name for entry in self.world.recorder.select("call", *LOCK)]
        return bool(calls) and calls[-1] == "lock"
