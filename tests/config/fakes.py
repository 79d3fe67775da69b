"""Small module classes to hold configurations against."""

from typing import Literal

from pydantic import Field

from evse_daemon.framework.interface import Interface
from evse_daemon.framework.module import (
    Module,
    ModuleOptions,
    Provides,
    Requires,
    RequiresMany,
    RequiresOptional,
    unsupported,
)


class BoardInterface(Interface, name="evse_board_support"):
    pass


class MeterInterface(Interface, name="powermeter"):
    pass


class EvseInterface(Interface, name="evse_manager"):
    pass


class Board(Module):
    class Options(ModuleOptions):
        connector_id: int
        serial: str = "none"
        voltage: float = Field(230.0, ge=99, le=500)

    class MeterOptions(ModuleOptions):
        interval: float = 1.0

    board_support = Provides(BoardInterface)
    meter_import = Provides(MeterInterface, MeterOptions)
    meter_export = Provides(MeterInterface)


class Evse(Module):
    class Options(ModuleOptions):
        connector_id: int
        charge_mode: Literal["AC", "DC"] = "AC"
        has_ventilation: bool = True
        evse_id: str = "DE*PNX*E1"
        hack_offset: int = unsupported(0)

    evse = Provides(EvseInterface)
    bsp = Requires(BoardInterface)
    meter = RequiresOptional(MeterInterface)


class Api(Module):
    evse_manager = RequiresMany(EvseInterface, 1, 2)


CLASSES: dict[str, type[Module]] = {"Board": Board, "Evse": Evse, "Api": Api}
