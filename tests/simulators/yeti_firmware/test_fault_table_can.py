"""Each fault of the board while a car charges, over CAN: as over a serial line, with the same errors and times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulators.yeti_firmware import test_fault_table as table
from tests.support.memory_can import over_memory_can, virtual_loop


@pytest.fixture(autouse=True)
def over_can(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(table, "over_memory", over_memory_can)
    with virtual_loop():
        yield


@pytest.mark.parametrize("fault", table.TABLE, ids=lambda fault: fault.text)
def test_each_fault_while_a_car_charges(fault: table.Fault) -> None:
    table.test_each_fault_in_each_state(fault, table.charging)


def test_a_welded_contactor_is_an_error_that_stays() -> None:
    table.test_a_welded_contactor_is_an_error_that_stays()


def test_a_board_that_cannot_hear_is_named() -> None:
    table.test_a_board_that_cannot_hear_is_named()
