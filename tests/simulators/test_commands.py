"""The language of the simulated car."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.ev_manager.commands import (
    KNOWN,
    MAX_SCRIPT_LENGTH,
    NEEDS_ISO_15118,
    DrawPower,
    Pause,
    Plugin,
    ResidualCurrent,
    ScriptError,
    SetSoc,
    ShortDiode,
    ShortPilot,
    Sleep,
    Statement,
    Unplug,
    WaitForPower,
    WaitForRealPlugin,
    parse,
)

FULL_SESSION = (
    Sleep(1),
    WaitForPower(above_percent=7),
    Sleep(1),
    DrawPower(16, three_phases=True, regulated=True),
    Sleep(20),
    Unplug(),
)


@pytest.mark.parametrize(
    "text",
    [
        "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug",
        "sleep 1; iec_wait_pwr_ready ;sleep  1;\tdraw_power_regulated 16 3; sleep 20; unplug;",
        "SLEEP 1\nIEC_wait_pwr_ready\r\nsleep 1\ndraw_power_regulated 16,,3\n\nsleep 20.0;;unplug",
    ],
)
def test_a_session_is_read_however_it_is_spaced(text: str) -> None:
    script = parse(text)
    assert script.statements == FULL_SESSION
    assert script.skipped == ()


@pytest.mark.parametrize(
    ("text", "statement"),
    [
        ("iso_wait_pwm_is_running", WaitForPower(above_percent=4)),
        ("draw_power_fixed 10.5,1", DrawPower(10.5, three_phases=False, regulated=False)),
        ("draw_power_regulated -8,3", DrawPower(-8, three_phases=True, regulated=True)),
        ("draw_power_regulated 8,2", DrawPower(8, three_phases=False, regulated=True)),
        ("pause", Pause()),
        ("error_e", ShortPilot()),
        ("diode_fail", ShortDiode()),
        ("rcd_current 10.3", ResidualCurrent(10.3)),
        ("wait_for_real_plugin", WaitForRealPlugin()),
        ("plugin", Plugin()),
        ("set_soc 80", SetSoc(80)),
    ],
)
def test_every_command_is_known(text: str, statement: Statement) -> None:
    assert parse(text).statements == (statement,)


@pytest.mark.parametrize(
    "text",
    [
        "sleep",
        "sleep 1 2",
        "unplug now",
        "draw_power_regulated 16",
        "sleep soon",
        "sleep nan",
        "sleep inf",
        "sleep -1",
        "sleep 1e30",
        "draw_power_regulated nan,3",
        "rcd_current -1",
        "set_soc 101",
    ],
)
def test_a_statement_with_wrong_arguments_is_skipped_and_named(text: str) -> None:
    script = parse(f"pause;{text};unplug")
    assert script.statements == (Pause(), Unplug())
    assert len(script.skipped) == 1
    assert script.skipped[0].startswith(text)


def test_an_unknown_command_refuses_the_whole_script_and_names_the_known_ones() -> None:
    with pytest.raises(ScriptError, match=r"'fly'.*sleep.*unplug") as caught:
        parse("sleep 1;fly;unplug")
    assert all(name in str(caught.value) for name in KNOWN)


@pytest.mark.parametrize("name", sorted(NEEDS_ISO_15118))
def test_digital_communication_is_refused_by_name(name: str) -> None:
    with pytest.raises(ScriptError, match=f"{name} needs ISO 15118, not supported"):
        parse(f"sleep 1;{name} 1")


@pytest.mark.parametrize("text", ["", ";", " ; \n ;", ","])
def test_an_empty_script_does_nothing(text: str) -> None:
    assert parse(text).statements == ()


def test_a_script_of_any_length_is_not_accepted() -> None:
    assert len(parse("pause;" * 1000).statements) == 1000
    with pytest.raises(ScriptError, match="longer"):
        parse("pause;" * MAX_SCRIPT_LENGTH)


words = st.one_of(
    st.sampled_from([*KNOWN, *NEEDS_ISO_15118, ";", ",", "\n", " ", "1", "-3", "nan"]), st.text(max_size=5)
)


@given(st.lists(words).map(" ".join))
def test_no_script_breaks_the_parser(text: str) -> None:
    try:
        script = parse(text)
    except ScriptError:
        return
    assert len(script.statements) + len(script.skipped) <= text.count(";") + text.count("\n") + 1
