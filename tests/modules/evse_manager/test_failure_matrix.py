"""The kernel breaks between every two effects of a course, and forgets nothing of what it has to tell and to keep.

A course of charging that is broken is in test_crash_matrix.py; here are errors that last, and reservations.
"""

from __future__ import annotations

import pytest

from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.types.board_support_common import BspEvent
from tests.modules.evse_manager.lives import EVSE, Life, Site
from tests.modules.evse_manager.plant import Grammar
from tests.modules.evse_manager.test_crash_matrix import Doing, seconds, signals

MREC17 = "evse_board_support/MREC17EVSEContactorFault"
STOPS = "evse_board_support/MREC8EmergencyStop"


def reserve(life: Life) -> None:
    life.world.begin((EVSE, "evse"), Interface.reserve, 5)
    life.world.settle()


def cancel(life: Life) -> None:
    life.world.begin((EVSE, "evse"), Interface.cancel_reservation)
    life.world.settle()


def fails(type_: str) -> Doing:
    def fail(life: Life) -> None:
        life.bsp.raise_error(type_, "planted", severity="High")
        life.world.settle()

    return fail


def mends(type_: str) -> Doing:
    def mend(life: Life) -> None:
        life.bsp.clear_error(type_)
        life.world.settle()

    return mend


def welds(life: Life) -> None:
    """The contactor is closed from now on, whatever it is told."""
    life.bsp.handle(EvseBoardSupport.allow_power_on, lambda value: None)
    if not life.closed:
        life.closed = True
        life.bsp.publish(EvseBoardSupport.event, BspEvent(event="PowerOn"))
        life.world.settle()


CHARGING: tuple[Doing, ...] = (
    Life.begin,
    signals("B"),
    Life.authorize,
    seconds(0.1),
    signals("C"),
    seconds(2),
)

COURSES: dict[str, tuple[Doing, ...]] = {
    "reserved and cancelled": (Life.begin, reserve, seconds(0.1), cancel, seconds(0.1)),
    "reserved and used": (
        Life.begin,
        reserve,
        seconds(0.1),
        *CHARGING[1:],
        signals("A"),
        seconds(0.1),
    ),
    "reserved and out of order": (
        Life.begin,
        reserve,
        seconds(0.1),
        fails(STOPS),
        seconds(0.1),
        mends(STOPS),
        seconds(0.1),
    ),
    "an error while charging": (*CHARGING, fails(STOPS), seconds(1), mends(STOPS), seconds(1), signals("A")),
}

LATCHING: dict[str, tuple[Doing, ...]] = {
    "reserved and a worn contactor": (
        Life.begin,
        reserve,
        seconds(0.1),
        fails(MREC17),
        seconds(0.1),
        mends(MREC17),
        seconds(0.1),
    ),
    "a worn contactor": (
        *CHARGING,
        fails(MREC17),
        seconds(0.1),
        mends(MREC17),
        seconds(0.1),
        signals("A"),
    ),
    "a weld": (*CHARGING, welds, signals("B"), seconds(2), signals("A")),
    "a contactor that closes by itself": (Life.begin, welds, seconds(2)),
}

AFTERWARDS: tuple[Doing, ...] = (seconds(30), Life.measure, signals("A"), seconds(31))
"""It has begun anew, and no car is there."""

ANOTHER_CAR: tuple[Doing, ...] = (
    lambda life: life.limit(32.0),
    signals("B"),
    Life.authorize,
    seconds(0.1),
    signals("C"),
    seconds(2),
)


def number_of_effects(course: tuple[Doing, ...]) -> int:
    life = Site().live()
    assert life.runs(*course)
    return len(life.manager.done)


def broken(courses: dict[str, tuple[Doing, ...]]) -> list[tuple[str, int]]:
    return [(name, number) for name in courses for number in range(number_of_effects(courses[name]))]


def breaks(course: tuple[Doing, ...], number: int) -> Life:
    """The kernel broke before this effect, and has begun anew since."""
    life = Site().live()
    life.manager.breaks_at = number
    assert life.runs(*course, *AFTERWARDS)
    return life


def says_what_is(life: Life) -> None:
    """The events are words, and the errors on the bus are those of the kernel."""
    grammar = Grammar()
    for event in life.events:
        grammar.read(event)
    state = life.manager.state
    assert grammar.reserved == state.reserved, "what was told of the reservation is true"
    assert not grammar.session
    raised = {(error.type, error.sub_type) for error in life.world.active_errors((EVSE, "evse"))}
    known = {(cause.type, cause.sub_type) for cause in state.own_errors}
    assert raised == known | ({("evse_manager/Inoperative", "")} if state.inoperative else set())
    assert not life.journal.open_transactions(EVSE)


@pytest.mark.parametrize(("name", "number"), broken(COURSES))
def test_whatever_breaks_the_events_and_errors_are_true_and_the_next_car_charges(
    name: str, number: int
) -> None:
    life = breaks(COURSES[name], number)
    says_what_is(life)
    assert life.world.errors((EVSE, "evse")) == []
    if life.manager.state.reserved:
        cancel(life)
    assert life.runs(*ANOTHER_CAR)
    assert life.closed


@pytest.mark.parametrize(("name", "number"), broken(LATCHING))
def test_whatever_breaks_a_latch_is_told_and_kept_and_there_is_no_power(name: str, number: int) -> None:
    life = breaks(LATCHING[name], number)
    says_what_is(life)
    assert life.journal.settings(EVSE)["latched_errors"]
    assert life.world.errors((EVSE, "evse"))[-1] == "evse_manager/Inoperative"
    before = len(life.names)
    assert life.runs(*ANOTHER_CAR)
    assert "TransactionStarted" not in life.names[before:]
    after = Site()
    after.journal = life.site.journal
    rebooted = after.live()
    assert rebooted.runs(Life.begin)
    assert rebooted.world.errors((EVSE, "evse"))[-1] == "evse_manager/Inoperative"
