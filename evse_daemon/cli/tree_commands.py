"""The commands that look at a station from outside: watch, replay, call, explain, status."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evse_daemon.cli.broker_options import add_broker_options
from evse_daemon.cli.message_filter import add_filter_options

if TYPE_CHECKING:
    # What argparse returns from add_subparsers is generic for the type checker only.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

NAMES = frozenset({"watch", "replay", "call", "explain", "status"})


def add_to(commands: Commands) -> None:
    """The commands and their options."""
    _add_watch(commands)
    _add_replay(commands)
    _add_call(commands)
    _add_explain(commands)
    _add_status(commands)


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Does what was asked for; returns the exit status."""
    match arguments.command:
        case "watch":
            from evse_daemon.cli.watch import watch

            return watch(arguments, environ)
        case "replay":
            from evse_daemon.cli.replay import replay

            return replay(arguments, environ)
        case "explain" | "status":
            from evse_daemon.cli.explain import explain

            return explain(arguments, environ)
        case _:
            from evse_daemon.cli.call import call

            return call(arguments, environ)


def _add_watch(commands: Commands) -> None:
    watch = commands.add_parser(
        "watch",
        help="show what the modules of a station say to each other",
        description="Shows the messages of a station, this daemon's or EVerest's own, in every dialect. Ctrl-C ends it.",
        epilog=(
            "examples:\n"
            "  evse-daemon watch\n"
            "  evse-daemon watch --kind error --kind cmd\n"
            "  evse-daemon watch --module evse_manager --name session_event --json\n"
            "  evse-daemon watch --topic 'everest_api/#' --record session.log"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_filter_options(watch, "default: all")
    watch.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="FILTER",
        help="hear these topics too, such as 'everest_api/#'",
    )
    watch.add_argument("--json", action="store_true", help="one JSON object a line")
    watch.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="write what is shown into this file for replay: TIME TOPIC PAYLOAD",
    )
    add_broker_options(watch)


def _add_replay(commands: Commands) -> None:
    replay = commands.add_parser(
        "replay",
        help="publish the messages of a recording again",
        description=(
            "Publishes the variables and errors of a recording again, as far apart as they were. Those of a daemon's own "
            "modules change nothing inside it; what standalone modules and EVerest's own have said is taken for new by "
            "whoever listens to them. --kind cmd repeats commands."
        ),
        epilog=(
            "examples:\n"
            "  evse-daemon replay session.log\n"
            "  evse-daemon replay session.log --name session_event --speed 10"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="made by watch --record or mosquitto_sub -v")
    replay.add_argument("--speed", type=_speed, default=1.0, metavar="N", help="N times as fast (default: 1)")
    add_filter_options(replay, "default: var and error")
    add_broker_options(replay)


def _add_call(commands: Commands) -> None:
    call = commands.add_parser(
        "call",
        help="call a command of a module",
        description="Calls a command and prints its result as JSON. Status 1: an error came back, or nothing.",
        epilog=(
            "examples:\n"
            "  evse-daemon call evse_manager evse get_evse\n"
            "  evse-daemon call evse_manager evse force_unlock '{\"connector_id\": 1}'"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    call.add_argument("module", type=_segment, metavar="MODULE", help="module id, such as evse_manager")
    call.add_argument(
        "implementation", type=_segment, metavar="IMPLEMENTATION", help="implementation id, such as evse"
    )
    call.add_argument("name", type=_segment, metavar="COMMAND", help="such as get_evse")
    call.add_argument(
        "arguments", nargs="?", metavar="ARGUMENTS", help="JSON object with the arguments by name"
    )
    call.add_argument("--json", action="store_true", help='print {"result": …} or {"error": …}')
    call.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="wait so long for the answer (default: the time of the command and 2 s)",
    )
    call.add_argument(
        "--dialect",
        choices=("documented", "everest", "classic"),
        help="form of the call; only classic differs (default: EV_MQTT_DIALECT, else documented)",
    )
    add_broker_options(call)


def _add_explain(commands: Commands) -> None:
    explain = commands.add_parser(
        "explain",
        help="say why a car is not charging, and why only this much",
        description=(
            "Asks the daemon for everything that keeps its EVSEs from charging and every source of a limit, with "
            "value, age and end. Status 1: no daemon answered. See docs/explain.md."
        ),
        epilog="examples:\n  evse-daemon explain\n  evse-daemon explain evse_manager --json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_explain_options(explain)


def _add_status(commands: Commands) -> None:
    status = commands.add_parser(
        "status",
        help="one sentence on each EVSE",
        description="Asks the daemon, and prints one sentence on each EVSE. Status 1: no daemon answered.",
        epilog="example:\n  evse-daemon status --broker 192.0.2.7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_explain_options(status)


def _add_explain_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "evse", nargs="?", metavar="EVSE", help="module id of one EvseManager (default: all)"
    )
    command.add_argument("--json", action="store_true", help="the daemon's answer as JSON")
    add_broker_options(command)


def _speed(text: str) -> float:
    return _between(text, 0.01, 1000.0)


def _seconds(text: str) -> float:
    return _between(text, 0.1, 3600.0)


def _between(text: str, low: float, high: float) -> float:
    value = float(text)
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
    return value


def _segment(text: str) -> str:
    if not text or not text.isprintable() or any(character in text for character in "/+#"):
        raise argparse.ArgumentTypeError(f"{text!r} is no part of a topic")
    return text
