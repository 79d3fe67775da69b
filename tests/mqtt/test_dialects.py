"""What goes out, byte for byte, per dialect: seed 000, seed 001, and the captures of the real EVerest."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from evse_daemon.framework.calls import CallError, CallErrorType
from evse_daemon.framework.clock import timestamp
from evse_daemon.framework.errors import Error, Mapping
from evse_daemon.framework.interface import Kind, var
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.mqtt.dialects import DIALECTS, Delivery, DialectName, answering, to_json

ALL: tuple[DialectName, ...] = ("documented", "everest", "classic")

METER = (
    '{"energy_Wh_import":{"total":1234.5},"meter_id":"m","power_W":{"L1":1e-07,"total":0.0},'
    '"timestamp":"2026-03-04T10:15:30.123Z"}'
)
CALL_ID = "59ef6742-6b61-4c60-8fba-4636f8f0023d"
ERROR = Error(
    type="evse_board_support/MREC8EmergencyStop",
    message="estop pressed",
    description="Emergency stop is pressed by the user (required if equipped).",
    severity="High",
    module_id="prov",
    implementation_id="bsp",
    mapping=Mapping(1, 1),
    timestamp=timestamp(dt.datetime(2026, 11, 21, 8, 3, 21, 105_999, dt.UTC)),
    vendor_id="everest",
    uuid="a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d",
)
ERROR_DATA = (
    '{"description":"Emergency stop is pressed by the user (required if equipped).","message":"estop pressed",'
    '"origin":{"implementation_id":"bsp","mapping":{"connector":1,"evse":1},"module_id":"prov"},'
    '"severity":"High","state":"Active","sub_type":"","timestamp":"2026-11-21T08:03:21.105Z",'
    '"type":"evse_board_support/MREC8EmergencyStop","uuid":"a1b2c3d4-e5f6-4a7b-8c9d-0e1f2a3b4c5d",'
    '"vendor_id":"everest"}'
)
ERROR_FLAT = ERROR_DATA.replace(
    '"mapping":{"connector":1,"evse":1},"module_id":"prov"', '"module_id":"prov"'
).replace('"origin":{', '"origin":{"connector":1,"evse":1,')


def text(message: Any) -> str:
    return to_json(message).decode()


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("documented", f'{{"data":{METER},"msg_type":"Var"}}'),
        ("everest", f'{{"data":{{"data":{METER}}},"msg_type":"Var"}}'),
        ("classic", f'{{"data":{METER}}}'),
    ],
)
def test_a_variable(dialect: DialectName, expected: str) -> None:
    value = Powermeter.powermeter.validate_json(METER)
    assert text(DIALECTS[dialect].var(Powermeter.powermeter.to_jsonable(value))) == expected


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "documented",
            f'{{"data":{{"args":{{"key":"k"}},"id":"{CALL_ID}","origin":"cons"}},"msg_type":"Cmd"}}',
        ),
        ("everest", f'{{"data":{{"args":{{"key":"k"}},"id":"{CALL_ID}","origin":"cons"}},"msg_type":"Cmd"}}'),
        ("classic", f'{{"args":{{"key":"k"}},"id":"{CALL_ID}","origin":"cons"}}'),
    ],
)
def test_a_call(dialect: DialectName, expected: str) -> None:
    arguments = Kvs.exists.arguments_to_jsonable({"key": "k"})
    assert text(DIALECTS[dialect].command(CALL_ID, "cons", arguments)) == expected
    assert '"args":{}' in text(DIALECTS[dialect].command(CALL_ID, "cons", {}))


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "documented",
            f'{{"data":{{"id":"{CALL_ID}","origin":"prov","retval":true}},"msg_type":"CmdResult"}}',
        ),
        (
            "everest",
            (
                f'{{"data":{{"data":{{"id":"{CALL_ID}","origin":"prov","retval":true}},"type":"result"}},'
                '"msg_type":"CmdResult"}'
            ),
        ),
        (
            "classic",
            f'{{"data":{{"id":"{CALL_ID}","origin":"prov","retval":true}},"name":"exists","type":"result"}}',
        ),
    ],
)
def test_a_result(dialect: DialectName, expected: str) -> None:
    assert text(DIALECTS[dialect].result("exists", CALL_ID, "prov", retval=True)) == expected
    void = text(DIALECTS[dialect].result("store", 17, "prov", None))
    assert '"id":17,"origin":"prov","retval":null' in void


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "documented",
            (
                '{"data":{"error":{"event":"SchemaValidationFailed","msg":"no"},"id":"x","origin":"prov"},'
                '"msg_type":"CmdResult"}'
            ),
        ),
        (
            "everest",
            (
                '{"data":{"data":{"error":{"__everest__error_msg":"no",'
                '"__everest__error_type":"SchemaValidationError"},"id":"x","origin":"prov"},"type":"result"},'
                '"msg_type":"CmdResult"}'
            ),
        ),
        (
            "classic",
            (
                '{"data":{"error":{"event":"SchemaValidationFailed","msg":"no"},"id":"x","origin":"prov"},'
                '"name":"load","type":"result"}'
            ),
        ),
    ],
)
def test_an_error_result(dialect: DialectName, expected: str) -> None:
    error = CallError("SchemaValidationFailed", "no")
    assert text(DIALECTS[dialect].error_result("load", "x", "prov", error)) == expected


@pytest.mark.parametrize(
    ("ours", "everest"),
    [
        ("MessageParsingFailed", "MessageParsingError"),
        ("SchemaValidationFailed", "SchemaValidationError"),
        ("HandlerException", "HandlerException"),
        ("Timeout", "CmdTimeout"),
        ("Shutdown", "Shutdown"),
        ("NotReady", "NotReady"),
    ],
)
def test_the_names_of_what_went_wrong(ours: CallErrorType, everest: str) -> None:
    error = CallError(ours, "x" * 200_000)
    assert f'"event":"{ours}"' in text(DIALECTS["documented"].error_result("c", 1, "m", error))
    answer = text(DIALECTS["everest"].error_result("c", 1, "m", error))
    assert f'"__everest__error_type":"{everest}"' in answer
    assert len(answer) < 3000


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("documented", f'{{"data":{ERROR_DATA},"msg_type":"RaiseError"}}'),
        ("everest", f'{{"data":{ERROR_DATA},"msg_type":"RaiseError"}}'),
        ("classic", ERROR_FLAT),
    ],
)
def test_an_error_is_raised_and_cleared(dialect: DialectName, expected: str) -> None:
    assert text(DIALECTS[dialect].error(ERROR)) == expected
    cleared = text(DIALECTS[dialect].error(replace(ERROR, state="ClearedByModule")))
    assert cleared == expected.replace('"Active"', '"ClearedByModule"').replace("RaiseError", "ClearError")


@pytest.mark.parametrize("dialect", ALL)
def test_an_error_of_the_station_itself_has_no_mapping(dialect: DialectName) -> None:
    message = text(DIALECTS[dialect].error(replace(ERROR, mapping=None)))
    assert '"origin":{"implementation_id":"bsp","module_id":"prov"}' in message
    partly = text(DIALECTS[dialect].error(replace(ERROR, mapping=Mapping(2))))
    assert '"evse":2' in partly
    assert "connector" not in partly


@pytest.mark.parametrize(
    ("dialect", "module", "station"),
    [
        ("documented", '{"data":true,"msg_type":"ModuleReady"}', '{"data":true,"msg_type":"GlobalReady"}'),
        ("everest", '{"data":true,"msg_type":"ModuleReady"}', '{"data":true,"msg_type":"GlobalReady"}'),
        ("classic", "true", "true"),
    ],
)
def test_ready(dialect: DialectName, module: str, station: str) -> None:
    assert text(DIALECTS[dialect].module_ready()) == module
    assert text(DIALECTS[dialect].all_ready()) == station


def test_metadata_is_everests() -> None:
    provides = {"pm": "powermeter", "bsp": "evse_board_support", "kv": "kvs"}
    assert text(DIALECTS["everest"].metadata("TProv", provides)) == (
        '{"data":{"module":"TProv","provides":{"bsp":{"interface":"evse_board_support"},"kv":{"interface":"kvs"},'
        '"pm":{"interface":"powermeter"}}},"msg_type":"ConfigurationResponse"}'
    )
    assert DIALECTS["documented"].metadata("TProv", provides) is None
    assert DIALECTS["classic"].metadata("TProv", provides) is None


@pytest.mark.parametrize("dialect", ["documented", "classic"])
def test_qos_and_retain_are_those_of_the_description(dialect: DialectName) -> None:
    forms = DIALECTS[dialect]
    assert forms.var_delivery(var(Kind.TELEMETRY)) == Delivery(0, retain=False)
    assert forms.var_delivery(var(Kind.STATE)) == Delivery(1, retain=False)
    assert forms.var_delivery(var(Kind.STATE, retain=True)) == Delivery(1, retain=True)
    assert forms.var_delivery(var(Kind.EVENT, qos=2)) == Delivery(2, retain=False)
    assert forms.command_delivery == forms.error_delivery == Delivery(1, retain=False)
    assert forms.ready_delivery == Delivery(1, retain=True)


def test_everest_has_qos_2_and_retains_nothing() -> None:
    forms = DIALECTS["everest"]
    assert forms.var_delivery(var(Kind.STATE, retain=True)) == Delivery(2, retain=False)
    assert forms.var_delivery(var(Kind.TELEMETRY)) == Delivery(2, retain=False)
    assert {forms.command_delivery, forms.error_delivery, forms.ready_delivery} == {Delivery(2, retain=False)}


@pytest.mark.parametrize(
    ("configured", "enveloped", "answer"),
    [
        ("documented", True, "documented"),
        ("documented", False, "classic"),
        ("everest", True, "everest"),
        ("everest", False, "classic"),
        ("classic", True, "documented"),
        ("classic", False, "classic"),
    ],
)
def test_the_form_of_an_answer(configured: DialectName, enveloped: bool, answer: DialectName) -> None:
    assert answering(DIALECTS[configured], enveloped=enveloped).name == answer


def test_json_is_compact_sorted_utf8_and_never_holds_nan() -> None:
    assert (
        to_json({"b": 16.0, "a": "ä€😀", "aa": [1, None]}) == '{"a":"ä€😀","aa":[1,null],"b":16.0}'.encode()
    )
    assert to_json("\ud800") == b'"?"'
    for value in (float("nan"), float("inf"), -float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            to_json({"a": value})
