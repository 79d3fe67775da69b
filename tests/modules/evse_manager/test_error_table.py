"""Each row of the table of errors, from its raise to the power after it, and the page that is made from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import error_table, faults
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.error_table import ROWS, Row, lookup
from evse_daemon.modules.evse_manager.work import Work
from evse_daemon.types.error_lists import ERRORS
from tests.modules.evse_manager.plant import UTC, Plant

PAGE = Path(__file__).parents[3] / "docs" / "errors.md"

NAMESPACES = ("evse_board_support", "ac_rcd", "connector_lock", "powermeter", "evse_manager")

SOURCES = {"evse_board_support": "bsp"}

INOPERATIVE = ("evse_manager/Inoperative", "")


def name_of(row: Row) -> str:
    return f"{row.type}-{row.sub_type}" if row.sub_type else row.type


def source_of(row: Row) -> str:
    namespace = row.type.partition("/")[0]
    return SOURCES.get(namespace, namespace)


class Walk(Plant):
    """A charging EVSE at which one error comes and goes."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        self.said: list[fx.RaiseError] = []
        self.cause = ev.Cause(source_of(row), row.type, row.sub_type, row.severity, "as told")

    def _journal(self, effect: fx.JournalEffect) -> None:
        if isinstance(effect, fx.RaiseError):
            self.said.append(effect)
        super()._journal(effect)

    def _faults(self) -> list[ev.Cause]:
        return [cause for cause in super()._faults() if self.row.blocks]

    def begin(self) -> None:
        if self.cause.source == "evse_manager":
            self._own(
                lambda work: faults.raise_own(work, self.row.type, "as told", sub_type=self.row.sub_type)
            )
        else:
            self.tell(ev.CausesChanged((self.cause,)))

    def end(self) -> None:
        """It clears at its source; what lasts until the car has left has no source that clears it earlier."""
        if self.cause.source != "evse_manager":
            self.tell(ev.CausesChanged(()))
        elif self.row.latch == "none":
            self._own(lambda work: faults.clear_own(work, only=self.row.sub_type))

    def _own(self, act: Any) -> None:
        work = Work(self.config, self.state, ev.Tick(), self.now_s, UTC, "none")
        act(work)
        self.state = work.state
        for effect in work.journal:
            self._journal(effect)
        self.tell(ev.Tick())

    def replug(self) -> None:
        self.tell(ev.CpChanged("A"))
        self.plug_in()
        self.authorize()
        self.tell(ev.CpChanged("C"))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_each_error_is_raised_published_stops_clears_and_resumes(row: Row) -> None:
    walk = Walk(row)
    walk.charge()
    assert walk.power_allowed
    walk.news()

    walk.begin()
    if not row.blocks:
        assert walk.power_allowed
        assert INOPERATIVE not in walk.errors or row.type == INOPERATIVE[0]
        return
    assert not walk.power_allowed, "it stops charging in the same step"
    assert walk.news() == ["StoppingCharging", "ChargingPausedEVSE(Error)"]
    inoperative = walk.said[-1]
    assert inoperative.type == INOPERATIVE[0], "it is published as a cause of Inoperative"
    assert inoperative.message == row.type
    short = row.type.partition("/")[2]
    assert inoperative.description == (f"{short}/{row.sub_type}" if row.sub_type else short)
    if walk.cause.source == "evse_manager":
        assert (walk.said[0].type, walk.said[0].sub_type) == (row.type, row.sub_type)
        assert walk.said[0].severity == row.severity

    walk.end()
    if row.latch == "none":
        assert not walk.errors
        assert walk.power_allowed, "charging goes on by itself"
        assert walk.news() == ["PrepareCharging", "ChargingStarted"]
        return
    assert INOPERATIVE in walk.errors, "it outlasts its cause"
    assert walk.news() == []

    walk.replug()
    if row.latch == "unplug":
        assert not walk.errors
        assert walk.power_allowed, "a car that is plugged in anew charges"
        return
    assert INOPERATIVE in walk.errors, "only the service clears it"
    assert not walk.power_allowed
    assert walk.lock_holds

    walk.tell(ev.CpChanged("A"))
    assert walk.tell(ev.ClearLatched(f"{row.type}/{row.sub_type}" if row.sub_type else row.type)) is True
    assert not walk.errors
    walk.replug()
    assert walk.power_allowed


@pytest.mark.parametrize("row", [r for r in ROWS if r.blocks and r.latch == "none"], ids=name_of)
def test_an_error_that_comes_back_too_often_waits_for_a_replug(row: Row) -> None:
    walk = Walk(row)
    walk.charge()
    for _ in range(row.resumes):
        walk.begin()
        walk.end()
        assert walk.power_allowed
    walk.begin()
    walk.end()
    assert not walk.power_allowed
    assert INOPERATIVE in walk.errors
    walk.replug()
    assert walk.power_allowed
    walk.begin()
    walk.end()
    assert walk.power_allowed, "a new session counts anew"


def test_every_type_of_the_interfaces_has_a_row() -> None:
    types = {f"{namespace}/{name}" for namespace in NAMESPACES for name in ERRORS[namespace]}
    assert {row.type for row in ROWS if not row.sub_type} == types
    assert len({(row.type, row.sub_type) for row in ROWS}) == len(ROWS)


def test_an_error_that_nobody_knows_prevents_charging() -> None:
    plant = Plant()
    plant.charge()
    plant.tell(ev.CausesChanged((ev.Cause("bsp", "evse_board_support/FluxTooLow", "", "Low"),)))
    assert not plant.power_allowed
    assert lookup("evse_board_support/FluxTooLow").remedy


def test_a_vendor_error_with_a_sub_type_is_that_of_its_type() -> None:
    assert lookup("ac_rcd/VendorError", "E17") is lookup("ac_rcd/VendorError")


def test_what_the_other_errors_did_does_not_count_against_one() -> None:
    plant = Plant()
    plant.charge()
    for type_ in ("ac_rcd/DC", "ac_rcd/AC", "ac_rcd/DC", "ac_rcd/AC", "ac_rcd/DC", "ac_rcd/AC"):
        plant.tell(ev.CausesChanged((ev.Cause("ac_rcd", type_, "", "High"),)))
        plant.tell(ev.CausesChanged(()))
        assert plant.power_allowed


def test_an_error_that_clears_before_a_car_came_is_forgotten() -> None:
    plant = Plant()
    plant.boot()
    plant.limit(16.0)
    cause = ev.Cause("ac_rcd", "ac_rcd/Selftest", "", "High")
    plant.tell(ev.CausesChanged((cause,)))
    plant.tell(ev.CausesChanged(()))
    assert not plant.errors


def test_a_pilot_that_flutters_is_an_error_that_comes_back_too_often() -> None:
    """State D without ventilation: the contactor would otherwise follow the car's flutter for ever."""
    plant = Plant()
    plant.charge()
    for _ in range(10):
        plant.tell(ev.CpChanged("D"))
        plant.tell(ev.CpChanged("C"))
    assert plant.board.count(fx.AllowPower(on=True)) == 1 + error_table.RESUMES
    assert not plant.power_allowed


def test_the_page_for_people_is_current() -> None:
    head = "<!-- Made from evse_daemon/modules/evse_manager/error_table.py; EVSE_RENEW_DOCS=1 pytest renews it. -->\n\n"
    intro = (
        "# Errors\n\nWhat prevents charging is named by the error `evse_manager/Inoperative`: its message is the first"
        " cause, its\ndescription all of them. An error that clears lets charging go on by itself a few times in a"
        " session; then it counts\nuntil the car has left. What is to be cleared by hand survives a restart and keeps"
        " the connector locked; the command\nis in [commands.md](commands.md). An error that is not listed prevents"
        " charging.\n\n"
    )
    text = head + intro + error_table.as_markdown()
    if "EVSE_RENEW_DOCS" in os.environ:
        PAGE.write_text(text)
    assert PAGE.read_text() == text
