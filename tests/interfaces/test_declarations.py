"""What holds for every interface, whatever EVerest says of it."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from evse_daemon.framework.interface import Interface, Kind
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.energy_manager import EnergyManager
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.ocpp import Ocpp
from evse_daemon.types.error_lists import ERRORS, description, error_types
from evse_daemon.types.ocpp import SecurityEvent
from tests.interfaces.declared import INTERFACES

EACH = pytest.mark.parametrize("interface", INTERFACES.values(), ids=INTERFACES)


@EACH
def test_an_interface_has_the_name_of_its_file(interface: type[Interface]) -> None:
    assert interface.__module__.rpartition(".")[2] == interface.interface_name
    assert interface.__name__.lower() == interface.interface_name.replace("_", "").lower()
    assert interface.__doc__


@EACH
def test_every_part_is_named_as_it_is_found_and_has_types(interface: type[Interface]) -> None:
    for name, variable in interface.vars.items():
        assert (variable.name, variable.interface) == (name, interface)
        assert isinstance(variable.adapter, TypeAdapter)
    for name, command in interface.commands.items():
        assert (command.name, command.interface) == (name, interface)
        assert isinstance(command.result, TypeAdapter)
        assert all(isinstance(adapter, TypeAdapter) for adapter in command.arguments.values())
        assert command.doc
        assert command.timeout_s > 0


@EACH
def test_quality_of_service_follows_from_the_kind(interface: type[Interface]) -> None:
    for variable in interface.vars.values():
        expected = 0 if variable.kind is Kind.TELEMETRY else 1
        if variable.name in {
            "session_event",
            "ocpp_transaction_event",
            "ocpp_transaction_event_response",
        }:
            expected = 2
        assert variable.qos == expected, variable
        assert variable.retain == (variable.name == "ready"), variable


def test_hardware_is_what_switches_something() -> None:
    assert {name for name, interface in INTERFACES.items() if interface.hardware} == {
        "ac_rcd",
        "connector_lock",
        "ev_board_support",
        "evse_board_support",
        "power_supply_DC",
        "powermeter",
        "serial_communication_hub",
    }


def test_a_validation_may_take_as_long_as_a_csms() -> None:
    assert AuthTokenValidator.validate_token.timeout_s == 90
    assert EvseBoardSupport.allow_power_on.timeout_s == 2


def test_a_variable_and_a_command_may_share_a_name() -> None:
    variable = Ocpp.vars["security_event"]
    assert variable is Ocpp.published_security_event
    assert "published_security_event" not in Ocpp.vars
    assert isinstance(variable.validate_json('{"type":"x"}'), SecurityEvent)
    assert Ocpp.commands["security_event"] is Ocpp.security_event


def test_errors_of_all_namespaces_of_an_interface() -> None:
    found = error_types(EvseBoardSupport.error_namespaces)
    assert {"evse_board_support/MREC14PilotFault", "ac_rcd/DC"} <= found
    assert len(found) == len(ERRORS["evse_board_support"]) + len(ERRORS["ac_rcd"])
    assert error_types(EvseManager.error_namespaces) == {
        f"evse_manager/{name}" for name in ERRORS["evse_manager"]
    }
    assert error_types(EnergyManager.error_namespaces) == frozenset()


def test_errors_have_descriptions() -> None:
    assert "contactor" in description("evse_board_support/MREC17EVSEContactorFault").lower()
    for unknown in ("evse_board_support/Nothing", "nothing/Internal", "Internal", ""):
        with pytest.raises(KeyError):
            description(unknown)
