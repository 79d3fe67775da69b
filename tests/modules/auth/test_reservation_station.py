"""Reservations at a whole station with a simulated car: the course that EVerest ran (evse-manager.md §10, a20)."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config import load_text
from evse_daemon.framework.bus import Client, Inbox
from evse_daemon.framework.clock import timestamp
from evse_daemon.interfaces.reservation import Reservation as ReservationInterface
from evse_daemon.mqtt.topics import Topics, api_command, api_var, carsim_command
from evse_daemon.types.reservation import Reservation
from tests.modules.evse_manager.test_two_evses import own_configuration
from tests.support.virtual_station import VirtualStation

CONFIG = Path(__file__).parents[3] / "config" / "config-sim.yaml"
CAR = "sleep 0.25;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 10;unplug"


def configuration() -> str:
    """The simulator's, with tokens by hand only."""
    document = yaml.safe_load(CONFIG.read_text("utf-8"))
    modules: dict[str, Any] = document["active_modules"]
    del modules["token_provider"]
    modules["auth"]["connections"]["token_provider"] = [
        {"module_id": "dummy_token_provider", "implementation_id": "main"}
    ]
    return yaml.safe_dump(document)


class Reserved:
    """A station, those who reserve it, and its drivers."""

    def __init__(self, text: str | None = None) -> None:
        self.virtual = VirtualStation(load_text(text or configuration()))
        self.virtual.begin()
        self.virtual.advance(8)
        bus = self.virtual.station.bus
        self._auth: Client[Any] = Client(bus.implementations["auth", "reservation"], Inbox(bus, "csms"))
        self._told = len(self.events)

    def reserve(self, reservation_id: int, token: str, evse_id: int | None = 1, minutes: float = 10) -> Any:
        until = self.virtual.clock.utc() + dt.timedelta(minutes=minutes)
        request = Reservation(
            reservation_id=reservation_id, id_token=token, evse_id=evse_id, expiry_time=timestamp(until)
        )
        return self._call(self._auth.call(ReservationInterface.reserve_now, request))

    def cancel(self, reservation_id: int) -> Any:
        return self._call(self._auth.call(ReservationInterface.cancel_reservation, reservation_id))

    def _call(self, call: Any) -> Any:
        call.then(lambda _: None)
        self.virtual.advance(0.5)
        return call.outcome[0]

    def swipe(self, token: str) -> list[str]:
        """Presents a card; gives what Auth said of it within two seconds."""
        before = len(self._values("auth", "main", "token_validation_status"))
        card = {"id_token": {"value": token, "type": "ISO14443"}, "authorization_type": "RFID"}
        self.virtual.send(api_command("dummy_token_provider", "provide"), json.dumps(card))
        self.virtual.advance(2)
        return [said["status"] for said in self._values("auth", "main", "token_validation_status")[before:]]

    def plug(self, evse: int = 1) -> None:
        self.virtual.send(carsim_command(evse, "execute_charging_session"), CAR)
        self.virtual.advance(1.5)

    def advance(self, seconds: float) -> None:
        self.virtual.advance(seconds)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self._values("evse_manager", "evse", "session_event")

    def names(self, evse: int) -> list[str]:
        """The session events of one of two EVSEs."""
        events = self._values(f"evse_manager_{evse}", "evse", "session_event")
        return [_shown(event) for event in events if event["event"] != "Enabled"]

    def news(self) -> list[str]:
        """The session events since the last time; with the reservation's id where one is told."""
        found = self.events[self._told :]
        self._told = len(self.events)
        return [_shown(event) for event in found]

    def _values(self, module_id: str, implementation_id: str, var: str) -> list[dict[str, Any]]:
        topic = Topics().var(module_id, implementation_id, var)
        return [json.loads(row["payload"])["data"] for row in self.virtual.rows if row["topic"] == topic]

    @property
    def state(self) -> str:
        """As the API shows it."""
        topic = api_var("evse_manager", "session_info")
        shown = [json.loads(row["payload"]) for row in self.virtual.rows if row["topic"].endswith(topic)]
        return str(shown[-1]["state"])


def _shown(event: dict[str, Any]) -> str:
    details = event.get("session_started") or event.get("transaction_started") or {}
    reservation = details.get("reservation_id")
    return str(event["event"]) + (f" {reservation}" if reservation is not None else "")


SESSION_END = ["StoppingCharging", "ChargingFinished", "TransactionFinished", "SessionFinished"]


def test_the_car_comes_first_then_the_token() -> None:
    station = Reserved()
    assert station.reserve(7, "TOKR") == "Accepted"
    assert station.news() == ["ReservationStart"]
    assert station.state == "Reserved"
    assert station.swipe("TOKX") == ["Processing", "Rejected"]
    station.plug()
    assert station.news() == ["SessionStarted 7", "AuthRequired"]
    assert station.swipe("TOKX") == ["Processing", "Rejected"]
    assert station.swipe("TOKR") == ["Processing", "Accepted", "UsedToStart"]
    assert station.news()[:3] == ["Authorized", "TransactionStarted 7", "PrepareCharging"]
    station.advance(20)
    assert station.news()[-4:] == SESSION_END
    assert station.swipe("TOKX")[-1] == "UsedToStart"


def test_the_token_comes_first_then_the_car() -> None:
    station = Reserved()
    station.reserve(8, "TOKR")
    assert station.swipe("TOKR")[-1] == "UsedToStart"
    assert station.news() == ["ReservationStart", "SessionStarted 8", "Authorized"]
    station.plug()
    assert station.news()[:2] == ["AuthRequired", "TransactionStarted 8"]
    station.advance(20)
    assert station.news()[-4:] == SESSION_END


@pytest.mark.parametrize("first", ["car", "token"])
def test_a_reservation_of_any_evse(first: str) -> None:
    station = Reserved()
    assert station.reserve(9, "TOKG", evse_id=None) == "Accepted"
    assert station.news() == ["ReservationStart"]
    assert station.swipe("TOKX") == ["Processing", "Rejected"]
    if first == "car":
        station.plug()
        assert station.swipe("TOKX") == ["Processing", "Rejected"]
        assert station.swipe("TOKG")[-1] == "UsedToStart"
    else:
        assert station.swipe("TOKG")[-1] == "UsedToStart"
        station.plug()
    assert "TransactionStarted 9" in station.news()
    station.advance(20)
    assert station.news()[-4:] == SESSION_END


def test_a_cancelled_reservation_ends() -> None:
    station = Reserved()
    station.reserve(7, "TOKR")
    assert station.cancel(7) is True
    assert station.news() == ["ReservationStart", "ReservationEnd"]
    assert station.state == "Unplugged"
    assert station.swipe("TOKX")[-1] == "UsedToStart"


def test_an_expired_reservation_ends() -> None:
    station = Reserved()
    station.reserve(7, "TOKR", minutes=1)
    station.advance(61)
    assert station.news() == ["ReservationStart", "ReservationEnd"]
    assert station.swipe("TOKX")[-1] == "UsedToStart"


def test_an_owner_whose_car_does_not_come_loses_the_reservation() -> None:
    station = Reserved()
    station.reserve(7, "TOKR")
    station.swipe("TOKR")
    station.advance(31)
    assert station.news()[-3:] == ["ReservationEnd", "Deauthorized", "SessionFinished"]
    assert station.swipe("TOKX")[-1] == "UsedToStart"


def test_an_error_ends_a_reservation() -> None:
    station = Reserved()
    station.reserve(7, "TOKR")
    stop = json.dumps({"error_type": "MREC8EmergencyStop", "raise": "true"})
    station.virtual.send("everest_external/nodered/1/carsim/error", stop)
    station.advance(1)
    assert station.news() == ["ReservationStart", "ReservationEnd"]
    assert station.swipe("TOKR") == ["Processing", "Rejected"]


def test_reserved_again_at_once() -> None:
    station = Reserved()
    assert station.reserve(7, "TOKR") == "Accepted"
    assert station.reserve(8, "TOKS") == "Occupied"
    assert station.reserve(7, "TOKS") == "Accepted"
    assert station.news() == ["ReservationStart"]
    station.cancel(7)
    assert station.reserve(8, "TOKR") == "Accepted"
    station.advance(5)
    assert station.news() == ["ReservationEnd", "ReservationStart"]
    assert station.swipe("TOKR")[-1] == "UsedToStart"


def test_one_of_two_evses_is_kept_for_a_reservation_of_any() -> None:
    station = Reserved(own_configuration())
    assert station.reserve(9, "TOKG", evse_id=None) == "Accepted"
    assert (station.names(1), station.names(2)) == ([], [])
    station.plug(1)
    assert station.names(2) == ["ReservationStart"], "a car stands before the one, so the other is kept"
    assert station.swipe("TOKX")[-1] == "UsedToStart"
    assert "TransactionStarted" in station.names(1)
    station.plug(2)
    assert station.swipe("TOKY") == ["Processing", "Rejected"]
    assert station.swipe("TOKG")[-1] == "UsedToStart"
    assert "TransactionStarted 9" in station.names(2)


def test_two_reservations_of_any_mark_both_evses_and_both_are_used() -> None:
    station = Reserved(own_configuration())
    assert station.reserve(8, "TOKA", evse_id=None) == "Accepted"
    assert station.reserve(9, "TOKB", evse_id=None) == "Accepted"
    assert station.reserve(10, "TOKC", evse_id=None) == "Occupied"
    assert station.names(1) == station.names(2) == ["ReservationStart"]
    station.plug(2)
    assert station.swipe("TOKB")[-1] == "UsedToStart"
    station.plug(1)
    assert station.swipe("TOKX") == ["Processing", "Rejected"]
    assert station.swipe("TOKA")[-1] == "UsedToStart"
    station.advance(30)
    for evse, number in ((1, 8), (2, 9)):
        assert f"TransactionStarted {number}" in station.names(evse)
        assert station.names(evse)[-1] == "SessionFinished"
        assert "ReservationEnd" not in station.names(evse)
