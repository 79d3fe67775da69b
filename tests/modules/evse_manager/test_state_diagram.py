"""The declared ways between the charger's states: all are reached, no other is, and the diagram shows them."""

from __future__ import annotations

import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager import state_diagram
from evse_daemon.modules.evse_manager.state import ChargerState, KernelConfig, State
from evse_daemon.modules.evse_manager.transitions import STATES, TRANSITIONS
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.evse_manager import EnableDisableSource
from tests.modules.evse_manager.plant import FAULT, SWITCHES_PHASES, Plant

PAGE = Path(__file__).parents[3] / "docs" / "state-diagrams.md"

Course = Callable[[Plant], None]


def switched(plant: Plant, state: str) -> None:
    source = EnableDisableSource(enable_source="LocalAPI", enable_state=state, enable_priority=1)  # type: ignore[arg-type]
    plant.tell(ev.EnableDisable(0, source))


def starts_disabled(plant: Plant) -> None:
    switched(plant, "Disable")
    plant.boot()
    switched(plant, "Enable")
    switched(plant, "Disable")


def leaves_without_a_card(plant: Plant) -> None:
    plant.boot()
    plant.plug_in()
    plant.tell(ev.CpChanged("A"))


def charges_with_every_pause(plant: Plant) -> None:
    plant.charge()
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.CausesChanged((FAULT,)))
    plant.tell(ev.CausesChanged(()))
    plant.tell(ev.CpChanged("C"))
    plant.tell(ev.Pause())
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.Stop("Local"))
    plant.tell(ev.CpChanged("A"))


def resumes_while_it_stops(plant: Plant) -> None:
    plant.charge()
    plant.tell(ev.Pause())
    plant.tell(ev.Resume())
    plant.advance(7)


def paused_by_the_car_comes_back(plant: Plant) -> None:
    plant.charge()
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.CpChanged("C"))
    plant.tell(ev.CpChanged("B"))
    plant.tell(ev.CpChanged("A"))


def sleeps(plant: Plant) -> None:
    plant.boot()
    plant.limit(16.0)
    plant.plug_in()
    plant.authorize()
    plant.advance(60)


def gives_up_waiting_for_energy(plant: Plant) -> None:
    plant.boot()
    plant.plug_in()
    plant.authorize()
    plant.tell(ev.CpChanged("C"))
    plant.tell(ev.CpChanged("B"))


def stopped_before_power(plant: Plant) -> None:
    plant.boot()
    plant.limit(16.0)
    plant.plug_in()
    plant.authorize()
    plant.tell(ev.Stop("Remote"))


def charges_on_one_phase_then(plant: Plant) -> None:
    plant.charge()
    plant.advance(60.0)
    plant.limit(3000 / 230, phases=1, shared_a=3000 / 230)
    plant.tell(ev.CpChanged("B"))
    plant.advance(plant.config.switch_phases_delay_s)


COURSES: tuple[Course, ...] = (
    starts_disabled,
    leaves_without_a_card,
    charges_with_every_pause,
    resumes_while_it_stops,
    paused_by_the_car_comes_back,
    sleeps,
    gives_up_waiting_for_energy,
    stopped_before_power,
    charges_on_one_phase_then,
)


def test_every_declared_way_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: set[tuple[str, str]] = set()
    enter = Work.enter

    def noted(work: Work, charger: ChargerState) -> None:
        gone.add((work.state.charger, charger))
        enter(work, charger)

    monkeypatch.setattr(Work, "enter", noted)
    for course in COURSES:
        course(Plant(capabilities=SWITCHES_PHASES))
    assert set(TRANSITIONS) - gone == set(), "declared, and no test goes it"


def test_a_way_that_is_not_declared_is_a_fault() -> None:
    work = Work(KernelConfig(), State(charger="Idle"), ev.Tick(), 0.0, "", "")
    with pytest.raises(RuntimeError, match="no way from Idle to Charging"):
        work.enter("Charging")
    assert work.state.charger == "Idle"


def test_every_state_is_described_and_can_be_left_and_reached() -> None:
    assert set(STATES) == set(typing.get_args(ChargerState))
    assert {before for before, _ in TRANSITIONS} == set(STATES)
    assert {after for _, after in TRANSITIONS} == set(STATES) - {"Starting"}


def test_the_diagrams_are_current() -> None:
    assert PAGE.read_text("utf-8") == state_diagram.render(), (
        "python -m evse_daemon.modules.evse_manager.state_diagram > docs/state-diagrams.md"
    )
