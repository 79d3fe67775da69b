"""The options of EVerest's PhyVersoBSP, by the names of its manifest; each connector has the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from drivers.board import messages as m
from drivers.board.gpio import GpioButton, GpioLine, chip_path
from drivers.board.serial_options import SerialLineOptions
from drivers.phy_verso_bsp.codec import CONNECTORS, MOTOR_LOCKS
from evse_daemon.framework.devices import Device, GpioChipLine
from evse_daemon.types.evse_board_support import HardwareCapabilities

MotorLockType = Literal[-1, 1, 2]
Pull = Literal[0, 1, 2]

PULLS: dict[Pull, m.Pull] = {0: "none", 1: "up", 2: "down"}


@dataclass(frozen=True, slots=True)
class Port:
    """What the options say of one connector."""

    setup: m.PortSetup
    capabilities: HardwareCapabilities


class PhyVersoOptions(SerialLineOptions):
    reset_gpio: int = Field(-1, ge=-1, le=1000)
    """Above 0 a line of this computer, reset_gpio_pin of reset_gpio_bank, resets the board; otherwise a message."""
    reset_gpio_bank: int = Field(1, ge=0, le=255)
    """The GPIO chip of the line that resets the board: 1 is gpiochip1."""
    reset_gpio_pin: int = Field(23, ge=0, le=4095)
    """The line's number on that chip; the board is in reset while it is high."""

    conn1_disable_port: bool = False
    """Connector 1 is not used, whatever the other options say of it."""
    conn1_dc: bool = False
    """Connector 1 is for direct current."""
    conn1_has_socket: bool = False
    """Connector 1 is a socket; otherwise a cable that is attached for good."""
    conn1_motor_lock_type: MotorLockType = -1
    """The lock of connector 1: -1 none, 1 one that runs for a time (Hella), 2 one with a potentiometer (Valeo)."""
    conn1_feedback_active_low: bool = True
    """The mirror contact of connector 1 pulls its input down; leave it so for alternating current."""
    conn1_feedback_pull: Pull = 2
    """The resistor at that input, for direct current: 0 none, 1 pull-up, 2 pull-down."""
    conn1_min_current_A_import: int = Field(6, ge=0)
    conn1_max_current_A_import: int = Field(16, ge=0)
    conn1_min_phase_count_import: int = Field(3, ge=1, le=3)
    conn1_max_phase_count_import: int = Field(3, ge=1, le=3)
    conn1_min_current_A_export: int = Field(0, ge=0, le=63)
    conn1_max_current_A_export: int = Field(0, ge=0, le=63)
    conn1_min_phase_count_export: int = Field(3, ge=1, le=3)
    conn1_max_phase_count_export: int = Field(3, ge=1, le=3)
    conn1_gpio_stop_button_enabled: bool = False
    """A button on a line of this computer ends the transaction at connector 1."""
    conn1_gpio_stop_button_bank: str = "gpiochip1"
    """The GPIO chip of that button."""
    conn1_gpio_stop_button_pin: int = Field(36, ge=0, le=4095)
    """The button's line on that chip; it is pressed while the line is high."""
    conn1_gpio_stop_button_invert: bool = False
    """It is pressed while the line is low."""

    conn2_disable_port: bool = False
    """Connector 2 is not used, whatever the other options say of it."""
    conn2_dc: bool = False
    """Connector 2 is for direct current."""
    conn2_has_socket: bool = False
    """Connector 2 is a socket; otherwise a cable that is attached for good."""
    conn2_motor_lock_type: MotorLockType = -1
    """The lock of connector 2: -1 none, 1 one that runs for a time (Hella), 2 one with a potentiometer (Valeo)."""
    conn2_feedback_active_low: bool = True
    """The mirror contact of connector 2 pulls its input down; leave it so for alternating current."""
    conn2_feedback_pull: Pull = 2
    """The resistor at that input, for direct current: 0 none, 1 pull-up, 2 pull-down."""
    conn2_min_current_A_import: int = Field(6, ge=0)
    conn2_max_current_A_import: int = Field(16, ge=0)
    conn2_min_phase_count_import: int = Field(3, ge=1, le=3)
    conn2_max_phase_count_import: int = Field(3, ge=1, le=3)
    conn2_min_current_A_export: int = Field(0, ge=0, le=63)
    conn2_max_current_A_export: int = Field(0, ge=0, le=63)
    conn2_min_phase_count_export: int = Field(3, ge=1, le=3)
    conn2_max_phase_count_export: int = Field(3, ge=1, le=3)
    conn2_gpio_stop_button_enabled: bool = False
    """A button on a line of this computer ends the transaction at connector 2."""
    conn2_gpio_stop_button_bank: str = "gpiochip1"
    """The GPIO chip of that button."""
    conn2_gpio_stop_button_pin: int = Field(37, ge=0, le=4095)
    """The button's line on that chip; it is pressed while the line is high."""
    conn2_gpio_stop_button_invert: bool = False
    """It is pressed while the line is low."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if all(self._of(number, "disable_port") for number in CONNECTORS):
            raise ValueError(
                "conn1_disable_port and conn2_disable_port: one connector at least has to be used"
            )
        for number in CONNECTORS:
            for name in ("current_A_import", "phase_count_import", "current_A_export", "phase_count_export"):
                if self._of(number, f"min_{name}") > self._of(number, f"max_{name}"):
                    raise ValueError(f"conn{number}_min_{name} is more than conn{number}_max_{name}")
            port = self.port(number).setup
            if port.type == "AC" and port.has_socket and port.lock == "none":
                raise ValueError(
                    f"conn{number}_has_socket: a socket for alternating current needs a lock, so set "
                    f"conn{number}_motor_lock_type"
                )
        return self

    def advice(self) -> Iterator[tuple[str, str, str]]:
        if self.reset_gpio <= 0:
            yield from self.without_reset_line("reset_gpio", "wire its reset and set reset_gpio above 0, or ")
        for number in CONNECTORS:
            if self._of(number, "disable_port") and self._of(number, "dc"):
                yield f"conn{number}_dc", "it has no effect: the port is disabled", f"remove conn{number}_dc"

    def devices(self) -> Iterator[Device]:
        yield from super().devices()
        if self.reset_gpio > 0:
            chip = chip_path(f"gpiochip{self.reset_gpio_bank}")
            yield GpioChipLine("reset_gpio_bank", chip, self.reset_gpio_pin)
        for number in CONNECTORS:
            if self._of(number, "gpio_stop_button_enabled"):
                option = f"conn{number}_gpio_stop_button_bank"
                chip = chip_path(self._of(number, "gpio_stop_button_bank"))
                yield GpioChipLine(option, chip, self._of(number, "gpio_stop_button_pin"))

    def reset_pin(self) -> GpioLine | None:
        """The line, where one is configured; raises OSError where it cannot be had."""
        if self.reset_gpio <= 0:
            return None
        return GpioLine(f"gpiochip{self.reset_gpio_bank}", self.reset_gpio_pin, active_low=False)

    def stop_button(self, number: int) -> GpioButton | None:
        """That of connector 1 or 2, where there is one; raises OSError where its line cannot be had."""
        if not self._of(number, "gpio_stop_button_enabled"):
            return None
        return GpioButton(
            self._of(number, "gpio_stop_button_bank"),
            self._of(number, "gpio_stop_button_pin"),
            active_low=self._of(number, "gpio_stop_button_invert"),
        )

    def port(self, number: int) -> Port:
        """What the options say of connector 1 or 2."""
        port_type: m.PortType = "DC" if self._of(number, "dc") else "AC"
        setup = m.PortSetup(
            type="disabled" if self._of(number, "disable_port") else port_type,
            feedback_active_low=self._of(number, "feedback_active_low"),
            feedback_pull=PULLS[self._of(number, "feedback_pull")],
            lock=MOTOR_LOCKS[self._of(number, "motor_lock_type")],
            has_socket=self._of(number, "has_socket"),
        )
        return Port(setup, self._capabilities(number))

    def _capabilities(self, number: int) -> HardwareCapabilities:
        return HardwareCapabilities(
            min_current_A_import=self._of(number, "min_current_A_import"),
            max_current_A_import=self._of(number, "max_current_A_import"),
            min_phase_count_import=self._of(number, "min_phase_count_import"),
            max_phase_count_import=self._of(number, "max_phase_count_import"),
            min_current_A_export=self._of(number, "min_current_A_export"),
            max_current_A_export=self._of(number, "max_current_A_export"),
            min_phase_count_export=self._of(number, "min_phase_count_export"),
            max_phase_count_export=self._of(number, "max_phase_count_export"),
            supports_changing_phases_during_charging=False,
            supports_cp_state_E=False,
            connector_type="IEC62196Type2Socket" if self._of(number, "has_socket") else "IEC62196Type2Cable",
        )

    def _of(self, number: int, name: str) -> Any:
        return getattr(self, f"conn{number}_{name}")
