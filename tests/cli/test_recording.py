"""The lines of a recording: seed 000's own, and whatever recorders of MQTT write beside them."""

from __future__ import annotations

import datetime as dt
import re
import subprocess

import pytest

from evse_daemon.cli.recording import Line, read_line, write_line
from evse_daemon.cli.replay import Pace
from evse_daemon.mqtt.topics import Topics

TOPIC = Topics().var("evse_manager", "evse", "session_event")
AT = dt.datetime(2026, 3, 4, 10, 15, 30, 123456, dt.UTC)
PAYLOAD = '{"data":{"event":"Enabled","text":"a  b"},"msg_type":"Var"}'


def line_of(payload: bytes, topic: str = TOPIC) -> str:
    line = write_line(AT, topic, payload)
    assert line is not None
    return line


@pytest.mark.parametrize("payload", [PAYLOAD, "true", "", " a  b ", "é"])
def test_a_message_comes_back_as_it_was(payload: str) -> None:
    assert read_line(line_of(payload.encode()) + "\n") == Line(AT.timestamp(), TOPIC, payload)


def test_the_seeds_own_commands_take_a_line_apart() -> None:
    line = line_of(PAYLOAD.encode())
    for fields, expected in (("2", TOPIC), ("3-", PAYLOAD)):
        cut = subprocess.run(
            ["cut", "-d ", f"-f{fields}"], input=line, text=True, capture_output=True, check=True
        )
        assert cut.stdout.rstrip("\n") == expected


@pytest.mark.parametrize(
    ("line", "time"),
    [
        (f"2026-03-04T10:15:30.123456Z {TOPIC} {PAYLOAD}", AT.timestamp()),
        (f"2026-03-04T11:15:30.123456+01:00 {TOPIC} {PAYLOAD}", AT.timestamp()),
        (f"2026-03-04 10:15:30.123456 {TOPIC} {PAYLOAD}", AT.replace(tzinfo=None).timestamp()),
        (f"{TOPIC} {PAYLOAD}", None),
    ],
    ids=["ours", "with a zone", "mosquitto_sub and ts", "mosquitto_sub"],
)
def test_lines_of_other_recorders(line: str, time: float | None) -> None:
    assert read_line(line) == Line(time, TOPIC, PAYLOAD)


def test_json_with_line_breaks_stays_one_line_and_the_same_json() -> None:
    line = line_of(b'{\n  "data":\r\n 1}')
    assert "\n" not in line
    assert read_line(line) == Line(AT.timestamp(), TOPIC, '{   "data":  1}')


@pytest.mark.parametrize("payload", [b"\xff", b"two\nlines", b"[" * 100_000 + b"\n"])
def test_what_no_line_can_hold_is_left_out(payload: bytes) -> None:
    assert write_line(AT, TOPIC, payload) is None


@pytest.mark.parametrize("line", ["", "\n", "# 5 messages are missing: the disk was too slow"])
def test_what_is_no_message_is_passed_over(line: str) -> None:
    assert read_line(line) is None


@pytest.mark.parametrize("line", ["everest/# x", "2026-13-04T10:15:30Z everest/x 1", " leading"])
def test_what_is_no_recording_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=re.compile("not TIME TOPIC PAYLOAD|no such time")):
        read_line(line)


def test_messages_are_as_far_apart_as_they_were() -> None:
    pace = Pace(speed=2.0)
    assert [pace.wait_s(at_s) for at_s in (100.0, 103.0, 103.0, 90.0, 91.0)] == [0.0, 1.5, 0.0, 0.0, 0.5]


def test_messages_without_a_time_are_as_far_apart_as_the_seed_says() -> None:
    assert Pace(speed=1.0).wait_s(None) == 0.1
