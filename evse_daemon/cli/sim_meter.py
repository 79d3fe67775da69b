"""``evse-daemon sim meter``: Modbus meters at the far end of a wire."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from evse_daemon.exit_codes import ExitCode

if TYPE_CHECKING:
    # As in tree_commands.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001

EXAMPLES = """\
examples:
  evse-daemon sim meter --model sdm630 --current 16 16 16
  evse-daemon sim meter --model sdm630 --model sdm230:2 --link /tmp/meters   two on one bus
  evse-daemon sim meter --model sunspec203 --tcp 127.0.0.1:5020
  then, on its stdin: 2: fault silence
"""


def add_to(simulated: Commands) -> None:
    """The meter among what can be simulated."""
    meter = simulated.add_parser(
        "meter",
        help="Modbus meters on one serial bus or TCP port",
        description=(
            "Modbus meters on a serial line (RTU) or a TCP port. It prints where they are. Its stdin takes currents\n"
            "and faults; help lists them."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    meter.add_argument(
        "--model",
        action="append",
        required=True,
        metavar="MODEL[:UNIT]",
        help="sdm630, sdm230, sdm72, em340, sunspec203; several share the line (unit: 1, 2, … unless given)",
    )
    meter.add_argument("--tcp", metavar="HOST:PORT", help="Modbus TCP here instead of a serial line")
    meter.add_argument("--link", type=Path, metavar="PATH", help="a symbolic link to the serial line")
    meter.add_argument(
        "--current", nargs="+", default=["0"], metavar="A", help="on L1, or on each of three phases"
    )
    meter.add_argument("--energy", default="0", metavar="WH", help="what was imported before")
    meter.add_argument("--fault", default="none", metavar="NAME", help="what is wrong from the start")


def simulate_meter(arguments: argparse.Namespace) -> int:
    """Simulates the meters until SIGTERM or Ctrl-C; returns the exit status."""
    program = import_module("simulators.modbus_meter.program")
    try:
        program.run(
            program.Wanted(
                models=tuple(arguments.model),
                tcp=arguments.tcp,
                link=arguments.link,
                orders=(
                    f"current {' '.join(arguments.current)}",
                    f"energy {arguments.energy}",
                    f"fault {arguments.fault}",
                ),
            )
        )
    except program.MeterProgramError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    return ExitCode.OK
