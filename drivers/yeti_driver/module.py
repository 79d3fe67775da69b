"""EVerest's YetiDriver: a Yeti board on a serial line."""

from __future__ import annotations

from drivers.board.gpio import ResetPin
from drivers.board.serial_options import SerialOptions
from drivers.link.link import Link
from drivers.yeti.board import YetiBoard, YetiOptions
from evse_daemon.framework.module import Context


class YetiDriver(YetiBoard):
    """The driver of a Yeti board on a serial line; docs/hardware.md says what it needs."""

    class Options(SerialOptions, YetiOptions):
        """EVerest's, and those of any board."""

    def __init__(self, context: Context) -> None:
        assert isinstance(context.options, YetiDriver.Options)
        self.options = context.options
        super().__init__(context)

    def make_link(self) -> Link:
        return self.options.link()

    def make_reset_pin(self) -> ResetPin | None:
        return self.options.reset_pin(active_low=True)
