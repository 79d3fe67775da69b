"""Whatever comes from the broker becomes one printable line, and one JSON object."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evse_daemon.cli.message_view import as_json, as_text
from evse_daemon.cli.recording import read_line, write_line
from evse_daemon.mqtt.client import Inbound
from evse_daemon.mqtt.decoded import decode
from evse_daemon.mqtt.topics import Topics

AT = dt.datetime(2026, 3, 4, 10, 15, 30, 123456, dt.UTC)
TOPICS = Topics()
WHERE = ("m", "i")
TOPIC = st.sampled_from(
    (
        TOPICS.var(*WHERE, "x"),
        TOPICS.command(*WHERE, "x"),
        TOPICS.response(*WHERE, "x", "me"),
        TOPICS.error(*WHERE, "a/B"),
        TOPICS.ready,
        TOPICS.status,
        TOPICS.var("m\x9b", "\u2028", "x"),
    )
)
KEYS = st.sampled_from(
    (
        "data",
        "msg_type",
        "id",
        "origin",
        "args",
        "retval",
        "error",
        "type",
        "state",
        "sub_type",
        "event",
        "msg",
    )
)
WORDS = st.sampled_from(("Var", "Cmd", "CmdResult", "RaiseError", "result", "Active", "me"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
    ),
)
PAYLOAD = st.binary() | VALUES.map(lambda value: json.dumps(value).encode())


@given(TOPIC, PAYLOAD)
@example(TOPICS.var(*WHERE, "x"), b'{"data":1e999}')
@example(TOPICS.response(*WHERE, "x", "me"), b'{"data":{"id":1e999,"retval":NaN}}')
@example(TOPICS.command(*WHERE, "x"), b'{"id":1,"origin":"me","args":{"a":1e999}}')
def test_every_message_is_a_line(topic: str, payload: bytes) -> None:
    inbound = Inbound(topic, payload, 1, retain=False)
    message = decode(TOPICS, topic, payload)
    assert as_text(AT, message, inbound).isprintable()
    found = json.loads(as_json(AT, message, inbound), parse_constant=pytest.fail)
    assert found["topic"] == topic
    assert found["kind"] == message.kind


@given(TOPIC, PAYLOAD)
def test_every_line_of_a_recording_is_read_as_its_message(topic: str, payload: bytes) -> None:
    line = write_line(AT, topic, payload)
    if line is None:
        return
    found = read_line(line + "\n")
    assert found is not None
    assert (found.topic, found.at_s) == (topic, AT.timestamp())
    if b"\n" in payload or b"\r" in payload:
        assert json.loads(found.payload) == json.loads(payload)
    else:
        assert found.payload.encode() == payload
