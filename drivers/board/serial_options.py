"""Options of boards on a serial line, by the names of EVerest's manifests."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from drivers.board.gpio import GpioLine, chip_path
from drivers.board.module import BoardOptions
from drivers.link.serial_link import SerialLink
from evse_daemon.framework.devices import Device, GpioChipLine, SerialDevice


class SerialLineOptions(BoardOptions):
    serial_port: str = "/dev/ttyUSB0"
    """The serial port; a path below /dev/serial/by-id stays the same whatever else is plugged in."""
    baud_rate: int = Field(115200, ge=9600, le=230400)
    """Bits per second; boards of this family come with 115200."""

    def devices(self) -> Iterator[Device]:
        yield SerialDevice("serial_port", self.serial_port)

    def link(self) -> SerialLink:
        return SerialLink(self.serial_port, self.baud_rate)


class SerialOptions(SerialLineOptions):
    reset_gpio_chip: str = "gpiochip0"
    """The chip of the line that resets the board; empty: a message resets it."""
    reset_gpio: int = Field(27, ge=0, le=4095)
    """The line's number on that chip."""

    def advice(self) -> Iterator[tuple[str, str, str]]:
        if not self.reset_gpio_chip:
            yield from self.without_reset_line("reset_gpio_chip", "wire its reset, or ")

    def devices(self) -> Iterator[Device]:
        yield from super().devices()
        if self.reset_gpio_chip:
            yield GpioChipLine("reset_gpio_chip", chip_path(self.reset_gpio_chip), self.reset_gpio)

    def reset_pin(self, *, active_low: bool) -> GpioLine | None:
        """The line, where one is configured; raises OSError where it cannot be had."""
        if not self.reset_gpio_chip:
            return None
        return GpioLine(self.reset_gpio_chip, self.reset_gpio, active_low=active_low)
