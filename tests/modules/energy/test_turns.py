"""Who is served where there is not the least current for all: in turns, and without going to and fro."""

from __future__ import annotations

import datetime as dt

from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.plan import Horizon, Plan, plan
from evse_daemon.modules.energy_manager.turns import REST_S, TURN_S
from evse_daemon.types.energy import EnergyFlowRequest
from tests.modules.energy.requests import NOW, evse, fuse

UTC = dt.datetime.fromisoformat(NOW)


class Course:
    def __init__(self) -> None:
        self.last = Plan()
        self.now_s = 0.0

    def served(self, root: EnergyFlowRequest, after_s: float = 1.0) -> set[str]:
        self.now_s += after_s
        now = UTC + dt.timedelta(seconds=self.now_s)
        self.last = plan(root, self.last.books, now, self.now_s, Terms(), Horizon())
        found = set()
        for each in self.last.enforced:
            current = each.limits_root_side.ac_max_current_A
            assert current is not None
            if current.value > 0:
                found.add(each.uuid)
        return found


def cars(limit_a: float, *states: str) -> EnergyFlowRequest:
    return fuse(
        "grid", limit_a, *(evse(f"evse_{index}", state=state) for index, state in enumerate(states, 1))
    )


def test_who_charges_goes_on_when_another_car_comes() -> None:
    course = Course()
    assert course.served(cars(10, "Unplugged", "Charging")) == {"evse_2"}
    assert course.served(cars(10, "PrepareCharging", "Charging")) == {"evse_2"}


def test_who_waits_comes_when_the_turn_of_the_other_is_over_and_the_other_then_waits() -> None:
    course = Course()
    both = cars(10, "Charging", "PausedEVSE")
    assert course.served(both) == {"evse_1"}
    assert course.served(both, TURN_S - 1) == {"evse_1"}
    course.served(both, 1)  # the reduction comes first
    assert course.served(both, 10) == {"evse_2"}
    assert course.served(both, TURN_S - 11) == {"evse_2"}
    course.served(both, 2)
    assert course.served(both, 12) == {"evse_1"}


def test_a_car_that_wants_nothing_or_is_not_authorized_keeps_nobody_waiting() -> None:
    course = Course()
    assert course.served(cars(10, "PausedEV", "PausedEVSE", "WaitForAuth")) == {"evse_2"}
    assert course.served(cars(10, "WaitForAuth", "PausedEV", "Unplugged"), 60) == {"evse_2"}


def test_a_limit_that_goes_up_and_down_moves_nobody_to_and_fro() -> None:
    course = Course()
    changes, before = 0, course.served(cars(13, "Charging", "Charging"))
    for second in range(600):
        now = course.served(cars(11 if second % 4 < 2 else 13, "Charging", "Charging"))
        assert "evse_1" in now
        changes += now != before
        before = now
    assert changes <= 2 * 600 / REST_S


def test_who_was_displaced_charges_at_once_when_the_other_leaves() -> None:
    course = Course()
    course.served(cars(13, "Charging", "Charging"))
    assert course.served(cars(11, "Charging", "Charging")) == {"evse_1"}
    assert course.served(cars(11, "Charging", "PausedEVSE")) == {"evse_1"}
    assert course.served(cars(11, "Unplugged", "PausedEVSE")) == {"evse_2"}


def test_a_car_that_is_alone_follows_its_limit_at_once() -> None:
    course = Course()
    assert course.served(cars(16, "Charging")) == {"evse_1"}
    assert course.served(cars(5, "Charging")) == set()
    assert course.served(cars(16, "PausedEVSE")) == {"evse_1"}


def test_an_evse_without_a_car_keeps_its_share_for_the_next_but_not_from_a_car() -> None:
    course = Course()
    assert course.served(cars(40, "Charging", "Unplugged")) == {"evse_1", "evse_2"}
    assert course.served(cars(11, "Unplugged", "Charging")) == {"evse_2"}
