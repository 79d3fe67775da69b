"""Reservations by themselves: for whom one is, and whether all of them can be kept.

A reservation is for one EVSE, or for any that has a connector of its type (of whatever type where it names none). Those
for any are kept as EVerest keeps them (ReservationHandler.cpp, ``can_virtual_car_arrive``): in whichever order their
cars come, and whichever fitting EVSE each of them takes, the next one must find an EVSE too.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from evse_daemon.types.evse_manager import ConnectorTypeEnum
from evse_daemon.types.reservation import Reservation

ANY: ConnectorTypeEnum = "Unknown"
"""The type of a connector that may be any, and of a reservation that names none (types/evse_manager.yaml)."""

Offer = frozenset[ConnectorTypeEnum]
"""The types of the connectors that an EVSE has in service."""


@dataclass(frozen=True, slots=True)
class Held:
    """A reservation."""

    request: Reservation
    evse_id: int | None
    """The EVSE that it is for; None: any."""
    ends_utc_s: float
    """When it expires, in seconds since 1970; an absolute time, as the driver was told it."""
    ticket: int | None = None
    """Of the reserve_now that waits for its EVSE's answer."""
    answer_due_s: float | None = None
    """When that answer must be there."""

    @property
    def reservation_id(self) -> int:
        return self.request.reservation_id

    @property
    def kind(self) -> ConnectorTypeEnum:
        return self.request.connector_type or ANY


def moment_s(time: str) -> float:
    """A point in time in RFC 3339 as seconds since 1970."""
    return dt.datetime.fromisoformat(time).timestamp()


def is_for(held: Held, token: str, parent: str | None) -> bool:
    """Whether a token, or its group, has the reservation; case does not count."""
    if held.request.id_token.casefold() == token.casefold():
        return True
    group = held.request.parent_id_token
    return parent is not None and group is not None and group.casefold() == parent.casefold()


def suits(offer: Collection[ConnectorTypeEnum], kind: ConnectorTypeEnum) -> bool:
    """Whether a car that needs a kind of connector finds it among those that are offered."""
    return bool(offer) and (kind == ANY or ANY in offer or kind in offer)


def can_all_come(kinds: Sequence[ConnectorTypeEnum], offers: Sequence[Offer]) -> bool:
    """Whether each of some cars finds an EVSE, in any order, whatever the others have taken.

    Args:
        kinds: the connector that each car needs.
        offers: what each vacant EVSE offers.
    """
    cars = Counter(kinds)
    return all(
        not _can_take_all([offer for offer in offers if suits(offer, kind)], cars - Counter([kind]))
        for kind in cars
    )


def _can_take_all(offers: Sequence[Offer], cars: Counter[ConnectorTypeEnum]) -> bool:
    """Whether cars can take every one of some EVSEs, so that one more finds none (a matching by augmenting paths)."""
    if cars.total() < len(offers):
        return False
    taken: dict[ConnectorTypeEnum, list[int]] = {kind: [] for kind in cars}

    def take(place: int, tried: set[ConnectorTypeEnum]) -> bool:
        for kind in cars:
            if kind in tried or not suits(offers[place], kind):
                continue
            tried.add(kind)
            if len(taken[kind]) < cars[kind]:
                taken[kind].append(place)
                return True
            for position, other in enumerate(taken[kind]):
                if take(other, tried):
                    taken[kind][position] = place
                    return True
        return False

    return all(take(place, set()) for place in range(len(offers)))
