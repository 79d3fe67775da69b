"""``evse-daemon explain`` and ``evse-daemon status``: why the EVSEs of a station do not charge, asked of the daemon."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import secrets
import signal
import sys
from collections.abc import Mapping
from typing import Any

from evse_daemon.cli.broker_options import Place, place
from evse_daemon.config.problems import ConfigurationError
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.mqtt.client import Inbound, MqttConnection
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable

ANSWER_S = 3.0
"""How long an answer may take; the daemon needs a few milliseconds."""

QOS = 1

LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes; an EVSE takes about 2 kB."""

Json = dict[str, Any]


def explain(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Asks, and prints the answer; returns the exit status."""
    try:
        where = place(arguments, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    log_writer = logging_setup.configure("error", "console")
    try:
        found = asyncio.run(_ask(where))
    except BrokerUnreachable as error:
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    finally:
        log_writer.close()
    if isinstance(found, str):
        print(json.dumps({"error": found}) if arguments.json else found, file=_stream(arguments))
        return ExitCode.FAILED
    evses = _chosen(found, arguments.evse)
    if isinstance(evses, str):
        print(json.dumps({"error": evses}) if arguments.json else evses, file=_stream(arguments))
        return ExitCode.FAILED
    if arguments.json:
        print(json.dumps({**found, "evses": evses}, ensure_ascii=False))
    elif arguments.command == "status":
        print("\n".join(_status(found, evses)))
    else:
        print("\n".join(_table(found, evses)))
    return ExitCode.OK


def _stream(arguments: argparse.Namespace) -> Any:
    return sys.stdout if arguments.json else sys.stderr


def _chosen(found: Json, evse: str | None) -> list[Json] | str:
    evses: list[Json] = found["evses"]
    if evse is None:
        return evses
    chosen = [each for each in evses if each["evse"] == evse]
    names = ", ".join(each["evse"] for each in evses) or "none"
    return chosen or f"there is no EVSE {evse}; there are: {names}"


async def _ask(where: Place) -> Json | str:
    """The daemon's answer, or why there is none."""
    topics = Topics(where.everest_prefix)
    reply = f"evse-daemon-explain-{secrets.token_hex(6)}"
    response = topics.explain_response(reply)
    answer: asyncio.Future[Json | str] = asyncio.get_running_loop().create_future()
    status: list[str] = []

    def hear(message: Inbound) -> None:
        if message.topic == topics.status:
            status[:] = [message.payload.decode("utf-8", "replace")[:40]]
        elif message.topic == response and not answer.done():
            answer.set_result(_read(message.payload))

    def state(connected: bool) -> None:
        if not connected and not answer.done():
            answer.set_result(f"the connection to the broker at {where.broker.describe()} broke")

    connection = MqttConnection(
        "explain",
        reply,
        where.broker,
        clean=True,
        on_message=hear,
        on_state=state,
        subscriptions=((response, QOS), (topics.status, QOS)),
        max_payload_bytes=LARGEST_ANSWER,
    )
    await connection.start()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        connection.submit(topics.explain_request, reply.encode(), QOS)
        async with asyncio.timeout(ANSWER_S):
            return await answer
    except TimeoutError:
        return _silent(topics, status[0] if status else "")
    finally:
        await connection.stop()


def _read(payload: bytes) -> Json | str:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("evses"), list):
        return "the answer cannot be read: is the daemon of another version?"
    return str(found["error"]) if "error" in found else found


def _silent(topics: Topics, status: str) -> str:
    if status == "online":
        return (
            f"the station is online ({topics.status}), but did not answer within {ANSWER_S:g} s: see its log"
        )
    if status:
        return f"the station is {status} ({topics.status}): start it"
    return f"no evse-daemon is known as {topics.name!r} on this broker: check --prefix and the broker"


# For people.


def _status(found: Json, evses: list[Json]) -> list[str]:
    lines = [f"{found['station']}: online"]
    if found["failed_modules"]:
        lines[0] += f"; failed for good: {', '.join(found['failed_modules'])}"
    return lines + [f"{each['evse']}: {each['sentence']}" for each in evses]


def _table(found: Json, evses: list[Json]) -> list[str]:
    now = _moment(found["time"])
    lines = _status(found, [])
    for each in evses:
        lines += ["", f"{each['evse']}: {each['sentence']}"]
        if "allowed_A" in each:
            lines.append(f"  state {each['state']} for {_span(now, each['since'])}; {_currents(each)}")
        if each["blocks"]:
            lines += ["  What keeps it from charging:", *_columns(_block_rows(each["blocks"], now))]
        if each["limits"]:
            lines += [
                "  What limits the current (* the smallest):",
                *_columns(_limit_rows(each["limits"], now)),
            ]
    return lines


def _currents(each: Json) -> str:
    drawn = "not known" if each["drawn_A"] is None else f"{each['drawn_A']:.1f} A"
    phases = f", {each['phases']} phases" if each["phases"] else ""
    return f"allowed {each['allowed_A']:.1f} A, told the car {each['offered_A']:.1f} A, drawn {drawn}{phases}"


def _block_rows(blocks: list[Json], now: dt.datetime) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("what", "age", "ends", "why; what to do")]
    for block in blocks:
        name = f"{block['kind']} {block['source']}".strip()
        why = block["text"] + (f" -> {block['remedy']}" if block["remedy"] else "")
        rows.append((name, _age(block, now), _end(block, now), why))
    return rows


def _limit_rows(limits: list[Json], now: dt.datetime) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "A", "age", "heard", "ends", "source", "why")]
    for limit in limits:
        mark = "*" if limit["smallest"] else " " if limit["in_force"] else "-"
        heard = f"{_span(now, limit['heard'])} ago" if "heard" in limit else ""
        current = f"{limit['current_A']:.1f}"
        rows.append(
            (mark, current, _age(limit, now), heard, _end(limit, now), limit["source"], limit["text"])
        )
    return rows


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _age(entry: Json, now: dt.datetime) -> str:
    return _span(now, entry["since"]) if "since" in entry else ""


def _end(entry: Json, now: dt.datetime) -> str:
    if "until" not in entry:
        return ""
    until = _moment(entry["until"])
    return f"in {_seconds((until - now).total_seconds())}" if until > now else "over"


def _span(now: dt.datetime, since: str) -> str:
    return _seconds((now - _moment(since)).total_seconds())


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _seconds(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"
