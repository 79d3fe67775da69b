"""Reservations of an EVSE for a token."""

from __future__ import annotations

from typing import Literal

from evse_daemon.types.base import EverestType, Integer, Timestamp
from evse_daemon.types.evse_manager import ConnectorTypeEnum

ReservationResult = Literal["Accepted", "Faulted", "Occupied", "Rejected", "Unavailable"]


class Reservation(EverestType):
    reservation_id: Integer
    id_token: str
    expiry_time: Timestamp
    evse_id: Integer | None = None
    parent_id_token: str | None = None
    connector_type: ConnectorTypeEnum | None = None


ReservationEndReason = Literal[
    "Expired", "Cancelled", "UsedToStartCharging", "GlobalReservationRequirementDropped"
]


class ReservationEnd(EverestType):
    reason: ReservationEndReason
    reservation_id: Integer


ReservationCheckStatus = Literal[
    "NotReserved", "ReservedForToken", "ReservedForOtherToken", "ReservedForOtherTokenAndHasParentToken"
]
"""…AndHasParentToken: another token holds it, and its parent token may match."""


class ReservationCheck(EverestType):
    id_token: str
    evse_id: Integer | None = None
    group_id_token: str | None = None


ReservationStatus = Literal["Expired", "Removed", "Placed", "Cancelled", "Used"]


class ReservationUpdateStatus(EverestType):
    reservation_id: Integer
    reservation_status: ReservationStatus
