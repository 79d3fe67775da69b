"""What all module classes of EVerest's API do alike (reference api.md §2.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from drivers.powermeter_api.module import powermeter_API
from evse_daemon.everest_api.envelope import MAX_TOPIC_LENGTH
from evse_daemon.everest_api.module import MAX_OPEN_REQUESTS, EverestApiModule
from evse_daemon.framework.module import Module
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.modules.auth_token_provider_api.module import auth_token_provider_API
from evse_daemon.modules.auth_token_validator_api.module import auth_token_validator_API
from evse_daemon.mqtt import topics
from evse_daemon.reference.declared import classes
from evse_daemon.types.authorization import IdToken, ProvidedIdToken
from tests.everest_api.program import REPLY_TO, Program
from tests.support.harness import World

TOKEN = {"id_token": {"value": "SECRET-4711", "type": "ISO14443"}, "authorization_type": "RFID"}
INITIAL, LOST = "Initial communication check", "Bridge to implementation connection lost"
APIS = {name: cls for name, cls in classes().items() if issubclass(cls, EverestApiModule)}


def provider(**options: Any) -> Program:
    world = World()
    world.add(auth_token_provider_API, "reader", options)
    world.start()
    return Program(world, "auth_token_provider", "reader")


def faults(program: Program) -> list[tuple[str, str]]:
    return [
        (error.type, error.sub_type) for error in program.world.active_errors((program.module_id, "main"))
    ]


def test_programs_are_told_who_is_there() -> None:
    world = World()
    world.add(powermeter_API, "meter_2", {"cfg_request_reply_to_s": 7, "cfg_heartbeat_interval_ms": 250})
    world.add(auth_token_provider_API, "reader", {"cfg_communication_check_to_s": 9})
    world.start()
    question = json.dumps({"headers": {"replyTo": REPLY_TO}})
    reader = {
        "type": "auth_token_provider",
        "module_id": "reader",
        "version": 1,
        "communication_monitoring": {"heartbeat_period_ms": 1000, "communication_check_period_s": 9},
    }
    meter = {
        "type": "powermeter",
        "module_id": "meter_2",
        "version": 1,
        "communication_monitoring": {
            "heartbeat_period_ms": 250,
            "communication_check_period_s": 5,
            "request_reply_timeout_s": 7,
        },
    }
    world.send("everest_api/discover", question)
    assert [json.loads(text) for text in world.mqtt.payloads(REPLY_TO)] == [
        {"apis": [meter]},
        {"apis": [reader]},
    ]
    world.mqtt.published.clear()
    world.send("everest_api/query-modules/powermeter", question)
    assert [json.loads(text) for text in world.mqtt.payloads(REPLY_TO)] == [{"apis": [meter]}]


def test_the_first_module_says_once_that_they_are_ready() -> None:
    world = World()
    for name in ("b", "a", "c"):
        world.add(auth_token_provider_API, name)
    world.start()
    world.advance(10)
    assert world.mqtt.payloads("everest_api/ready_beacon") == ["{}"]
    other = World()
    other.add(auth_token_provider_API, "z")
    other.start()
    assert other.mqtt.payloads("everest_api/ready_beacon") == ["{}"]


def test_the_heartbeat_counts_at_its_interval() -> None:
    program = provider(cfg_heartbeat_interval_ms=500)
    program.world.advance(2)
    assert program.heard("heartbeat") == [0, 1, 2, 3, 4]
    busy = provider(cfg_heartbeat_interval_ms=1)
    busy.world.advance(1)
    assert len(busy.heard("heartbeat")) == 11
    silent = provider(cfg_heartbeat_interval_ms=0)
    silent.world.advance(5)
    assert silent.heard("heartbeat") == []


def test_a_program_that_does_not_speak_is_an_error_that_ends_when_it_does() -> None:
    program = provider(cfg_communication_check_to_s=3)
    assert faults(program) == [("generic/CommunicationFault", INITIAL)]
    program.lives()
    assert faults(program) == []
    program.lives_for(10)
    program.world.advance(1.9)
    assert faults(program) == []
    program.world.advance(0.2)
    assert faults(program) == [("generic/CommunicationFault", LOST)]
    program.lives()
    assert faults(program) == []


@pytest.mark.parametrize("silent_first", [True, False])
def test_false_switches_the_check_off_for_good(silent_first: bool) -> None:
    program = provider()
    if not silent_first:
        program.lives()
    program.lives(alive=False)
    program.world.advance(100)
    assert faults(program) == []
    program.lives()
    program.world.advance(100)
    assert faults(program) == []


@pytest.mark.parametrize(
    "request_",
    [
        "x",
        "[]",
        '{"headers":[]}',
        '{"headers":{"replyTo":1}}',
        '{"headers":{"replyTo":"a/+/b"}}',
        '{"headers":{"replyTo":"a/#"}}',
        '{"headers":{"replyTo":"a\\u0000b"}}',
        '{"headers":{"replyTo":"a\\ud800b"}}',
        '{"headers":{"replyTo":"$SYS/broker"}}',
        '{"headers":{"replyTo":"everest/modules/board/impl/main/cmd/enable"}}',
        '{"headers":{"replyTo":"evse_daemon/everest/status"}}',
        json.dumps({"headers": {"replyTo": "x" * (MAX_TOPIC_LENGTH + 1)}}),
        '{"headers":{"replyTo":"a"},"payload":NaN}',
        '{"headers":{"replyTo":"a"},"payload":1e999}',
        '{"headers":{"replyTo":"a"},"payload":' + "9" * 10_000 + "}",
        "[" * 100_000,
        '{"payload":' + "[" * 100_000,
    ],
)
def test_what_is_no_request_is_not_replied_to(request_: str) -> None:
    program = provider()
    program.world.mqtt.published.clear()
    with capture_logs() as logs:
        program.world.send("everest_api/discover", request_)
    assert program.world.mqtt.published == []
    assert [entry["log_level"] for entry in logs] == ["warning"]


@pytest.mark.parametrize("request_", ["", "{}", '{"headers":{}}', '{"headers":{"replyTo":""}}'])
def test_a_request_that_wants_no_reply_gets_none(request_: str) -> None:
    program = provider()
    program.world.mqtt.published.clear()
    with capture_logs() as logs:
        program.world.send("everest_api/discover", request_)
    assert program.world.mqtt.published == []
    assert logs == []


@pytest.mark.parametrize(
    "wrong", [{"id_token": {"value": "SECRET-4711"}}, {**TOKEN, "connectors": ["SECRET-4711"]}]
)
def test_a_token_is_presented_and_one_that_is_wrong_is_not_shown(wrong: dict[str, Any]) -> None:
    program = provider()
    tokens = AuthTokenProvider.provided_token
    with capture_logs() as logs:
        program.says("provided_token", wrong)
    assert program.world.published(("reader", "main"), tokens) == []
    assert len(logs) == 1
    assert "SECRET" not in str(logs)
    program.says("provided_token", TOKEN)
    (token,) = program.world.published(("reader", "main"), tokens)
    assert tokens.to_jsonable(token) == TOKEN


class Validator:
    """A program that is asked."""

    def __init__(self, **options: Any) -> None:
        self.world = World()
        self.world.add(auth_token_validator_API, "validator", options)
        self.world.start()
        self.program = Program(self.world, "auth_token_validator", "validator")

    def ask(self) -> Any:
        token = ProvidedIdToken(
            id_token=IdToken(value="SECRET-4711", type="ISO14443"), authorization_type="RFID"
        )
        call = self.world.begin(("validator", "main"), AuthTokenValidator.validate_token, token)
        self.world.settle()
        return call


def status(call: Any) -> str | None:
    return None if call.outcome is None else call.outcome[0].authorization_status


def test_the_program_decides_about_a_token_also_after_a_minute() -> None:
    validator = Validator()
    validator.program.lives()
    call = validator.ask()
    (request,) = validator.program.heard("validate_token")
    assert request["payload"] == TOKEN
    validator.program.lives_for(60)
    assert status(call) is None
    validator.program.replies(request, {"authorization_status": "Accepted", "tariff_messages": [], "more": 1})
    assert status(call) == "Accepted"


def test_replies_are_for_their_own_request() -> None:
    validator = Validator()
    validator.program.lives()
    first, second = validator.ask(), validator.ask()
    requests = validator.program.heard("validate_token")
    validator.program.replies(requests[1], {"authorization_status": "Blocked", "tariff_messages": []})
    assert (status(first), status(second)) == (None, "Blocked")
    validator.program.replies(requests[0], {"authorization_status": "Accepted", "tariff_messages": []})
    validator.program.replies(
        requests[1], {"authorization_status": "Accepted", "tariff_messages": []}
    )  # twice
    assert (status(first), status(second)) == ("Accepted", "Blocked")


@pytest.mark.parametrize("how", ["never", "late", "wrong", "lost", "no broker", "too many"])
def test_without_a_reply_a_token_is_invalid(how: str) -> None:
    validator = Validator(cfg_request_reply_to_s=10)
    program = validator.program
    if how != "lost":
        program.lives()
    if how == "no broker":
        validator.world.mqtt.connected = False
    if how == "too many":
        for _ in range(MAX_OPEN_REQUESTS):
            validator.ask()
    call = validator.ask()
    if how in ("never", "late"):
        program.lives_for(9)
        assert status(call) is None
        program.lives_for(2)
    if how == "wrong":
        with capture_logs() as logs:
            program.replies(program.heard("validate_token")[0], {"authorization_status": "SECRET-4711"})
        assert "SECRET" not in str(logs)
    assert status(call) == "Invalid"
    if how == "late":
        reply = {"authorization_status": "Accepted", "tariff_messages": []}
        program.replies(program.heard("validate_token")[0], reply)
        assert status(call) == "Invalid"


def test_a_later_answer_is_passed_on() -> None:
    validator = Validator()
    update = {
        "validation_result": {"authorization_status": "Blocked", "tariff_messages": []},
        "connector_id": 1,
    }
    validator.program.says("validate_result_update", update)
    (found,) = validator.world.published(("validator", "main"), AuthTokenValidator.validate_result_update)
    assert AuthTokenValidator.validate_result_update.to_jsonable(found) == update


@pytest.mark.parametrize("name", APIS)
def test_every_declared_topic_of_a_program_is_heard_and_no_other(name: str) -> None:
    cls: type[Module] = APIS[name]
    assert issubclass(cls, EverestApiModule)
    assert name == f"{cls.api_type}_API"
    world = World()
    connections = {}
    for requirement, required in cls.requires.items():
        world.fake(f"peer_{requirement}", main=required.interface)
        connections[requirement] = [(f"peer_{requirement}", "main")]
    world.add(cls, "api", connections=connections)
    world.start()
    wanted = {
        topics.EVEREST_API_DISCOVER,
        topics.everest_api_query(cls.api_type),
        topics.everest_api_heard(cls.api_type, "api", "communication_check"),
    }
    for channel in cls.channels:
        if channel.way in ("hears", "serves"):
            wanted.add(topics.everest_api_heard(cls.api_type, "api", channel.name))
        if channel.way == "asks":
            wanted.add(topics.everest_api_reply(cls.api_type, "api", "+"))
        if channel.latched:
            wanted.add(topics.everest_api_get(cls.api_type, "api", channel.name))
    assert {topic for topic, _, _ in world.mqtt._subscriptions} == wanted
