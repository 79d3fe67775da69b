"""The kernel breaks between every two effects of a course, and forgets nothing of what it has to tell and to keep.

A course of charging that is broken is in test_crash_matrix.py; here are errors that last, and reservations.
"""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.evse_manager.service import CLEAR_LATCHED_ERROR
from evse_daemon.mqtt.topics import service_command
from evse_daemon.station import END_S
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.energy import EnforcedLimits, IntegerWithSource, LimitsRes, NumberWithSource
from tests.modules.evse_manager.lives import EVSE, Life, Site
from tests.modules.evse_manager.plant import SWITCHES_PHASES, Grammar
from tests.modules.evse_manager.rig import source
from tests.modules.evse_manager.test_crash_matrix import Doing, grammar_of_all_lives, seconds, signals
from tests.modules.evse_manager.test_station_ends import Ending

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


def asks_to(state: Any) -> Doing:
    def ask(life: Life) -> None:
        entry = source("LocalAPI", state)
        life.world.begin((EVSE, "evse"), Interface.enable_disable, connector_id=1, cmd_source=entry)
        life.world.settle()

    return ask


def clears(life: Life) -> None:
    """The technician's command."""
    topic = service_command(life.manager.context.station, EVSE, CLEAR_LATCHED_ERROR)
    life.world.send(topic, MREC17)


def may_use_phases(count: int) -> Doing:
    def limit(life: Life) -> None:
        limits = LimitsRes(
            ac_max_current_A=NumberWithSource(value=16.0, source="test"),
            ac_max_phase_count=IntegerWithSource(value=count, source="test"),
        )
        value = EnforcedLimits(uuid=EVSE, valid_for=100_000, limits_root_side=limits, schedule=[])
        life.world.begin((EVSE, "energy_grid"), Energy.enforce_limits, value=value)
        life.world.settle()

    return limit


def switches_phases(life: Life) -> None:
    """What the board can."""
    life.bsp.publish(EvseBoardSupport.capabilities, SWITCHES_PHASES)
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
    "disabled and enabled": (
        *CHARGING,
        asks_to("Disable"),
        seconds(1),
        asks_to("Enable"),
        seconds(1),
        signals("A"),
    ),
    "cleared by the service": (
        Life.begin,
        fails(MREC17),
        seconds(0.1),
        mends(MREC17),
        seconds(0.1),
        clears,
        seconds(1),
    ),
    "phases switched": (
        Life.begin,
        switches_phases,
        may_use_phases(3),
        *CHARGING[1:],
        may_use_phases(1),
        signals("B"),
        seconds(12),
        signals("C"),
        seconds(6),
        signals("A"),
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


def effects_while_it_ends() -> list[int]:
    life = Site().live()
    assert life.runs(*CHARGING)
    before = len(life.manager.done)
    Ending(life)
    assert life.runs(seconds(END_S))
    return list(range(before, len(life.manager.done)))


@pytest.mark.parametrize("second", [None, 1, 3])
@pytest.mark.parametrize("number", effects_while_it_ends())
def test_whatever_breaks_once_or_twice_while_it_ends_it_ends(number: int, second: int | None) -> None:
    def breaks_again(life: Life) -> None:
        if second is not None and life.manager.breaks_at is None:
            life.manager.breaks_at = len(life.manager.done) + second

    site = Site()
    life = site.live()
    assert life.runs(*CHARGING)
    life.manager.breaks_at = number
    ending = Ending(life)
    assert life.runs(seconds(0.1), breaks_again, seconds(END_S))
    assert ending.times == 1
    assert ending.took_s < END_S
    assert not life.closed
    assert site.live().runs(*CHARGING, signals("A"), seconds(1))
    grammar_of_all_lives(site)
    assert not site.journal.open_transactions(EVSE)
