"""What a message says is read in every dialect, without being told which; and the real EVerest's own recordings."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.framework.errors import Error, Mapping
from evse_daemon.mqtt.decoded import Decoded, Failure, decode
from evse_daemon.mqtt.dialects import DIALECTS, DialectName, to_json
from evse_daemon.mqtt.topics import Topics
from evse_daemon.reference.declared import interfaces
from evse_daemon.reference.schemas import Schemas, adapters_of

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"
TOPICS = Topics()
VALUES: tuple[Any, ...] = (
    True,
    0,
    16.5,
    "text",
    None,
    [1],
    {"a": 1},
    {"data": 1, "b": 2},
    {"type": "result"},
)
ALL = pytest.mark.parametrize("dialect", list(DIALECTS))


def read(topic: str, message: Any) -> Decoded:
    return decode(TOPICS, topic, to_json(message))


@ALL
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_variable(dialect: DialectName, value: Any) -> None:
    found = read(TOPICS.var("m", "i", "x"), DIALECTS[dialect].var(value))
    assert (found.kind, found.module_id, found.implementation_id, found.name) == ("var", "m", "i", "x")
    assert (found.value, found.problem) == (value, "")


@ALL
def test_a_command(dialect: DialectName) -> None:
    found = read(TOPICS.command("m", "i", "do"), DIALECTS[dialect].command("7", "me", {"a": 1}))
    assert found == Decoded("cmd", "do", {"a": 1}, "m", "i", caller="me", call_id="7")


@ALL
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_result(dialect: DialectName, value: Any) -> None:
    found = read(TOPICS.response("m", "i", "do", "me"), DIALECTS[dialect].result("do", "7", "m", value))
    assert found == Decoded("result", "do", value, "m", "i", caller="me", call_id="7")


@ALL
def test_an_error_result(dialect: DialectName) -> None:
    answer = DIALECTS[dialect].error_result("do", 7, "m", CallError("SchemaValidationFailed", "a: missing"))
    found = read(TOPICS.response("m", "i", "do", "me"), answer)
    type_ = "SchemaValidationError" if dialect == "everest" else "SchemaValidationFailed"
    assert found.failure == Failure(type_, "a: missing")
    assert found.call_id == 7


@ALL
def test_an_error(dialect: DialectName) -> None:
    error = Error(
        "evse_manager/Internal", "text", "High", "m", "i", "2026-03-04T10:15:30.123Z", mapping=Mapping(1, 2)
    )
    found = read(TOPICS.error("m", "i", error.type), DIALECTS[dialect].error(error))
    assert (found.kind, found.name) == ("error", "evse_manager/Internal")
    assert found.value["state"] == "Active"
    assert found.value["message"] == "text"


@pytest.mark.parametrize(
    ("topic", "payload", "problem"),
    [
        (TOPICS.var("m", "i", "x"), b"{", "it is not JSON"),
        (TOPICS.var("m", "i", "x"), b"\xff", "it is not UTF-8"),
        (TOPICS.var("m", "i", "x"), b"[" * 100_000, "nested too deeply"),
        (TOPICS.var("m", "i", "x"), b'{"data":NaN}', "it has no NaN"),
        (TOPICS.var("m", "i", "x"), b'{"data":-1e999}', "a number is too large"),
        (TOPICS.var("m", "i", "x"), b"5", "it is not a JSON object"),
        (TOPICS.var("m", "i", "x"), b"{}", "there is no data in it"),
        (TOPICS.command("m", "i", "x"), b"{}", "there is no id"),
        (TOPICS.response("m", "i", "x", "me"), b'{"data":{}}', "there is no id"),
        (TOPICS.response("m", "i", "x", "me"), b'{"data":{"id":1}}', "neither retval nor error"),
        (TOPICS.error("m", "i", "a/B"), b"{}", "there is no type"),
    ],
)
def test_what_cannot_be_read_is_shown_with_the_reason(topic: str, payload: bytes, problem: str) -> None:
    found = decode(TOPICS, topic, payload)
    assert problem in found.problem
    assert found.value == payload.decode("utf-8", "replace")


def test_other_topics_are_shown_with_what_is_in_their_envelope() -> None:
    assert read(TOPICS.ready, {"data": True, "msg_type": "GlobalReady"}) == Decoded(
        "other", TOPICS.ready, True
    )
    assert decode(TOPICS, TOPICS.status, b"online") == Decoded("other", TOPICS.status, "online")


def test_no_type_of_a_variable_looks_like_everests_second_envelope() -> None:
    variables = [var for interface in interfaces().values() for var in interface.vars.values()]
    schemas = Schemas(adapters_of(list(interfaces().values())), "{name}")
    for variable in variables:
        schema = schemas.resolve(schemas.of(variable))
        assert not ("data" in schema.get("properties", {}) and set(schema.get("required", ())) <= {"data"})


# Recordings of the real EVerest.


def recorded(name: str) -> Iterator[tuple[str, bytes]]:
    file = GOLDEN / f"{name}.jsonl.gz"
    if not file.exists():
        pytest.skip(f"NOT TESTED: the recordings of EVerest are not at {GOLDEN}")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            yield message["topic"], message["payload"].encode()


@pytest.mark.parametrize("name", ["01_ac_full_session", "05_error_rcd", "09_auth_manual"])
def test_a_session_of_the_real_everest_is_read_whole(name: str) -> None:
    seen: Counter[str] = Counter()
    for topic, payload in recorded(name):
        found = decode(TOPICS, topic, payload)
        seen[found.kind] += 1
        assert found.problem == "", (topic, payload)
        if found.kind == "other":
            continue
        data = json.loads(payload)["data"]
        match found.kind:
            case "var":
                assert found.value == data["data"]
            case "cmd":
                assert (found.value, found.caller, found.call_id) == (
                    data["args"] or {},
                    data["origin"],
                    data["id"],
                )
            case "result":
                assert (found.value, found.call_id) == (data["data"].get("retval"), data["data"]["id"])
                assert (found.failure is not None) == ("error" in data["data"])
            case "error":
                assert found.value == data
                assert found.name == data["type"]
    assert seen["var"] > 100
    assert seen["cmd"] == seen["result"] > 10
    assert seen["error"] == (4 if name == "05_error_rcd" else 0)


def test_the_error_results_of_the_real_everest_are_known_by_their_types() -> None:
    failures = [
        found.failure
        for topic, payload in recorded("12c_framework_cmds_fwdexc")
        if (found := decode(TOPICS, topic, payload)).failure is not None
    ]
    assert failures
    for failure in failures:
        assert failure.type in {"HandlerException", "SchemaValidationError"}
        assert failure.message
