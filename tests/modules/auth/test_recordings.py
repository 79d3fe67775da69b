"""The tokens and session events of the recordings give the recorded token_validation_status series."""

from __future__ import annotations

import json
from functools import partial

import pytest

from evse_daemon.interfaces.auth import Auth as AuthInterface
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.evse_manager import EvseManager
from tests.modules import recordings
from tests.modules.auth.station import Station, answer

VALIDATION_S = 0.2


@pytest.mark.skipif(not recordings.runs(), reason="the recordings are not there")
@pytest.mark.parametrize("run", recordings.runs())
def test_the_outcomes_are_those_of_the_recordings(run: str) -> None:
    station = Station(answers=[None], ignore_connector_faults=True)
    clock = station.world.clock
    recorded = []
    for row in recordings.rows(run):
        station.world.advance(max(0, row.at_s - clock.now_s()))
        if row.topic.endswith("/var/provided_token"):
            asked = len(station.questions)
            station.present(AuthTokenProvider.provided_token.validate_json(json.dumps(row.var())))
            for question in station.questions[asked:]:
                clock.call_at(clock.now_s() + VALIDATION_S, partial(question.resolve, answer()))
        elif row.topic == recordings.evse_var("session_event"):
            event = EvseManager.session_event.validate_json(json.dumps(row.var()))
            station.evses[1].publish(EvseManager.session_event, event)
            station.world.settle()
        elif row.topic == "everest/modules/auth/impl/main/var/token_validation_status":
            recorded.append(row.var())
    var = AuthInterface.token_validation_status
    ours = [var.to_jsonable(message) for message in station.world.published(("auth", "main"), var)]
    assert ours == recorded
