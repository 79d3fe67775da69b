"""Options of boards on CAN; docs/can.md states the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from drivers.board.module import BoardOptions
from drivers.link.can_bus import SILENCE_S, CanBus, CanSettings, devices_of
from drivers.link.isotp_link import TO_BOARD, TO_HOST, IsoTpIds, IsoTpLink
from evse_daemon.framework.devices import Device

StandardId = Annotated[int, Field(ge=0x001, le=0x7EF)]
"""An 11-bit identifier; those above are the diagnostics' of ISO 15765-4 and reserved ones of older controllers."""


class CanOptions(BoardOptions):
    can_device: str = "can0"
    """The bus: of socketcan its network interface, of slcan its serial port."""
    can_interface: str = "socketcan"
    """How the bus is reached, in python-can's words: socketcan, slcan …"""
    can_bitrate: Annotated[int, Field(gt=0)] = 500_000
    """bit/s; without effect on socketcan, where ``ip link`` sets it."""
    can_id_to_board: StandardId = TO_BOARD
    """Of the frames that the board receives; lower than the other, so that commands win the bus."""
    can_id_to_host: StandardId = TO_HOST
    """Of the frames that the board sends."""

    @field_validator("can_id_to_host")
    @classmethod
    def _is_another(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("can_id_to_board"):
            raise ValueError("is can_id_to_board too: each direction has its own")
        return value

    def advice(self) -> Iterable[tuple[str, str, str]]:
        return self.without_reset_line("can_device", "")

    def devices(self) -> Iterable[Device]:
        return devices_of(self.can_interface, self.can_device, self.can_bitrate)

    def link(self, log: Any) -> IsoTpLink:
        ids = IsoTpIds(self.can_id_to_board, self.can_id_to_host)
        settings = CanSettings(
            self.can_interface,
            self.can_device,
            self.can_bitrate,
            SILENCE_S,
            ids.filters(receives=ids.to_host),
        )
        return IsoTpLink(CanBus(settings, log), sends=ids.to_board, receives=ids.to_host, log=log)
