"""Two stations on one broker: check-config says where their topics would be the same."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evse_daemon.cli import check_config
from evse_daemon.config import RunConfig

BOARD = "active_modules:\n  board:\n    module: Board\n    config_module: {connector_id: 1}\n"


def station(everest: str = "everest", external: str = "", port: int = 1883) -> str:
    return (
        "settings:\n"
        f"  mqtt_broker_port: {port}\n"
        f"  mqtt_everest_prefix: {everest}\n"
        f"  mqtt_external_prefix: '{external}'\n"
    ) + BOARD


@pytest.mark.parametrize(
    ("everest", "external", "line", "words"),
    [
        (
            "left",
            "",
            3,
            "another such station on this broker hears the same orders",
        ),
        ("left", "left/api/", 4, "lies in the module tree (left/…)"),
        ("left", "site1", 4, "the topics are site1everest_api/…"),
        ("everest", "site1", 4, "the topics are site1everest_api/…"),
    ],
)
def test_a_prefix_that_parts_nothing_is_warned_of(
    good: Callable[..., RunConfig], everest: str, external: str, line: int, words: str
) -> None:
    (warning,) = good(station(everest, external)).warnings
    assert words in warning.message
    assert warning.line == line
    assert warning.hint
    (warning,) = good(
        BOARD, {"EV_MQTT_EVEREST_PREFIX": everest, "EV_MQTT_EXTERNAL_PREFIX": external}
    ).warnings
    assert words in warning.message
    assert warning.message.startswith("EV_MQTT_")


@pytest.mark.parametrize(("everest", "external"), [("everest", ""), ("left", "left_api/"), ("a/b", "a-")])
def test_prefixes_that_part_two_stations(good: Callable[..., RunConfig], everest: str, external: str) -> None:
    assert good(station(everest, external)).warnings == ()


@pytest.mark.usefixtures("_fakes")
@pytest.mark.parametrize(
    ("left", "right", "warned"),
    [
        (station("left", "left_api/"), station("right", "right_api/"), []),
        (station("left", "api/"), station("right", "api/"), ["external"]),
        (station("same", "a/"), station("same", "b/"), ["everest"]),
        (station(), station(), ["everest", "external"]),
        (station(), station(port=1884), []),
        (station("a/b", "l/"), station("a.b", "r/"), ["client id"]),
    ],
)
def test_two_files_are_held_against_each_other(
    left: str,
    right: str,
    warned: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("EV_MQTT_BROKER_HOST", "EV_MQTT_BROKER_SOCKET_PATH", "MQTT_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    files = [tmp_path / "left.yaml", tmp_path / "right.yaml"]
    for file, text in zip(files, (left, right), strict=True):
        file.write_text(text)
    assert check_config.run_all(files) == 0
    out = capsys.readouterr().out
    assert out.count("OK:") == 2
    said = {
        "everest": "has the same everest prefix",
        "external": "has the same external prefix",
        "client id": "gives the same client id",
    }
    assert [name for name, words in said.items() if words in out] == warned
    assert check_config.run_all(files, json=True) == 0
    one, other = json.loads(capsys.readouterr().out)
    assert one["warnings"] == []
    assert len(other["warnings"]) == len(warned)


@pytest.mark.usefixtures("_fakes")
def test_one_bad_file_of_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(BOARD)
    bad.write_text("active_modules: 3\n")
    assert check_config.run_all([good, bad]) == 3
    out = capsys.readouterr().out
    assert "OK: 1 module" in out
    assert str(bad) in out
    assert "1 problem" in out
