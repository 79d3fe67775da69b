"""``evse-daemon support-bundle``: what is there is in it, no secret is, and nothing that is broken ends it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config.units import state_folder, unit_of
from evse_daemon.modules.error_history import table
from evse_daemon.modules.error_history.history import Entry
from evse_daemon.store import SqliteJournal
from evse_daemon.store.module_database import ModuleDatabase
from evse_daemon.support_bundle.collecting import Part, ask, collect

BROKER_PASSWORD = "Xy7-brk/pw w!th"
CONFIG_SECRET = "cfg-Sec_9931"
ENV_SECRET = "env-Sec_5521"
CARD = "04A1B2C3D4E5F6"
PARENT = "Fleet77"
LISTED = "Listed4711"
MASTER = "master-Grp1"
SIGNED = "OCMF|{ID-of-the-card}"
PEM = "MIIEvQIBADANBgkq"
PIN = 48213
SECRETS = (
    BROKER_PASSWORD, CONFIG_SECRET, ENV_SECRET, CARD, PARENT, LISTED, MASTER, SIGNED, PEM, str(PIN), "alice-user",
)  # fmt: skip

CONFIG: dict[str, dict[str, Any]] = {
    "settings": {"mqtt_broker_host": f"alice-user:{CONFIG_SECRET}@127.0.0.1", "mqtt_broker_port": 1},
    "daemon": {
        "state_dir": "state",
        "broker": {
            "user": "alice-user",
            "password_file": "pw",
            "tls": {"key_file": "key.pem", "cert_file": "key.pem"},
        },
    },
    "active_modules": {
        "auth_list": {
            "module": "LocalAllowlistTokenValidator",
            "config_module": {"allowlist_file": "allowlist"},
        },
        "auth_x": {
            "module": "DummyTokenValidator",
            "config_implementation": {
                "main": {"validation_result": "Accepted", "validation_reason": MASTER, "sleep": 0.25}
            },
        },
        "history": {
            "module": "ErrorHistory",
            "config_implementation": {"error_history": {"database_path": "errors.db"}},
        },
    },
}

LOG = f"""\
2026-11-21T10:00:00 evse-daemon[1]: SessionStarted module=evse_manager session=9f1c2d3e-aaaa-4bbb-8ccc-0123456789ab
2026-11-21T10:00:01 evse-daemon[1]: token {CARD} by {CARD.lower()} of {PARENT.upper()}, listed {LISTED.lower()}
2026-11-21T10:00:02 evse-daemon[1]: login with {BROKER_PASSWORD!r} as alice-user failed: {CONFIG_SECRET} {ENV_SECRET}
2026-11-21T10:00:03 evse-daemon[1]: group {MASTER} pin={PIN} mqtt://u:{CONFIG_SECRET}@h
"""

PROGRAM = """#!/bin/sh
{}
"""


class Charger:
    """Files of a station that somebody has planted secrets in, and programs of the machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.bin = folder / "bin"
        self.config = folder / "config.yaml"
        for path in (self.state, self.bin):
            path.mkdir()
        self.write_config(CONFIG)
        (folder / "pw").write_text(BROKER_PASSWORD + "\n")
        (folder / "key.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{PEM}\n-----END PRIVATE KEY-----\n")
        (folder / "allowlist").write_text(f"# cards\n{LISTED} 1\n")
        (folder / "log").write_text(LOG)
        self.program("journalctl", f"echo unit: $2; cat {folder}/log")
        self.program("systemctl", "echo ActiveState=active")
        self.program("ip", "echo can0: state UP")
        self.program("timedatectl", "echo NTPSynchronized=yes")
        self.program("mosquitto", "echo mosquitto version 2.0.18")
        asyncio.run(self._sessions())
        errors = ModuleDatabase(self.state / "errors.db", table.SCHEMA, 1 << 20)
        entry = Entry(
            "u1", "evse_manager/Internal", f"of {CONFIG_SECRET}", f"the card {CARD} of {MASTER}", "evse_manager",
            "evse", "2026-11-21T10:00:00.000Z", "High", "Active", f"password={CONFIG_SECRET}", "everest",
        )  # fmt: skip
        errors.now(lambda connection: table.write([entry], [], connection))
        errors.close()

    def write_config(self, config: Mapping[str, Any]) -> None:
        self.config.write_text(yaml.safe_dump(config))

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(PROGRAM.format(script))
        path.chmod(0o755)

    async def _sessions(self) -> None:
        journal = SqliteJournal(self.state / "journal.db", asyncio.get_running_loop())
        card = {"value": CARD, "type": "ISO14443"}
        for number in range(3):
            about = {
                "session_id": f"session-{number}",
                "evse": 1,
                "timestamp": f"2026-11-21T1{number}:00:00.000Z",
                "meter_value": {
                    "timestamp": "2026-11-21T10:00:00.000Z",
                    "energy_Wh_import": {"total": 17.5},
                    "signed_meter_value": {"signed_meter_data": SIGNED},
                },
            }
            id_tag = {
                "id_token": card if number < 2 else {"value": "another1", "type": "Local"},
                "authorization_type": "RFID",
                "parent_id_token": {"value": PARENT, "type": "Central"},
                "certificate": PEM,
            }
            journal.append(
                "transaction_started", "evse_manager", {**about, "id_tag": id_tag, "new": CONFIG_SECRET}, _ok
            )
            if number < 2:
                end = {**about, "reason": "Local", "signed_meter_value": {"signed_meter_data": SIGNED}}
                journal.append("transaction_finished", "evse_manager", end, _ok)
        assert journal.close()

    def bundle(self, *more: str, before: Sequence[str] = (), **environ: str) -> Bundle:
        made = subprocess.run(
            [
                *before,
                sys.executable,
                "-m",
                "evse_daemon.cli.main",
                "support-bundle",
                str(self.config),
                *more,
            ],
            cwd=self.folder,
            capture_output=True,
            timeout=100,
            check=False,
            env={
                "PATH": f"{self.bin}:/usr/bin:/bin",
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "MQTT_API_TOKEN": ENV_SECRET,
                "SOME_PASSWORD": ENV_SECRET,
                "EV_MQTT_EVEREST_PREFIX": "station_7",
                **environ,
            },
        )
        return Bundle(self.folder, made)


class Bundle:
    def __init__(self, folder: Path, made: subprocess.CompletedProcess[bytes]) -> None:
        self.status = made.returncode
        self.out, self.err = made.stdout, made.stderr.decode()
        self.path = folder / made.stdout.decode("utf-8", "replace").strip() if self.status == 0 else None
        self.files: dict[str, str] = {}
        content = self.path.read_bytes() if self.path is not None and self.path.is_file() else made.stdout
        if self.status == 0:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    assert file is not None
                    self.files[member.name.partition("/")[2]] = file.read().decode()

    def parts(self) -> dict[str, Any]:
        return {part["part"]: part for part in json.loads(self.files["manifest.json"])["parts"]}

    def missing(self) -> dict[str, str]:
        return {
            name: f"{part['status']}: {part['reason']}"
            for name, part in self.parts().items()
            if part["status"] != "ok"
        }


def _ok(problem: str | None) -> None:
    assert problem is None


@pytest.fixture
def charger(tmp_path: Path) -> Charger:
    return Charger(tmp_path)


def holds_no_secret(bundle: Bundle, but: Sequence[str] = ()) -> None:
    everything = "\n".join(f"{name}\n{text}" for name, text in bundle.files.items()) + bundle.err
    for secret in set(SECRETS) - set(but):
        for form in (secret, json.dumps(secret)[1:-1], secret.lower(), secret.upper()):
            assert form not in everything, secret


def test_the_bundle_of_a_charger_whose_daemon_is_dead(charger: Charger) -> None:
    bundle = charger.bundle()
    assert bundle.status == 0, bundle.err
    assert bundle.path is not None
    assert stat.S_IMODE(bundle.path.stat().st_mode) == 0o600
    holds_no_secret(bundle)
    assert bundle.missing() == {}
    used = yaml.safe_load(bundle.files["configuration/as-used.yaml"])
    assert used["settings"]["mqtt_everest_prefix"] == "station_7"
    assert used["settings"]["mqtt_broker_host"] == "[left out]@127.0.0.1"
    assert used["active_modules"]["auth_list"]["module"] == "LocalAllowlistTokenValidator"
    assert json.loads(bundle.files["environment.json"]) == {"EV_MQTT_EVEREST_PREFIX": "station_7"}
    assert json.loads(bundle.files["check-config.json"])["ok"] is True
    assert bundle.files["explain.txt"].startswith("exit status 4\n"), "why it did not answer"
    assert json.loads(bundle.files["versions.json"])["mosquitto"] == "mosquitto version 2.0.18"
    assert "SessionStarted" in bundle.files["log.txt"]
    assert "ActiveState=active" in bundle.files["systemd.txt"]
    assert "can0" in bundle.files["network.txt"]
    assert "journal.db" in bundle.files["disk.txt"]
    assert "NTPSynchronized" in bundle.files["clock.txt"]
    [error] = json.loads(bundle.files["errors-history.json"])
    assert error["type"] == "evse_manager/Internal"


def test_the_doctor_in_the_bundle_looks_where_the_bundle_looks(charger: Charger) -> None:
    moved = charger.state.rename(charger.folder / "elsewhere")
    bundle = charger.bundle("--state-dir", str(moved))
    report = json.loads(bundle.files["doctor.json"])
    said = {(found["subject"], found["message"]) for found in report["findings"]}
    assert (f"state {moved}", "can be written") in said
    assert (f"state {moved} journal.db", "whole") in said
    assert not [message for _, message in said if "daemon runs" in message], "the bundle is no daemon"
    assert bundle.missing() == {}
    holds_no_secret(bundle)


def test_sessions_tell_equal_cards_apart_from_others_and_the_log_names_them_the_same(
    charger: Charger,
) -> None:
    bundle = charger.bundle()
    lines = [json.loads(line) for line in bundle.files["sessions.jsonl"].splitlines()]
    assert [(line["kind"], line["session_id"], line.get("open")) for line in lines] == [
        ("transaction_started", "session-0", None),
        ("transaction_finished", "session-0", None),
        ("transaction_started", "session-1", None),
        ("transaction_finished", "session-1", None),
        ("transaction_started", "session-2", True),
    ]
    cards = [line["id_tag"][0] for line in lines if "id_tag" in line]
    assert cards[0] == cards[1] != cards[2]
    assert f"token {cards[0]} by {cards[0]}" in bundle.files["log.txt"]
    assert (lines[1]["module"], lines[1]["evse"], lines[1]["reason"]) == ("evse_manager", 1, "Local")
    assert lines[1]["meter_value"]["energy_Wh_import"] == {"total": 17.5}


def test_to_standard_output_and_to_a_file(charger: Charger) -> None:
    assert "manifest.json" in charger.bundle("--output", "-").files
    target = charger.folder / "b.tar.gz"
    target.write_text("an old one")
    target.chmod(0o644)
    assert charger.bundle("--output", str(target)).status == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert tarfile.is_tarfile(target)
    assert [path.name for path in charger.folder.iterdir() if path.name.startswith(".")] == []
    nowhere = charger.bundle("--output", str(charger.folder / "no" / "b.tar.gz"))
    assert nowhere.status == 1
    assert "cannot be written" in nowhere.err


def test_a_configuration_that_cannot_be_used(charger: Charger) -> None:
    daemon = {
        **CONFIG["daemon"],
        "ready_within_s": CONFIG_SECRET,
        "password": CONFIG_SECRET,
        "log_level": MASTER,
    }
    modules = {
        **CONFIG["active_modules"],
        "x": {"module": "NoSuch", "config_module": {"pin": PIN, "a": MASTER}},
    }
    charger.write_config({**CONFIG, "daemon": daemon, "active_modules": modules, "pin": PIN})
    bundle = charger.bundle("--state-dir", str(charger.state))
    assert bundle.status == 0
    holds_no_secret_but_cards(bundle, CONFIG_SECRET, MASTER, str(PIN))
    report = json.loads(bundle.files["check-config.json"])
    assert report["ok"] is False
    assert "daemon.ready_within_s" in [problem["path"] for problem in report["problems"]]
    assert "configuration/as-written.yaml" in bundle.files
    assert "sessions.jsonl" in bundle.files


def holds_no_secret_but_cards(bundle: Bundle, *secrets: str) -> None:
    everything = "\n".join(bundle.files.values()) + bundle.err
    for secret in secrets:
        assert secret not in everything


@pytest.mark.parametrize("text", [f"a: [\n password {CONFIG_SECRET}", "\0", "", f"{CONFIG_SECRET}", "- 1"])
def test_a_file_that_is_no_configuration(charger: Charger, text: str) -> None:
    charger.config.write_text(text)
    (charger.folder / "log").write_text("nothing\n")
    bundle = charger.bundle("--state-dir", str(charger.state))
    assert bundle.status == 0
    assert CONFIG_SECRET not in "".join(bundle.files.values())
    assert "sessions.jsonl" in bundle.files
    assert "versions.json" in bundle.files


def test_no_configuration_and_no_state_at_all(charger: Charger) -> None:
    charger.config.unlink()
    bundle = charger.bundle("--state-dir", str(charger.folder / "nowhere"))
    assert bundle.status == 0
    assert "No such file" in bundle.missing()["read the configuration"]
    assert "No such file" in bundle.missing()["sessions"]
    assert "not in it: sessions" in bundle.err
    assert "log.txt" in bundle.files


@pytest.mark.parametrize("damage", ["garbage", "cut", "folder"])
def test_databases_that_are_damaged(charger: Charger, damage: str) -> None:
    for name in ("journal.db", "errors.db"):
        path = charger.state / name
        whole = path.read_bytes()
        for part in charger.state.glob(f"{name}*"):
            part.unlink()
        if damage == "folder":
            path.mkdir()
        else:
            path.write_bytes(b"x" * 5000 if damage == "garbage" else whole[: len(whole) // 2])
    before = {path.name for path in charger.state.iterdir()}
    bundle = charger.bundle()
    assert bundle.status == 0
    assert {"sessions", "errors"} <= set(bundle.missing())
    assert "log.txt" in bundle.files
    assert {path.name for path in charger.state.iterdir()} >= before, "nothing is moved aside or removed"


def test_what_is_read_is_not_changed(charger: Charger) -> None:
    before = {path: path.read_bytes() for path in charger.state.iterdir() if path.suffix == ".db"}
    charger.bundle()
    assert {path: path.read_bytes() for path in before} == before


def without_rights() -> list[str]:
    """Has a program obey the modes of files, as users do and root does not."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root reads everything, and there is no setpriv (util-linux)")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


def test_a_user_who_may_not_read_the_state(charger: Charger) -> None:
    charger.state.chmod(0)
    bundle = charger.bundle(before=without_rights())
    charger.state.chmod(0o700)
    assert bundle.status == 0, bundle.err
    assert "Permission denied" in bundle.missing()["sessions"]
    assert "Permission denied" in bundle.missing()["errors"]
    assert {"log.txt", "configuration/as-used.yaml", "versions.json", "clock.txt"} <= bundle.files.keys()
    holds_no_secret(bundle, but=(PARENT,))  # a name that only the journal knows for a card's


def test_a_user_who_may_not_read_the_configuration(charger: Charger) -> None:
    charger.config.chmod(0)
    bundle = charger.bundle("--state-dir", str(charger.state), before=without_rights())
    assert bundle.status == 0, bundle.err
    assert "Permission denied" in bundle.missing()["read the configuration"]
    assert {"log.txt", "sessions.jsonl", "versions.json"} <= bundle.files.keys()


def test_programs_that_are_not_there_fail_or_print_for_ever(charger: Charger) -> None:
    for name in ("journalctl", "timedatectl", "mosquitto"):
        (charger.bin / name).unlink()
    charger.program("systemctl", "exit 3")
    charger.program("ip", "yes can0")
    bundle = charger.bundle(PATH=str(charger.bin))
    assert bundle.status == 0
    assert bundle.missing()["log"] == "absent: journalctl is not installed"
    assert json.loads(bundle.files["versions.json"])["mosquitto"].startswith(("not installed", "mosquitto"))
    network = bundle.parts().get("network", {})
    assert network["status"] in ("ok", "failed"), "yes is not on this PATH"


def test_the_end_of_a_long_log_is_kept(charger: Charger) -> None:
    big = charger.folder / "big.log"
    with big.open("w") as file:
        for number in range(110_000):
            file.write(f"line {number} {'of a log ' * 10}\n")
        file.write("the last line\n")
    charger.program("journalctl", f"/bin/cat {big}")
    bundle = charger.bundle("--log", str(big))
    for name in ("log.txt", "log-big.log.txt"):
        assert bundle.files[name].endswith("the last line\n")
        assert len(bundle.files[name]) <= 10 << 20
    assert bundle.parts()["log"]["files"][0]["cut"] is True


def test_a_program_that_prints_for_ever_is_ended() -> None:
    said = ask(["/bin/sh", "-c", "while :; do echo x; done"], 0.3, 1000)
    assert said.status is None
    assert (len(said.text), said.cut) == (1000, True)


def test_a_program_whose_child_hangs_is_ended_with_it() -> None:
    said = ask(["/bin/sh", "-c", "echo begun; sleep 60 & wait"], 0.3, 1000)
    assert (said.text, said.status) == ("begun\n", None)


def test_a_part_that_hangs_or_raises_is_a_line() -> None:
    def hang() -> tuple[()]:
        time.sleep(30)
        return ()

    def fail() -> tuple[()]:
        raise RuntimeError("so it is")

    late, failed = collect(Part("late", hang, 0.01)), collect(Part("failed", fail, 5))
    assert (late.status, late.reason) == ("too late", "not done within 0.01 s")
    assert (failed.status, failed.reason) == ("failed", "RuntimeError: so it is")


@pytest.mark.parametrize(
    ("config", "unit", "state"),
    [
        ("/etc/evse-daemon/config.yaml", "evse-daemon.service", "/var/lib/evse-daemon"),
        ("/etc/evse-daemon/left.yaml", "evse-daemon@left.service", "/var/lib/evse-daemon/left"),
        ("/home/me/left.yaml", "evse-daemon.service", "/srv/state"),
    ],
)
def test_log_and_state_are_those_of_the_unit_which_runs_the_configuration(
    config: str, unit: str, state: str
) -> None:
    assert unit_of(Path(config)) == unit
    assert state_folder(Path(config), None, Path("/srv/state")) == Path(state)
    assert state_folder(Path(config), Path("given"), Path("/srv/state")) == Path("given")
