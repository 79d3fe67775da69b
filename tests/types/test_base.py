"""What enters the process is checked strictly; what leaves it is what entered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.types.base import EverestType, Integer, JsonValue, LongString, OpenType, Timestamp
from evse_daemon.types.energy import EnergyFlowRequest, EnforcedLimits
from evse_daemon.types.evse_manager import Limits, SessionEvent
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy, Power

LIMITS = {"max_current": 16, "nr_of_phases_available": 3}


def limits(**changes: Any) -> str:
    return json.dumps(LIMITS | changes)


def test_limits_are_accepted() -> None:
    assert Limits.model_validate_json(limits()) == Limits(max_current=16.0, nr_of_phases_available=3)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_current": float("nan")}, "max_current"),
        ({"max_current": float("inf")}, "max_current"),
        ({"max_current": "16"}, "max_current"),
        ({"max_current": True}, "max_current"),
        ({"max_current": None}, "max_current"),
        ({"max_current": 10**400}, "max_current"),
        ({"nr_of_phases_available": 0}, "nr_of_phases_available"),
        ({"nr_of_phases_available": 4}, "nr_of_phases_available"),
        ({"nr_of_phases_available": 1.5}, "nr_of_phases_available"),
        ({"nr_of_phases_available": True}, "nr_of_phases_available"),
        ({"nr_of_phases_available": "1"}, "nr_of_phases_available"),
        ({"nr_of_phases_available": float("nan")}, "nr_of_phases_available"),
        ({"uuid": None}, "uuid"),
        ({"uuid": 1}, "uuid"),
        ({"uuid": "x" * 10_001}, "uuid"),
        ({"no_such_key": 1}, "no_such_key"),
    ],
)
def test_a_wrong_value_is_refused_and_its_place_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Limits.model_validate_json(limits(**changes))
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "1", '{"max_current": 16}', '"\\ud800"', "\x00"])
def test_what_is_no_such_object_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate_json(text)


def test_an_integer_may_be_written_with_a_point() -> None:
    found = Limits.model_validate_json(limits(nr_of_phases_available=3.0))
    assert found.nr_of_phases_available == 3
    assert type(found.nr_of_phases_available) is int


@pytest.mark.parametrize("value", ["9223372036854775808", "-9223372036854775809", "1e300", "1" * 5000])
def test_an_integer_has_64_bits(value: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Integer).validate_json(value)


def test_null_inside_is_refused_with_its_place() -> None:
    text = (
        '{"timestamp":"2026-01-01T00:00:00Z","energy_Wh_import":{"total":1},"power_W":{"total":1,"L2":null}}'
    )
    with pytest.raises(ValidationError) as caught:
        Powermeter.model_validate_json(text)
    assert caught.value.errors()[0]["loc"] == ("power_W", "L2")


def test_none_is_absent_in_python_and_on_the_wire() -> None:
    assert Power(total=1.0, L1=None).model_dump(exclude_none=True) == {"total": 1.0}
    assert Power(total=1.0).model_dump() == {"total": 1.0, "L1": None, "L2": None, "L3": None}


def test_an_open_type_ignores_what_it_does_not_know() -> None:
    text = '{"uuid":"a","valid_for":10,"limits_root_side":{},"schedule":[],"later":null}'
    assert EnforcedLimits.model_validate_json(text).model_dump(exclude_none=True) == {
        "uuid": "a",
        "valid_for": 10,
        "limits_root_side": {},
        "schedule": [],
    }


def test_models_do_not_change() -> None:
    found = Power(total=1.0)
    with pytest.raises(ValidationError):
        found.total = 2.0  # type: ignore[misc]


def test_python_values_are_checked_too() -> None:
    with pytest.raises(ValidationError):
        Limits(max_current=float("nan"), nr_of_phases_available=3)
    with pytest.raises(ValidationError):
        Limits(max_current=6.0, nr_of_phases_available=0)


def test_a_subclass_may_have_validators_of_its_own() -> None:
    from pydantic import model_validator

    class Odd(OpenType):
        a: int
        b: int | None = None

        @model_validator(mode="after")
        def _odd(self) -> Odd:
            if self.a % 2 == 0:
                raise ValueError("even")
            return self

    assert Odd.model_validate_json('{"a":1}').b is None
    for text in ('{"a":2}', '{"a":1,"b":null}'):
        with pytest.raises(ValidationError):
            Odd.model_validate_json(text)
    assert issubclass(Odd, EverestType)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.123Z",
        "2026-01-01T00:00:00.123456789Z",
        "2026-12-31T23:59:59+02:00",
        "2026-12-31T23:59:59-11:30",
    ],
)
def test_a_timestamp_is_kept_as_written(text: str) -> None:
    assert TypeAdapter(Timestamp).validate_python(text) == text


def test_a_timestamp_in_small_letters_is_readable_afterwards() -> None:
    assert TypeAdapter(Timestamp).validate_python("2026-01-01t00:00:00z") == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Z\n",
        "2026-01-01T00:00:00." + "0" * 100 + "Z",
    ],
)
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Timestamp).validate_python(text)


def test_a_long_string_may_be_longer_but_not_endless() -> None:
    adapter = TypeAdapter(LongString)
    assert adapter.validate_python("x" * 200_000)
    with pytest.raises(ValidationError):
        adapter.validate_python("x" * 200_001)


@pytest.mark.parametrize(
    "text", ["null", "1", "0.5", '"a"', "true", "[1,null]", '{"a":null,"b":[{"c":{}}]}', "[]"]
)
def test_any_json_is_a_json_value(text: str) -> None:
    assert TypeAdapter(JsonValue).validate_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "[1,[-Infinity]]",
        '{"a":{"b":NaN}}',
        "1e400",
        f'["{"x" * 200_001}"]',
        f'{{"{"x" * 200_001}":1}}',
    ],
)
def test_a_json_value_is_finite(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(JsonValue).validate_json(text)


def test_null_inside_a_json_value_survives_the_way_out() -> None:
    given = {"key": "a", "value": {"b": None}}
    assert Kvs.store.arguments_to_jsonable(given) == given


def test_a_tree_too_deep_is_an_error_and_no_crash() -> None:
    text = "%s"
    node = '{"uuid":"a","node_type":"Evse","schedule_import":[],"schedule_export":[],"schedule_setpoints":[],"children":[%s]}'
    for _ in range(500):
        text = text.replace("%s", node)
    with pytest.raises(ValidationError):
        EnergyFlowRequest.model_validate_json(text.replace("%s", ""))


def test_an_event_comes_out_as_it_went_in() -> None:
    text = json.dumps(
        {
            "uuid": "f0c1",
            "timestamp": "2026-01-01T00:00:00.000Z",
            "event": "TransactionFinished",
            "transaction_finished": {
                "meter_value": {
                    "timestamp": "2026-01-01T00:00:00Z",
                    "energy_Wh_import": {"total": 1234.5, "L1": 1234.5},
                    "current_A": {"L1": 0, "N": 0},
                },
                "reason": "EVDisconnected",
                "id_tag": {
                    "id_token": {"value": "04AB", "type": "ISO14443"},
                    "authorization_type": "RFID",
                    "connectors": [1],
                },
            },
        }
    )
    found = EvseManager.session_event.validate_json(text)
    assert isinstance(found, SessionEvent)
    assert found.transaction_finished is not None
    assert found.transaction_finished.meter_value.energy_Wh_import == Energy(total=1234.5, L1=1234.5)
    assert EvseManager.session_event.to_jsonable(found) == json.loads(text)
