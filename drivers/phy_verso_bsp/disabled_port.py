"""A connector that the configuration says is not used: it can do what it could, and takes no command that asks for it."""

from __future__ import annotations

from typing import NoReturn

from drivers.board.connector import Implementations, refuse_state_e
from evse_daemon.framework.calls import RejectedError
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.evse_board_support import HardwareCapabilities, PowerOnOff


class DisabledPort:
    """Accepts what leaves it off, and refuses the rest.

    Args:
        number: of the connector.
        implementations: what it is on the bus.
        capabilities: what the configuration says; an EvseManager waits for them.
    """

    def __init__(
        self, number: int, implementations: Implementations, capabilities: HardwareCapabilities
    ) -> None:
        self._number = number
        self._on_bus = implementations
        self._capabilities = capabilities

    def handle_commands(self) -> None:
        support, rcd, lock = self._on_bus.board_support, self._on_bus.rcd, self._on_bus.connector_lock
        support.handle(EvseBoardSupport.enable, lambda value: None)  # noqa: ARG005 - named by the interface
        support.handle(EvseBoardSupport.pwm_on, lambda value: self._refuse())  # noqa: ARG005 - as above
        support.handle(EvseBoardSupport.cp_state_X1, lambda: None)
        support.handle(EvseBoardSupport.cp_state_F, lambda: None)
        support.handle(EvseBoardSupport.cp_state_E, refuse_state_e)
        support.handle(EvseBoardSupport.allow_power_on, self._allow_power_on)
        support.handle(
            EvseBoardSupport.ac_switch_three_phases_while_charging,
            lambda value: self._refuse(),  # noqa: ARG005 - as above
        )
        support.handle(EvseBoardSupport.ac_set_overcurrent_limit_A, lambda value: None)  # noqa: ARG005 - as above
        rcd.handle(AcRcd.self_test, self._refuse)
        rcd.handle(AcRcd.reset, lambda: False)
        lock.handle(ConnectorLock.lock, self._refuse)
        lock.handle(ConnectorLock.unlock, lambda: None)

    def tell(self) -> None:
        """Publishes what the interface demands of everyone."""
        self._on_bus.board_support.publish(EvseBoardSupport.capabilities, self._capabilities)

    def _allow_power_on(self, value: PowerOnOff) -> None:
        if value.allow_power_on:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise RejectedError(f"connector {self._number} is not used (conn{self._number}_disable_port)")
