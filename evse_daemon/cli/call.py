"""``evse-daemon call MODULE IMPLEMENTATION COMMAND [ARGUMENTS]``: calls a command and prints what comes back."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from evse_daemon.cli.broker_options import Place, place
from evse_daemon.config.problems import ConfigurationError
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.interface import ArgumentError, Command
from evse_daemon.mqtt.client import Inbound, MqttConnection
from evse_daemon.mqtt.decoded import Failure, read_result
from evse_daemon.mqtt.dialects import DIALECTS, to_json
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.reference.declared import commands_named
from evse_daemon.reference.signatures import expected

QOS = 2
"""Exactly once: a command is not to be carried out twice."""

MARGIN_S = 2.0
"""What is waited beyond the time that the command has, so that the station's own Timeout is heard."""

UNDECLARED_S = 10.0
"""What is waited for a command that no interface of ours declares."""


class _UsageError(Exception):
    """The call cannot be made; the text says what is wrong and what was expected."""


class _LostError(Exception):
    """The connection broke while the answer was awaited."""


def call(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Makes the call; returns the exit status."""
    try:
        where = place(arguments, environ)
        given = _given(arguments.arguments)
        known = commands_named(arguments.implementation, arguments.name)
        _check(arguments.name, given, known)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    except _UsageError as error:
        print(error, file=sys.stderr)
        return ExitCode.USAGE
    timeout_s = arguments.timeout
    if timeout_s is None:
        timeout_s = max((command.timeout_s + MARGIN_S for command in known), default=UNDECLARED_S)
    log_writer = logging_setup.configure("error", "console")
    try:
        return asyncio.run(_call(arguments, where, given, timeout_s))
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    finally:
        log_writer.close()


def _given(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        given = json.loads(text, parse_constant=_refuse)
        to_json(given)  # it may hold a number that JSON cannot be given back, such as 1e999
    except (ValueError, RecursionError) as error:
        raise _UsageError(f"the arguments are not JSON: {error}") from None
    if not isinstance(given, dict):
        raise _UsageError('the arguments must be a JSON object by name, such as {"value": true}')
    return given


def _refuse(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _check(name: str, given: Mapping[str, Any], known: list[Command[..., Any]]) -> None:
    """Raises _UsageError where no declaration of the command takes the arguments."""
    if not known:
        print(
            f"No interface known here has a command {name}: its arguments are not checked.", file=sys.stderr
        )
        return
    problems = []
    for command in known:
        try:
            command.validate_arguments({key: json.dumps(value) for key, value in given.items()})
        except ArgumentError as error:
            problems.append(f"{error}\n{expected(command)}")
            continue
        for extra in sorted(given.keys() - command.arguments.keys()):
            print(f"{command!r} has no argument {extra}: it is ignored.", file=sys.stderr)
        return
    raise _UsageError("\n".join(problems))


class _Answers:
    """What comes from the broker while an answer is awaited."""

    def __init__(self, topics: Topics, response: str, call_id: str) -> None:
        self._status_topic = topics.status
        self._response = response
        self._call_id = call_id
        self.station = ""
        """What the daemon's status says, where there is one."""
        self.answer: asyncio.Future[tuple[Any, Failure | None]] = asyncio.get_running_loop().create_future()

    def hear(self, message: Inbound) -> None:
        if message.topic == self._status_topic:
            self.station = message.payload.decode("utf-8", "replace")[:40]
            return
        if message.topic != self._response or self.answer.done():
            return
        try:
            call_id, value, failure = read_result(message.payload)
        except ValueError as error:
            self.answer.set_result((None, Failure("unreadable answer", str(error))))
            return
        if call_id == self._call_id:
            self.answer.set_result((value, failure))

    def state(self, connected: bool) -> None:
        if not connected and not self.answer.done():
            self.answer.set_exception(_LostError())


async def _call(
    arguments: argparse.Namespace, where: Place, given: Mapping[str, Any], timeout_s: float
) -> int:
    topics, dialect = Topics(where.everest_prefix), DIALECTS[where.dialect]
    origin, call_id = f"evse-daemon-call-{secrets.token_hex(6)}", str(uuid.uuid4())
    place_of = (arguments.module, arguments.implementation, arguments.name)
    response = topics.response(*place_of, origin)
    answers = _Answers(topics, response, call_id)
    connection = MqttConnection(
        "call",
        origin,
        where.broker,
        clean=True,
        on_message=answers.hear,
        on_state=answers.state,
        subscriptions=((response, QOS), (topics.status, 1)),
    )
    try:
        await connection.start()
    except BrokerUnreachable as error:
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        message = to_json(dialect.command(call_id, origin, given))
        connection.submit(topics.command(*place_of), message, QOS)
        async with asyncio.timeout(timeout_s):
            value, failure = await answers.answer
    except TimeoutError:
        failure = Failure("Timeout", _no_answer(topics, arguments, timeout_s, answers.station))
        value = None
    except _LostError:
        failure = Failure(
            "ConnectionLost",
            f"the connection to the broker at {where.broker.describe()} broke before an answer came: "
            "whether the command was carried out is not known",
        )
        value = None
    finally:
        await connection.stop()
    return _print(value, failure, as_json=arguments.json)


def _no_answer(topics: Topics, arguments: argparse.Namespace, timeout_s: float, station: str) -> str:
    where = f"{arguments.module}/{arguments.implementation}"
    text = f"no answer from {where} within {timeout_s:g} s."
    if station == "online":
        return f"{text} The station is online ({topics.status}); its log says what it does."
    if station:
        return f"{text} The station is {station} ({topics.status}): start it."
    return (
        f"{text} No evse-daemon is known at {topics.prefix} on this broker: check --prefix and the broker. "
        "A station of EVerest's own does not answer where the module, implementation or command does not exist."
    )


def _print(value: Any, failure: Failure | None, *, as_json: bool) -> int:
    if as_json:
        if failure is None:
            print(json.dumps({"result": value}, separators=(",", ":")))
        else:
            error = {"type": failure.type, "message": failure.message}
            print(json.dumps({"error": error}, separators=(",", ":")))
    elif failure is None:
        print(json.dumps(value, separators=(",", ":"), ensure_ascii=True))
    else:
        print(f"{failure.type}: {failure.message}", file=sys.stderr)
    return ExitCode.OK if failure is None else ExitCode.FAILED
