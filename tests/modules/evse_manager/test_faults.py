"""Which errors prevent charging, and what Inoperative says of them (evse-manager.md §4.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager import faults
from evse_daemon.types.error_lists import error_types
from tests.modules.evse_manager.scenario import News, Scenario, cause

WARNINGS = {
    ("bsp", "evse_board_support/MREC3HighTemperature"),
    ("bsp", "evse_board_support/MREC18CableOverTempDerate"),
    ("bsp", "evse_board_support/VendorWarning"),
    ("bsp", "ac_rcd/VendorWarning"),
    ("ac_rcd", "ac_rcd/VendorWarning"),
    ("connector_lock", "connector_lock/VendorWarning"),
    ("powermeter", "powermeter/VendorWarning"),
}

ALL = [
    (source, type_)
    for source, namespaces in {
        "bsp": ("evse_board_support", "ac_rcd"),
        "ac_rcd": ("ac_rcd",),
        "connector_lock": ("connector_lock",),
        "powermeter": ("powermeter",),
    }.items()
    for type_ in sorted(error_types(namespaces))
]


@pytest.mark.parametrize(("source", "type_"), ALL)
@pytest.mark.parametrize("severity", ["Low", "High"])
def test_every_error_but_the_warnings_cuts_power(source: str, type_: str, severity: str) -> None:
    """By type alone: severity makes no difference."""
    evse = Scenario()
    evse.charging()
    news = evse.errors_are(cause(type_, severity, source))
    if (source, type_) in WARNINGS:
        assert news == News()
    else:
        assert news.power == "off"
        assert news.errors == "+Inoperative"
        assert evse.raised.message == type_
        assert evse.raised.severity == "High"


def test_there_are_errors_to_try() -> None:
    assert {source for source, _ in ALL} == {"bsp", "ac_rcd", "connector_lock", "powermeter"}
    assert set(ALL) >= WARNINGS


def test_causes_are_named_in_the_order_of_their_sources() -> None:
    own = cause("evse_manager/MREC9AuthorizationTimeout", source_="evse_manager")
    found = faults.preventing(
        (
            cause("powermeter/CommunicationFault", source_="powermeter"),
            cause("ac_rcd/DC", source_="ac_rcd"),
            cause("connector_lock/ConnectorLockFailedLock", source_="connector_lock"),
            cause("evse_board_support/VendorWarning"),
            cause("evse_board_support/DiodeFault"),
            own,
        )
    )
    assert [each.source for each in found] == [
        "evse_manager",
        "bsp",
        "connector_lock",
        "ac_rcd",
        "powermeter",
    ]


def test_inoperative_names_its_causes() -> None:
    evse = Scenario()
    evse.begin()
    evse.errors_are(
        ev.Cause("ac_rcd", "ac_rcd/DC", "", "High"),
        ev.Cause("bsp", "evse_board_support/VendorError", "E17", "Low", "smoke", "ACME"),
    )
    raised = evse.raised
    assert raised.type == "evse_manager/Inoperative"
    assert raised.sub_type == ""
    assert raised.message == "evse_board_support/VendorError"
    assert raised.description == "VendorError/E17, DC"
    assert raised.vendor_id == "EVerest"


@pytest.mark.parametrize(("vendor", "told"), [("ACME", "ACME"), ("", "EVerest")])
def test_inoperative_may_name_the_first_causes_vendor(vendor: str, told: str) -> None:
    evse = Scenario(inoperative_error_use_vendor_id=True)
    evse.begin()
    evse.errors_are(ev.Cause("bsp", "evse_board_support/VendorError", "", "High", "", vendor))
    assert evse.raised.vendor_id == told


def test_inoperative_is_renewed_when_its_causes_change_and_only_then() -> None:
    evse = Scenario()
    evse.begin()
    diode, tilt = cause("evse_board_support/DiodeFault"), cause("evse_board_support/TiltDetected")
    warning = cause("evse_board_support/VendorWarning")
    assert evse.errors_are(diode) == News(pilot="F", errors="+Inoperative")
    assert evse.errors_are(diode, warning) == News()
    assert evse.errors_are(ev.Cause("bsp", diode.type, "", "Low", "worded anew")) == News()
    assert evse.errors_are(diode, tilt) == News(errors="-Inoperative +Inoperative")
    assert evse.errors_are(tilt, diode) == News()
    assert evse.errors_are(warning) == News(pilot="X1", errors="-Inoperative")


def test_an_error_while_disabled_says_nothing_but_inoperative() -> None:
    """EVerest publishes Disabled again, each time."""
    evse = Scenario()
    evse.begin()
    evse.disable()
    assert evse.errors_are(cause("evse_board_support/DiodeFault")) == News(errors="+Inoperative")
    assert evse.errors_are() == News(errors="-Inoperative")


def fails_idle_board(evse: Scenario) -> None:
    evse.begin()
    assert evse.after(ev.BoardFailed("it refused pwm_on")) == News(
        pilot="F", errors="+Internal/Board +Inoperative"
    )


def fails_idle_lock(evse: Scenario) -> None:
    evse.begin()
    evse.cp("B")
    evse.prompt = False
    assert evse.cp("A") == News("SessionFinished", lock="unlock")
    evse.answer("the motor is blocked")
    assert evse.since_last() == News(pilot="F", errors="+Internal/ConnectorLock +Inoperative")


@pytest.mark.parametrize("fails", [fails_idle_board, fails_idle_lock])
def test_an_own_error_without_a_car_does_not_last_for_ever(fails: Callable[[Scenario], None]) -> None:
    """No car can be seen in state F, and so none could clear it by leaving: what failed is tried again."""
    evse = Scenario()
    fails(evse)
    assert evse.wait(29.9) == News()
    assert evse.wait(0.2).errors.endswith("-Inoperative")
    assert evse.pilot == "X1"
    evse.prompt = True
    assert evse.cp("B").events == "SessionStarted(EVConnected) AuthRequired"


def test_an_own_error_of_a_session_lasts_until_the_car_leaves() -> None:
    evse = Scenario()
    evse.charging()
    assert evse.after(ev.BoardFailed("it refused pwm_on")).power == "off"
    assert evse.wait(3600) == News()
    assert "-Internal/Board" in evse.cp("A").errors
