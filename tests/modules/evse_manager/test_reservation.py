"""Reservations as Auth makes them (reference evse-manager.md §9.1a, rows 40-43)."""

from __future__ import annotations

from dataclasses import replace

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.types.evse_manager import SessionEvent
from tests.modules.evse_manager.plant import ACCEPTED, FAULT, TOKEN, UTC, Plant
from tests.modules.evse_manager.rig import source


def accepted(reservation_id: int | None) -> ev.Authorize:
    return ev.Authorize(TOKEN, ACCEPTED.model_copy(update={"reservation_id": reservation_id}))


def idle() -> Plant:
    plant = Plant()
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.limit(32.0)
    plant.news()
    return plant


def found(plant: Plant, name: str) -> SessionEvent:
    return next(event for event in reversed(plant.events) if event.event == name)


def ids(plant: Plant) -> dict[str, int | None]:
    """Which reservation the newest SessionStarted and TransactionStarted name."""
    started, transaction = found(plant, "SessionStarted"), found(plant, "TransactionStarted")
    assert started.session_started is not None
    assert transaction.transaction_started is not None
    return {
        "session": started.session_started.reservation_id,
        "transaction": transaction.transaction_started.reservation_id,
    }


def test_row_40_reserved_then_plugged_in_first() -> None:
    plant = idle()
    assert plant.tell(ev.Reserve(7)) is True
    start = plant.events[-1]
    assert (start.event, start.uuid, start.timestamp) == ("ReservationStart", "", UTC)
    assert plant.tell(ev.Reserve(7)) is True, "the same again"
    assert plant.tell(ev.Reserve(8)) is False
    assert plant.tell(ev.Reserve(-1)) is False
    plant.plug_in()
    plant.tell(accepted(7))
    assert plant.news() == [
        "ReservationStart",
        "SessionStarted(EVConnected)",
        "AuthRequired",
        "Authorized",
        "TransactionStarted",
        "PrepareCharging",
    ]
    assert ids(plant) == {"session": 7, "transaction": 7}
    plant.tell(ev.CpChanged("A"))
    assert "ReservationEnd" not in plant.names, "used up without a word"
    assert plant.tell(ev.Reserve(8)) is True


def test_row_41_reserved_then_authorized_first() -> None:
    plant = idle()
    plant.tell(ev.Reserve(8))
    plant.tell(accepted(8))
    plant.plug_in()
    assert plant.news() == [
        "ReservationStart",
        "SessionStarted(Authorized)",
        "Authorized",
        "AuthRequired",
        "TransactionStarted",
        "PrepareCharging",
    ]
    assert ids(plant) == {"session": 8, "transaction": 8}


def test_row_42_reserved_for_several_and_plugged_in_first() -> None:
    """EVerest tells -1 here and forgets the id that the authorization names."""
    plant = idle()
    assert plant.tell(ev.Reserve(-1)) is True
    assert plant.tell(ev.Reserve(-1)) is True
    assert plant.news() == ["ReservationStart"], "EVerest repeats it"
    plant.plug_in()
    plant.tell(accepted(12))
    assert ids(plant) == {"session": None, "transaction": 12}


def test_row_42_reserved_for_several_and_authorized_first() -> None:
    plant = idle()
    plant.tell(ev.Reserve(-1))
    plant.tell(accepted(12))
    plant.plug_in()
    assert ids(plant) == {"session": 12, "transaction": 12}
    plant.tell(ev.CpChanged("A"))
    plant.plug_in()
    plant.tell(accepted(None))
    assert ids(plant) == {"session": None, "transaction": None}, "nothing is left of the reservation before"


def test_a_reservation_for_several_may_become_one_of_this_evse() -> None:
    plant = idle()
    plant.tell(ev.Reserve(-1))
    assert plant.tell(ev.Reserve(5)) is True
    assert plant.tell(ev.Reserve(6)) is False
    assert plant.news() == ["ReservationStart"]


def test_row_43_an_error_ends_a_reservation() -> None:
    plant = idle()
    plant.tell(ev.Reserve(7))
    plant.news()
    before = len(plant.board)
    plant.tell(ev.CausesChanged((FAULT,)))
    assert plant.news() == ["ReservationEnd"]
    assert fx.SetF() in plant.board[before:]
    assert plant.tell(ev.Reserve(7)) is False, "out of order"
    plant.tell(ev.CausesChanged(()))
    assert plant.tell(ev.Reserve(7)) is True


def test_row_43_so_does_the_command() -> None:
    plant = idle()
    plant.tell(ev.Reserve(7))
    plant.news()
    plant.tell(ev.CancelReservation())
    plant.tell(ev.CancelReservation())
    assert plant.news() == ["ReservationEnd"]
    assert plant.events[-1].timestamp == UTC


def test_disabled_ends_it_after_saying_so() -> None:
    plant = idle()
    plant.tell(ev.Reserve(7))
    plant.news()
    plant.tell(ev.EnableDisable(0, source("CSMS", "Disable")))
    assert plant.news() == ["Disabled", "ReservationEnd"]
    assert plant.tell(ev.Reserve(7)) is False


def test_an_authorization_that_is_withdrawn_ends_it() -> None:
    plant = idle()
    plant.tell(ev.Reserve(7))
    plant.tell(accepted(7))
    plant.news()
    plant.tell(ev.Withdraw())
    assert plant.news() == ["ReservationEnd", "Deauthorized", "SessionFinished"]


def test_a_plug_in_timeout_does_not() -> None:
    """Whoever plugged in is not the one for whom the EVSE is kept."""
    plant = idle()
    plant.tell(ev.Reserve(7))
    plant.plug_in()
    plant.news()
    plant.tell(ev.Withdraw())
    plant.tell(ev.CpChanged("A"))
    assert plant.news() == ["Deauthorized", "PluginTimeout", "SessionFinished"]
    assert plant.tell(ev.Reserve(8)) is False


def test_it_ends_with_the_session_of_whom_it_was_kept_for() -> None:
    """Else it would stay for ever: for Auth it is used up."""
    plant = idle()
    plant.prompt = False
    plant.tell(ev.Reserve(7))
    plant.plug_in()
    plant.tell(accepted(7))
    assert any(isinstance(waiting, fx.StartMeter) for waiting in plant.pending)
    plant.tell(ev.CpChanged("A"))
    assert plant.names[-3:] == ["Authorized", "ReservationEnd", "SessionFinished"]
    assert plant.tell(ev.Reserve(8)) is True


def test_only_an_idle_evse_can_be_reserved() -> None:
    plant = Plant()
    assert plant.tell(ev.Reserve(7)) is False, "not ready yet"
    plant.charge()
    assert plant.tell(ev.Reserve(7)) is False
    plant.tell(ev.Stop("Local"))
    plant.tell(ev.CpChanged("B"))
    assert plant.state.charger == "Finished"
    assert plant.tell(ev.Reserve(7)) is False


def test_the_stored_start_names_the_reservation() -> None:
    plant = Plant(prompt=False)
    plant.config = replace(plant.config, has_billing_meter=False)
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    plant.tell(ev.Reserve(7))
    plant.plug_in()
    plant.tell(accepted(7))
    commit = next(waiting for waiting in plant.pending if isinstance(waiting, fx.Commit))
    assert commit.payload["reservation_id"] == 7
