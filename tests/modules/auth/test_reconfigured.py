"""Auth's options change while it runs, as a reload of the configuration changes them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evse_daemon.interfaces.auth import Auth as AuthInterface
from tests.modules.auth.station import Station


def reconfigure(station: Station, **options: Any) -> None:
    auth = station.world.modules["auth"]
    changed = auth.context.options.model_copy(update=options)
    auth.reconfigure(replace(auth.context, options=changed))
    station.world.settle()


def test_a_card_that_waits_for_its_car_keeps_its_time_and_the_next_one_has_the_new() -> None:
    station = Station()
    station.present()
    reconfigure(station, connection_timeout=60)
    station.world.advance(9.9)
    assert station.withdrawn() == 0
    station.world.advance(0.2)
    assert station.withdrawn() == 1
    station.present()
    station.world.advance(59)
    assert station.withdrawn() == 1
    station.world.advance(2)
    assert station.withdrawn() == 2


def test_what_a_command_has_set_stays_until_that_option_changes() -> None:
    station = Station()
    station.world.call(("auth", "main"), AuthInterface.set_connection_timeout, 30)
    reconfigure(station, stop_transaction_on_reswipe=False)
    station.present()
    station.world.advance(29)
    assert station.withdrawn() == 0
    station.world.advance(2)
    reconfigure(station, connection_timeout=5)
    station.present()
    station.world.advance(6)
    assert station.withdrawn() == 2
