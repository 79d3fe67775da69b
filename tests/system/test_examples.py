"""The commands that README.md, docs/watch.md and --help show do what they say, as they are written there."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from evse_daemon.cli.main import parser
from evse_daemon.cli.tree_commands import NAMES
from evse_daemon.exit_codes import ExitCode
from tests.system.clients import EVENTS, TOPICS
from tests.system.conftest import Running, Start
from tests.system.processes import ROOT, until

AT_ONCE_S = 2.0

ANOTHER_HOST = "192.0.2.7"
"""What examples call a broker that is elsewhere."""

_COMMAND = re.compile(rf"^ +(evse-daemon (?:{'|'.join(sorted(NAMES))})\b.*?)(?:   .*)?$", re.MULTILINE)


def of_the_help() -> list[str]:
    top = parser()
    (commands,) = (action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    texts = [top.epilog, *(commands.choices[name].epilog for name in NAMES)]
    return [line for text in texts for line in _COMMAND.findall(text or "")]


def of_a_file(name: str) -> list[str]:
    return _COMMAND.findall((ROOT / name).read_text("utf-8"))


EXAMPLES = sorted({*of_the_help(), *of_a_file("README.md"), *of_a_file("docs/watch.md")})


def test_the_examples_are_found() -> None:
    assert {line.split()[1] for line in of_the_help()} == NAMES
    assert {line.split()[1] for line in of_a_file("docs/watch.md")} == {"watch", "replay", "call"}
    assert {line.split()[1] for line in of_a_file("README.md")} == {"watch", "call", "explain", "status"}


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example(line: str, running: Running, start: Start, tmp_path: Path) -> None:
    environ = {"EV_MQTT_BROKER_HOST": running.broker.host, "EV_MQTT_BROKER_PORT": str(running.broker.port)}
    recording = tmp_path / "daemon" / "session.log"  # where it is started
    recording.parent.mkdir()
    recording.write_text(f'2026-01-01T00:00:00Z {EVENTS} {{"data":{{"event":"Enabled"}}}}\n', "utf-8")
    line = line.replace(ANOTHER_HOST, f"{running.broker.host}:{running.broker.port}")
    daemon = start(shlex.split(line)[1:], environ=environ)
    if shlex.split(line)[1] == "watch":
        until(lambda: "Watching everest/" in daemon.err, what=daemon.describe)
        # Something for each of them to show.
        running.client.publish(EVENTS, '{"data":{"event":"Enabled"},"msg_type":"Var"}')
        running.client.publish(TOPICS.command("yeti_x", "i", "do_power_on"), '{"id":1,"origin":"me"}', qos=0)
        until(lambda: daemon.out, what=daemon.describe)
        daemon.ctrl_c()
        assert daemon.ended(AT_ONCE_S) == ExitCode.OK, daemon.describe()
        return
    assert daemon.ended() == ExitCode.OK, daemon.describe()
    assert "1 messages were replayed" in daemon.err if shlex.split(line)[1] == "replay" else daemon.out
