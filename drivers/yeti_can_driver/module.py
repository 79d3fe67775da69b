"""A board that speaks the Yeti's messages over CAN (ISO-TP); EVerest has none."""

from __future__ import annotations

from drivers.board.can_options import CanOptions
from drivers.link.link import Link
from drivers.yeti.board import YetiBoard, YetiOptions
from evse_daemon.framework.module import Context


class YetiCanDriver(YetiBoard):
    """See drivers/board for what it does, docs/can.md for the wire."""

    class Options(CanOptions, YetiOptions):
        """The bus's, and those of any board."""

    def __init__(self, context: Context) -> None:
        assert isinstance(context.options, YetiCanDriver.Options)
        self.options = context.options
        super().__init__(context)

    def make_link(self) -> Link:
        return self.options.link(self.log)
