"""Boards in a run configuration: what check-config says of them."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from drivers.yeti_driver.module import YetiDriver
from evse_daemon.config import load
from evse_daemon.config.problems import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "config" / "config-yeti.yaml"


def test_the_example_of_a_charger_with_a_yeti_is_fine() -> None:
    config = load(EXAMPLE, {})
    assert config.warnings == ()
    assert config.modules["yeti_driver"].cls is YetiDriver
    assert "simulat" not in str(sorted(entry.cls.__module__ for entry in config.modules.values()))


def one_module(folder: Path, module: str, **options: Any) -> Path:
    file = folder / "config.yaml"
    lines = [f"      {name}: {value!r}" for name, value in options.items()]
    text = ["active_modules:", "  board:", f"    module: {module}", "    config_module:", *lines]
    file.write_text("\n".join(text), "utf-8")
    return file


WITHOUT_RESET_LINE = [
    ("YetiDriver", {"reset_gpio_chip": ""}),
    ("TIDA010939", {"reset_gpio_chip": ""}),
    ("PhyVersoBSP", {"reset_gpio": -1}),
    ("YetiCanDriver", {"can_device": "can0"}),
]


@pytest.mark.parametrize(("module", "options"), WITHOUT_RESET_LINE)
def test_without_a_reset_line_check_config_says_what_the_board_must_do(
    tmp_path: Path, module: str, options: dict[str, Any]
) -> None:
    (warning,) = load(one_module(tmp_path, module, **options), {}).warnings
    assert warning.line == 5
    assert "no line resets the board" in warning.message
    assert "docs/hardware.md" in warning.message


@pytest.mark.parametrize(("module", "options"), WITHOUT_RESET_LINE)
def test_who_has_seen_the_board_watch_its_host_is_not_warned(
    tmp_path: Path, module: str, options: dict[str, Any]
) -> None:
    assert load(one_module(tmp_path, module, **options, board_watches_host=True), {}).warnings == ()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"link_timeout_s": 0.1}, "link_timeout_s"),
        ({"baud_rate": 300}, "baud_rate"),
        ({"caps_max_current_A": 200}, "caps_max_current_A"),
        ({"serial_prot": "/dev/ttyUSB0"}, "serial_port"),
    ],
)
def test_wrong_options_are_named(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load(one_module(tmp_path, "YetiDriver", **options), {})


@pytest.mark.parametrize("library", ["serial", "cobs", "google.protobuf.message"])
def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    for name in [name for name in sys.modules if name.startswith("drivers.")]:
        monkeypatch.delitem(sys.modules, name)
    real_import = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == library:
            raise ImportError(f"No module named {name!r}")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigurationError, match=r"pip install 'evse-daemon\[serial"):
        load(one_module(tmp_path, "YetiDriver"), {})


def test_the_daemon_itself_needs_none_of_the_libraries() -> None:
    import subprocess

    code = (
        "import sys, evse_daemon.station, evse_daemon.cli.run; "
        "print([n for n in ('serial', 'cobs', 'google.protobuf', 'can', 'pymodbus') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
