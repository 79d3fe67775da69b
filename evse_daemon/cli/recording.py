"""The file of ``watch --record``: a line for each message, ``TIME TOPIC PAYLOAD`` (seed 000, "Message Recording").

The topic is the second word and the payload all that follows, so the seed's own ``cut -d' ' -f2`` and ``-f3-`` take it
apart. Read are also what ``mosquitto_sub -v | ts '%Y-%m-%d %H:%M:%.S'`` writes (the time is two words) and
``mosquitto_sub -v`` alone (none).
"""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import NamedTuple

MAX_LINE_BYTES = 1024 * 1024
"""Longest line that is read; the longest payload that the daemon takes has 256 KiB."""

COMMENT = "#"

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)? ")
_BREAKS = re.compile("[\r\n]+")
_BREAKS_A_LINE = re.compile("[\r\n]")


class Line(NamedTuple):
    """One message of a recording."""

    at_s: float | None
    """Seconds of Unix time; None where the line has no time."""
    topic: str
    payload: str


def write_line(at: dt.datetime, topic: str, payload: bytes) -> str | None:
    """The line of a message; None where no line can hold it: it is not UTF-8, or has line breaks and is not JSON."""
    try:
        text = payload.decode("utf-8")
        if _BREAKS_A_LINE.search(text):
            json.loads(text)
            text = _BREAKS.sub(" ", text)  # in JSON a line break stands only where a blank may stand
    except (ValueError, RecursionError):
        return None
    if " " in topic or _BREAKS_A_LINE.search(topic):
        return None
    time = at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{time} {topic} {text}"


def read_line(line: str) -> Line | None:
    """A message from its line; None for a comment or an empty line.

    Raises:
        ValueError: it is no line of a recording; the text says why.
    """
    line = line.rstrip("\r\n")
    if not line.strip() or line.startswith(COMMENT):
        return None
    at_s = None
    if found := _TIME.match(line):
        day, _, clock, zone = found.groups()
        try:
            at_s = dt.datetime.fromisoformat(f"{day}T{clock[:15]}{zone or ''}").timestamp()
        except ValueError:
            raise ValueError(f"no such time: {found.group().strip()}") from None
        line = line[found.end() :]
    topic, _, payload = line.partition(" ")
    if not topic or any(character in topic for character in "+#\0"):
        raise ValueError(f"not TIME TOPIC PAYLOAD: {line[:60]!r}")
    return Line(at_s, topic, payload)
