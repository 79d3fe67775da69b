"""Errors raised by hand: every name, and everything that is no such name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.framework.interface import ArgumentError
from evse_daemon.types.error_lists import error_types
from simulators.yeti_simulator.error_injection import INJECTABLE, Injection, parse
from simulators.yeti_simulator.module import YetiSimulator


def test_there_are_37_names_and_each_belongs_to_an_interface_that_declares_it() -> None:
    assert len(INJECTABLE) == 37
    for implementation_id, type_ in INJECTABLE.values():
        assert type_ in error_types(YetiSimulator.provides[implementation_id].interface.error_namespaces)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MREC6UnderVoltage", ("board_support", "evse_board_support/MREC6UnderVoltage")),
        ("ac_rcd_DC", ("rcd", "ac_rcd/DC")),
        ("lock_VendorError", ("connector_lock", "connector_lock/VendorError")),
        ("powermeter/CommunicationFault", ("powermeter", "powermeter/CommunicationFault")),
    ],
)
def test_a_name_raises_on_the_implementation_it_belongs_to(name: str, expected: tuple[Any, str]) -> None:
    assert parse(json.dumps({"error_type": name, "raise": "true"})) == Injection(*expected, active=True)
    assert parse(json.dumps({"error_type": name, "raise": "false"})) == Injection(*expected, active=False)


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ("", "JSON"),
        ("null", "valid dictionary|object"),
        ("[]", "valid dictionary|object"),
        ('{"error_type": "DiodeFault"}', "raise"),
        ('{"raise": "true"}', "error_type"),
        ('{"error_type": "DiodeFault", "raise": true}', "raise"),
        ('{"error_type": "DiodeFault", "raise": "yes"}', "raise"),
        ('{"error_type": 1, "raise": "true"}', "error_type"),
        ('{"error_type": "NoSuchError", "raise": "true"}', "NoSuchError.*MREC26CutCable"),
        ('{"error_type": "%s", "raise": "true"}' % ("x" * 10_000), "error_type"),
    ],
)
def test_a_bad_payload_is_refused_with_what_is_wrong(payload: str, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        parse(payload)


@given(st.text())
def test_no_payload_breaks_the_parser(payload: str) -> None:
    with pytest.raises(ArgumentError):
        parse(payload)
