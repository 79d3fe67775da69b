"""The module classes that stand in for a card reader and a backend."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.modules.dummy_token_provider.module import DummyTokenProvider
from evse_daemon.modules.dummy_token_provider_manual.module import DummyTokenProviderManual
from evse_daemon.modules.dummy_token_validator.module import DummyTokenValidator
from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.evse_manager import SessionEvent, SessionStarted, StartSessionReason
from tests.modules.auth.station import METER, NOW, answer, card, id_token
from tests.support.harness import World

PROVIDE = "everest_api/reader/cmd/provide"


def tokens(world: World) -> list[ProvidedIdToken]:
    return world.published(("reader", "main"), AuthTokenProvider.provided_token)


@pytest.mark.parametrize("reason", ["EVConnected", "Authorized"])
def test_the_dummy_provider_presents_its_token_at_each_start_of_a_session(reason: StartSessionReason) -> None:
    world = World()
    evse = world.fake("evse", evse=EvseManager)["evse"]
    world.add(DummyTokenProvider, "reader", connections={"evse": [("evse", "evse")]})
    world.start()
    started = SessionStarted(reason=reason, meter_value=METER)
    evse.publish(
        EvseManager.session_event,
        SessionEvent(uuid="1", timestamp=NOW, event="SessionStarted", session_started=started),
    )
    evse.publish(EvseManager.session_event, SessionEvent(uuid="1", timestamp=NOW, event="AuthRequired"))
    world.settle()
    assert tokens(world) == [card("DEADBEEF", parent_id_token=id_token("DEADBEEF"))]


def test_the_dummy_provider_s_token_can_be_for_one_evse() -> None:
    world = World()
    evse = world.fake("evse", evse=EvseManager)["evse"]
    options = {"token": "CARD", "type": "OCPP", "connector_id": 2, "timeout": 10}
    world.add(
        DummyTokenProvider, "reader", impl_options={"main": options}, connections={"evse": [("evse", "evse")]}
    )
    world.start()
    evse.publish(EvseManager.session_event, SessionEvent(uuid="1", timestamp=NOW, event="SessionStarted"))
    world.settle()
    assert [(token.authorization_type, token.connectors) for token in tokens(world)] == [("OCPP", [2])]


@pytest.mark.parametrize(
    "options", [{"token": ""}, {"token": "x" * 21}, {"type": "Magic"}, {"connector_id": -1}]
)
def test_options_out_of_the_manifest_s_bounds_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DummyTokenProvider.provides["main"].options.model_validate(options)


def manual_reader(topic: str = "") -> World:
    world = World()
    world.add(DummyTokenProviderManual, "reader", impl_options={"main": {"mqtt_topic": topic}})
    world.start()
    return world


@pytest.mark.parametrize("topic", ["", "my/reader"])
def test_a_token_from_mqtt_is_presented(topic: str) -> None:
    world = manual_reader(topic)
    token = {"id_token": {"value": "CAFEBABE", "type": "ISO14443"}, "authorization_type": "RFID"}
    world.send(topic or PROVIDE, json.dumps(token))
    assert tokens(world) == [card("CAFEBABE")]


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "not json",
        "null",
        "[]",
        '"SECRET"',
        '{"id_token": "SECRET"}',
        '{"id_token": {"value": "SECRET", "type": "Magic"}, "authorization_type": "RFID"}',
        '{"id_token": {"value": "SECRET", "type": "ISO14443"}}',
        '{"id_token": {"value": "SECRET' + "x" * 40 + '", "type": "ISO14443"}, "authorization_type": "RFID"}',
    ],
)
def test_what_is_no_token_is_logged_without_its_content_and_changes_nothing(payload: str) -> None:
    world = manual_reader()
    with capture_logs() as logs:
        world.send(PROVIDE, payload)
    assert tokens(world) == []
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert "SECRET" not in str(logs)


@pytest.mark.parametrize("status", ["Accepted", "Blocked"])
def test_the_dummy_validator_answers_after_its_sleep(status: str) -> None:
    world = World()
    world.add(
        DummyTokenValidator, "validator", impl_options={"main": {"sleep": 0.25, "validation_result": status}}
    )
    world.start()
    first = world.begin(("validator", "main"), AuthTokenValidator.validate_token, card())
    world.advance(0.2)
    second = world.begin(("validator", "main"), AuthTokenValidator.validate_token, card("OTHER"))
    assert first.outcome is None
    world.advance(0.1)
    assert first.outcome == (answer(status),)  # type: ignore[arg-type]
    assert second.outcome is None
    world.advance(0.2)
    assert second.outcome == (answer(status),)  # type: ignore[arg-type]
