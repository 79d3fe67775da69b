"""A program on MQTT is the meter."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.powermeter_api.module import powermeter_API
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.types.powermeter import TransactionReq
from tests.everest_api.program import Program
from tests.support.harness import World

METER = ("meter", "main")
READING = {
    "timestamp": "2026-03-04T10:15:00.000Z",
    "energy_Wh_import": {"total": 1234.5},
    "power_W": {"total": 11000.0},
}
REQUEST = TransactionReq(
    evse_id="DE*PNX*1",
    transaction_id="4711",
    identification_status="ASSIGNED",
    identification_flags=[],
    identification_type="ISO14443",
)
SIGNED = {"signed_meter_data": "OCMF|…", "signing_method": "ECDSA", "encoding_method": "OCMF"}


@pytest.fixture
def program() -> Program:
    world = World()
    world.add(powermeter_API, "meter")
    world.start()
    found = Program(world, "powermeter", "meter")
    found.lives()
    return found


def test_readings_and_the_public_key_are_the_meters(program: Program) -> None:
    program.says("powermeter_values", READING)
    program.says("public_key_ocmf", "KEY")
    (reading,) = program.world.published(METER, Powermeter.powermeter)
    assert Powermeter.powermeter.to_jsonable(reading) == READING
    assert program.world.published(METER, Powermeter.public_key_ocmf) == ["KEY"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**READING, "energy_Wh_import": {}},
        {**READING, "timestamp": "now"},
        {**READING, "power_W": 11000.0},
    ],
)
def test_a_reading_that_is_none_is_not_the_meters(program: Program, wrong: dict[str, Any]) -> None:
    program.says("powermeter_values", wrong)
    program.says_text(
        "powermeter_values", '{"timestamp":"2026-03-04T10:15:00Z","energy_Wh_import":{"total":NaN}}'
    )
    assert program.world.published(METER, Powermeter.powermeter) == []


def test_a_transaction_is_signed_by_the_program(program: Program) -> None:
    start = program.world.begin(METER, Powermeter.start_transaction, REQUEST)
    program.world.settle()
    (request,) = program.heard("start_transaction")
    assert request["payload"]["transaction_id"] == "4711"
    program.replies(request, {"status": "OK", "signed_meter_value": SIGNED})
    assert start.outcome is not None
    assert Powermeter.start_transaction.result_to_jsonable(start.outcome[0]) == {  # type: ignore[index]
        "status": "OK",
        "signed_meter_value": SIGNED,
    }
    stop = program.world.begin(METER, Powermeter.stop_transaction, "4711")
    program.world.settle()
    (request,) = program.heard("stop_transaction")
    assert request["payload"] == "4711"
    program.replies(
        request, {"status": "OK", "start_signed_meter_value": SIGNED, "signed_meter_value": SIGNED}
    )
    assert stop.outcome is not None
    assert stop.outcome[0].signed_meter_value is not None  # type: ignore[index]


def test_a_meter_that_does_not_reply_says_so_before_the_kernel_gives_up(program: Program) -> None:
    start = program.world.begin(METER, Powermeter.start_transaction, REQUEST)
    stop = program.world.begin(METER, Powermeter.stop_transaction, "4711")
    program.lives_for(30)
    for call in (start, stop):
        assert isinstance(call.outcome, tuple)
        assert call.outcome[0].status == "UNEXPECTED_ERROR"


def test_a_meter_whose_program_is_lost_is_an_error_of_the_meter(program: Program) -> None:
    program.world.advance(6)
    assert program.world.errors(METER) == ["powermeter/CommunicationFault"]
    program.lives()
    assert program.world.errors(METER) == []
