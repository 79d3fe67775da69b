"""Whether reservations can be kept, against trying every order in which the cars may come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.modules.auth.reservation_table import ANY, Offer, can_all_come, suits
from evse_daemon.types.evse_manager import ConnectorTypeEnum

TYPE2: ConnectorTypeEnum = "cType2"
CCS: ConnectorTypeEnum = "cCCS2"
CHADEMO: ConnectorTypeEnum = "cG105"

kinds = st.sampled_from([ANY, TYPE2, CCS, CHADEMO])
offers = st.frozensets(kinds, max_size=2)


def comes(order: tuple[ConnectorTypeEnum, ...], free: tuple[Offer, ...]) -> bool:
    """Each car finds an EVSE, whichever its forerunners took."""
    if not order:
        return True
    fitting = [place for place, offer in enumerate(free) if suits(offer, order[0])]
    return bool(fitting) and all(comes(order[1:], free[:place] + free[place + 1 :]) for place in fitting)


@given(st.lists(kinds, max_size=4), st.lists(offers, max_size=4))
def test_reservations_can_be_kept_if_every_order_of_arrival_finds_its_evses(
    cars: list[ConnectorTypeEnum], free: list[Offer]
) -> None:
    tried = all(comes(order, tuple(free)) for order in itertools.permutations(cars))
    assert can_all_come(cars, free) == tried


@pytest.mark.parametrize(
    ("cars", "free", "kept"),
    [
        ([], [], True),
        ([ANY], [], False),
        ([TYPE2], [{TYPE2}], True),
        ([TYPE2], [{CCS}], False),
        ([TYPE2], [{ANY}], True),
        ([TYPE2], [set()], False),
        ([ANY, ANY], [{TYPE2}, {CCS}], True),
        ([ANY, ANY, ANY], [{TYPE2}, {CCS}], False),
        # The car that takes any may take the only one with Type 2.
        ([TYPE2, ANY], [{TYPE2}, {CCS}], False),
        # The CCS car may take the EVSE with both.
        ([TYPE2, CCS], [{TYPE2, CCS}, {CCS}], False),
        ([TYPE2, CCS], [{TYPE2, CCS}, {TYPE2, CCS}], True),
        ([TYPE2, CCS], [{TYPE2}, {CCS}], True),
        ([TYPE2, TYPE2, CCS], [{TYPE2}, {TYPE2}, {CCS}], True),
    ],
)
def test_which_reservations_go_together(
    cars: list[ConnectorTypeEnum], free: list[set[ConnectorTypeEnum]], kept: bool
) -> None:
    assert can_all_come(cars, [frozenset(offer) for offer in free]) == kept


def test_a_hundred_reservations_of_a_hundred_evses_are_judged_at_once() -> None:
    free = [frozenset({TYPE2, CCS}), frozenset({CCS, CHADEMO}), frozenset({ANY})] * 40
    assert can_all_come([TYPE2, CCS, CHADEMO, ANY] * 19, free)
    assert not can_all_come([TYPE2, CCS, CHADEMO, ANY] * 21, free)
