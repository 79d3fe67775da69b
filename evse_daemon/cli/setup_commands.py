"""The commands for whoever sets a charger up, beside check-config: doctor, schema."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from evse_daemon.exit_codes import ExitCode

if TYPE_CHECKING:
    # What argparse returns from add_subparsers is generic for the type checker only.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

NAMES = frozenset({"doctor", "schema"})


def add_to(commands: Commands) -> None:
    """The commands and their options."""
    doctor = commands.add_parser(
        "doctor",
        help="look at the machine that is to run a configuration",
        description="Looks at devices, rights, state, clock, broker and system, and says what to do. check-config judges "
        "the file alone, on any machine; doctor looks at what the file needs. It changes nothing, opens no serial port, "
        "and may run beside the daemon.",
        epilog=(
            "examples:\n"
            "  sudo evse-daemon doctor                  for evse-daemon.service and its configuration\n"
            "  evse-daemon doctor config.yaml --json\n\n"
            "exit status:\n"
            "  0 no problem   3 bad configuration   4 broker not reachable   5 another station has the prefix\n"
            "  1 any other problem, or several"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument(
        "config",
        type=Path,
        nargs="?",
        default=Path("/etc/evse-daemon/config.yaml"),
        metavar="CONFIG",
        help="EVerest run configuration (default: %(default)s)",
    )
    doctor.add_argument(
        "--state-dir", type=Path, help="as of run (default: that of the unit, else as of run)"
    )
    doctor.add_argument(
        "--user", help="who will run the daemon (default: for root evse-daemon, where that user is; else you)"
    )
    doctor.add_argument("--json", action="store_true", help="the report as JSON")
    commands.add_parser(
        "schema",
        help="print the JSON schema of run configurations, for editors",
        description="Prints the JSON schema (draft 7) of run configurations: editors complete and check by it while you "
        "type. The Debian package has it as /usr/share/evse-daemon/config.schema.json, which the examples name.",
        epilog="example:\n  evse-daemon schema > config.schema.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Does what was asked for; returns the exit status."""
    if arguments.command == "schema":
        from evse_daemon.reference.config_schema import render

        print(render(), end="")
        return ExitCode.OK
    from evse_daemon.cli.doctor import doctor

    return doctor(arguments, environ)
