"""An EvseManager among fakes of its board and lock, in virtual time: for what its module does around the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from evse_daemon.framework.interface import Command
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.energy import (
    EnergyFlowRequest,
    EnforcedLimits,
    LimitsRes,
    NumberWithSource,
)
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff
from evse_daemon.types.evse_manager import EnableDisableSource, SessionEvent
from tests.modules.evse_manager.plant import ACCEPTED, CAPABILITIES, TOKEN
from tests.support.harness import World

P = ParamSpec("P")
R = TypeVar("R")

EVSE = ("evse", "evse")
GRID = ("evse", "energy_grid")
DELAY = ("evse", "random_delay")


def source(who: Any, state: Any, priority: int = 100) -> EnableDisableSource:
    return EnableDisableSource(enable_source=who, enable_state=state, enable_priority=priority)


class Rig:
    """One EVSE; the fakes do what they are told, the contactor at once.

    Args:
        options: of the EvseManager.
        stored: what a run before this one has left.
        car: the pilot state when it starts.
        failed: told of exceptions that leave a handler; without it the test fails.
    """

    def __init__(
        self,
        options: Mapping[str, Any] | None = None,
        stored: MemoryJournal | None = None,
        car: Any = "A",
        capabilities: HardwareCapabilities = CAPABILITIES,
        failed: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self.world = World(stored=stored) if failed is None else World(stored=stored, failed=failed)
        self.car = car
        self._closed = False
        self.board = self.world.fake("board", board_support=EvseBoardSupport)["board_support"]
        self.lock = self.world.fake("lock", connector_lock=ConnectorLock)["connector_lock"]
        self.board.handle(EvseBoardSupport.enable, self._enable)
        self.board.handle(EvseBoardSupport.allow_power_on, self._power)
        self.evse = self.world.add(
            EvseManager,
            "evse",
            {"connector_id": 1, **(options or {})},
            connections={
                "bsp": [("board", "board_support")],
                "connector_lock": [("lock", "connector_lock")],
            },
        )
        self._capabilities = capabilities

    def start(self) -> Rig:
        self.world.start()
        self.board.publish(EvseBoardSupport.capabilities, self._capabilities)
        self.world.settle()
        return self

    def _enable(self, value: bool) -> None:
        if value:
            self.pilot(self.car, settle=False)

    def _power(self, value: PowerOnOff) -> None:
        if value.allow_power_on != self._closed:
            self._closed = value.allow_power_on
            event: Any = "PowerOn" if self._closed else "PowerOff"
            self.board.publish(EvseBoardSupport.event, BspEvent(event=event))

    def pilot(self, state: Any, *, settle: bool = True) -> None:
        """The car and the board bring the pilot to this state."""
        self.car = state
        self.board.publish(EvseBoardSupport.event, BspEvent(event=state))
        if settle:
            self.world.settle()

    def limit(self, current_a: float, who: str = "tariff", valid_for: int = 10, **more: Any) -> None:
        """The energy management enforces a current; ``who`` is the source that it names."""
        limits = LimitsRes(ac_max_current_A=NumberWithSource(value=current_a, source=who), **more)
        value = EnforcedLimits(uuid="evse", valid_for=valid_for, limits_root_side=limits, schedule=[])
        self.world.call(GRID, Energy.enforce_limits, value)

    def call(self, command: Command[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A command of the interface evse_manager."""
        return self.world.call(EVSE, command, *args, **kwargs)

    def charge(self, current_a: float = 32.0) -> None:
        """From an idle EVSE to a car that charges."""
        self.limit(current_a, valid_for=100_000)
        self.pilot("B")
        self.call(Interface.authorize_response, TOKEN, ACCEPTED)
        self.pilot("C")
        assert self.evse.state.charger == "Charging"

    @property
    def events(self) -> list[SessionEvent]:
        return self.world.published(EVSE, Interface.session_event)

    @property
    def names(self) -> list[str]:
        found = []
        for event in self.events:
            reasons = event.charging_paused_evse.reasons if event.charging_paused_evse else None
            found.append(f"{event.event}({','.join(reasons)})" if reasons else event.event)
        return found

    @property
    def request(self) -> EnergyFlowRequest:
        """The newest energy request."""
        return self.world.published(GRID, Energy.energy_flow_request)[-1]

    @property
    def duties(self) -> list[float]:
        """The duty cycles in percent that the board was told, without those that change nothing."""
        return [
            call["value"] for call in self.world.calls(("board", "board_support"), EvseBoardSupport.pwm_on)
        ]

    def currents(self) -> list[float]:
        """What the variable ``limits`` has told, without repetitions."""
        told = [limits.max_current for limits in self.world.published(EVSE, Interface.limits)]
        return [value for index, value in enumerate(told) if index == 0 or value != told[index - 1]]
