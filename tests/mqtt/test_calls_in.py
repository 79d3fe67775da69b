"""What a client may write on the topic of a command."""

from __future__ import annotations

import pytest

from evse_daemon.framework.calls import CallError
from evse_daemon.mqtt.calls_in import UnanswerableError, arguments_as_json, read_call

BARE = b'{"id":"1","origin":"api","args":{"a":1}}'


@pytest.mark.parametrize(
    ("payload", "enveloped"),
    [(BARE, False), (b'{"data":' + BARE + b',"msg_type":"Cmd"}', True)],
)
def test_both_forms(payload: bytes, enveloped: bool) -> None:
    call = read_call(payload)
    assert (call.id, call.origin, call.enveloped, call.arguments) == ("1", "api", enveloped, {"a": 1})
    assert call.problem is None


@pytest.mark.parametrize("args", ["", ',"args":null', ',"args":{}'])
def test_arguments_may_be_absent(args: str) -> None:
    call = read_call(f'{{"id":17,"origin":"api"{args}}}'.encode())
    assert call.id == 17
    assert call.arguments == {}
    assert call.problem is None


@pytest.mark.parametrize("call_id", ["true", "17", "1.5", '"ä 😀"', '""'])
def test_an_id_is_any_scalar(call_id: str) -> None:
    assert read_call(f'{{"id":{call_id},"origin":"a"}}'.encode()).problem is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"17",
        b"{}",
        b'{"data":{}}',
        b'{"data":5,"msg_type":"Cmd"}',
        b"[" * 100_000,
        b'{"id":"1","origin":"a","args":' + b'{"x":' * 50_000 + b"1" + b"}" * 50_001,
        b'{"id":' + b"1" * 5000 + b',"origin":"a"}',
        b'{"id":null,"origin":"a"}',
        b'{"id":[1],"origin":"a"}',
        b'{"id":1e999,"origin":"a"}',
        b'{"id":"' + b"x" * 257 + b'","origin":"a"}',
        b'{"id":"\\ud800","origin":"a"}',
        b'{"id":"1"}',
        b'{"id":"1","origin":1}',
        b'{"id":"1","origin":""}',
        b'{"id":"1","origin":"a/b"}',
        b'{"id":"1","origin":"+"}',
        b'{"id":"1","origin":"#"}',
        b'{"id":"1","origin":"a\\u0000"}',
        b'{"id":"1","origin":"a\\n"}',
        b'{"id":"1","origin":"\\udc00"}',
        b'{"id":"1","origin":"' + b"x" * 129 + b'"}',
    ],
)
def test_nobody_to_answer_to(payload: bytes) -> None:
    with pytest.raises(UnanswerableError) as caught:
        read_call(payload)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b'{"id":"1","origin":"a","args":[1]}', "args: must be an object"),
        (b'{"id":"1","origin":"a","args":"x"}', "args: must be an object"),
        (b'{"id":"1","origin":"a","args":{"x":NaN}}', "NaN"),
        (b'{"id":"1","origin":"a","args":{"x":-Infinity}}', "-Infinity"),
        (b'{"data":{"id":"1","origin":"a"},"msg_type":"Var"}', "msg_type: must be 'Cmd'"),
        (b'{"data":{"id":"1","origin":"a"}}', "it is missing"),
    ],
)
def test_wrong_but_answerable(payload: bytes, words: str) -> None:
    call = read_call(payload)
    assert call.problem is not None
    assert call.problem.type == "MessageParsingFailed"
    assert words in call.problem.message
    assert call.arguments == {}


def test_numbers_beyond_json() -> None:
    call = read_call(b'{"id":"1","origin":"a","args":{"x":[1e999]}}')
    with pytest.raises(CallError, match="x: a number is too large"):
        arguments_as_json(call.arguments)
