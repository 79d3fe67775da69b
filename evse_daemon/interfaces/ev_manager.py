"""EVerest's interface ``ev_manager``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, var
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_manager import EVInfo


class EvManager(Interface, name="ev_manager", errors=("evse_manager",)):
    """The car's side of charging."""

    bsp_event: Var[BspEvent] = var(Kind.EVENT)
    ev_info: Var[EVInfo] = var(Kind.TELEMETRY)
