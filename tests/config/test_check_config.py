"""The command check-config."""

import json
from pathlib import Path

import pytest

from evse_daemon.cli import check_config

GOOD = "active_modules:\n  board:\n    module: Board\n    config_module: {connector_id: 1}\n"
WARNED = "settings: {run_as_user: everest}\n" + GOOD

pytestmark = pytest.mark.usefixtures("_fakes")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "EV_MQTT_BROKER_HOST",
        "EV_MQTT_BROKER_SOCKET_PATH",
        "MQTT_SERVER_ADDRESS",
        "MQTT_SERVER_PORT",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "my.yaml"


def test_a_good_file(file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(GOOD)
    assert check_config.run(file) == 0
    assert (
        capsys.readouterr().out == "OK: 1 module, broker localhost:1883, prefix everest, dialect documented\n"
    )
    monkeypatch.setenv("MQTT_SERVER_ADDRESS", "other")
    assert check_config.run(file) == 0
    assert "broker other:1883" in capsys.readouterr().out


def test_warnings_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(WARNED)
    assert check_config.run(file) == 0
    first, _, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"warning: {file}:1: key 'run_as_user' of settings has no effect yet")
    assert last.startswith("OK:")
    assert last.endswith("1 warning")


def test_a_bad_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace("connector_id", "conector_id"))
    assert check_config.run(str(file)) == 3
    out = capsys.readouterr().out
    assert f"{file}:4: unknown option 'conector_id' of Board\n    did you mean 'connector_id'?\n" in out
    assert out.endswith("2 problems\n")


def test_json_for_programs(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(WARNED)
    assert check_config.run(file, json=True) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["modules"], report["problems"]) == (True, 1, [])
    assert report["warnings"][0]["line"] == 1
    file.write_text("")
    assert check_config.run(file, json=True) == 3
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["problems"][0]["message"]) == (False, "the file is empty")
