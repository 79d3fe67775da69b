"""EVerest's interface ``reservation``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types import reservation as reservation_types
from evse_daemon.types.base import Integer
from evse_daemon.types.reservation import (
    ReservationCheck,
    ReservationCheckStatus,
    ReservationResult,
    ReservationUpdateStatus,
)


class Reservation(Interface, name="reservation"):
    """Reservations of EVSEs."""

    reservation_update: Var[ReservationUpdateStatus] = var(Kind.EVENT)

    @command(timeout_s=10)
    def reserve_now(self, request: reservation_types.Reservation) -> ReservationResult:
        """Reserves an EVSE, or any where none is named."""

    @command(timeout_s=10)
    def cancel_reservation(self, reservation_id: Integer) -> bool:
        """Ends a reservation; false where there was none."""

    @command(timeout_s=10)
    def exists_reservation(self, request: ReservationCheck) -> ReservationCheckStatus:
        """Whether the EVSE is reserved, and for whom."""
