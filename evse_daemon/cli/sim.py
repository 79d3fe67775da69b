"""``evse-daemon sim board``, ``sim meter`` and ``sim infy``: the far end of a wire."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evse_daemon.cli import sim_meter
from evse_daemon.exit_codes import ExitCode

if TYPE_CHECKING:
    # As in tree_commands.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001


WIRES = ("serial", "can")


def add_wire_option(simulate: argparse.ArgumentParser) -> None:
    """Of ``simulate``; see wire.py."""
    simulate.add_argument(
        "--wire",
        choices=WIRES,
        help="the board at the far end of a wire, with its real driver; in real time (default: inside the simulator)",
    )


def add_to(commands: Commands) -> None:
    """The command and its options."""
    sim = commands.add_parser(
        "sim",
        help="simulate one piece of hardware, at the far end of a wire",
        description="Simulates hardware as a program of its own: the driver finds it as it would find the real one.",
    )
    boards = sim.add_subparsers(dest="simulated", metavar="WHAT", required=True)
    sim_meter.add_to(boards)
    board = boards.add_parser(
        "board",
        help="a Yeti board, or another, with a car on its control pilot",
        description=(
            "A board on a serial line, with a car on its control pilot. It prints where its line is: the\n"
            "serial_port of YetiDriver, TIDA010939 or PhyVersoBSP. Its stdin takes sessions of the car and faults; help lists them."
        ),
        epilog=(
            "examples:\n"
            "  evse-daemon sim board --link /tmp/yeti\n"
            "  evse-daemon sim board --link /tmp/phyverso --dialect phyverso\n"
            "  evse-daemon sim board --session 'iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 60;unplug'\n"
            "  then, on its stdin: fault rcd 10"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    board.add_argument(
        "--wire",
        choices=WIRES,
        default="serial",
        help="can: an slcan adapter, for YetiCanDriver (default: serial)",
    )
    board.add_argument(
        "--dialect",
        choices=("yeti", "tida010939", "phyverso"),
        default="yeti",
        help="whose messages it speaks on a serial line (default: yeti); the car is at a PhyVerso's connector 1",
    )
    board.add_argument("--link", metavar="PATH", help="a symbolic link to the line, the same at each start")
    board.add_argument("--session", metavar="SCRIPT", default="", help="what the car does at once")
    board.add_argument("--software-version", metavar="TEXT", help="what the board says of its firmware")
    board.add_argument(
        "--host-watchdog",
        action="store_true",
        help="signal F and open after 5 s without its host, as over CAN always; the published firmware does not",
    )
    board.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="of the log on stderr: what the board and its car do",
    )
    _add_infy(boards)


def _add_infy(simulated: Commands) -> None:
    infy = simulated.add_parser(
        "infy",
        help="InfyPower's DC power modules on CAN",
        description=(
            "Power modules of InfyPower's protocol V1.13 behind a CAN adapter (slcan). It prints where that is:\n"
            "the can_device of InfyPower, whose can_interface is slcan. Its stdin takes faults; help lists them."
        ),
        epilog="example:\n  evse-daemon sim infy --link /tmp/infy --modules 0,1 --battery 350",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    infy.add_argument("--link", metavar="PATH", help="a symbolic link to the adapter, the same at each start")
    infy.add_argument("--socketcan", metavar="NAME", help="use this network interface instead of an adapter")
    infy.add_argument("--modules", metavar="LIST", default="0", help="their addresses (default: 0)")
    infy.add_argument("--group", metavar="N", type=int, default=0, help="what their dials are set to")
    infy.add_argument(
        "--battery", metavar="VOLT", type=float, default=0.0, help="at the output (default: none)"
    )


def simulate_one(arguments: argparse.Namespace) -> int:
    """Simulates it until SIGTERM or Ctrl-C; returns the exit status."""
    from evse_daemon.framework import log as logging_setup

    if arguments.simulated == "infy":
        return _simulate_infy(arguments)
    if arguments.simulated == "meter":
        return sim_meter.simulate_meter(arguments)
    if arguments.wire == "can" and arguments.dialect != "yeti":
        print(
            f"--dialect {arguments.dialect} is spoken on a serial line: leave out --wire can", file=sys.stderr
        )
        return ExitCode.USAGE
    try:
        program = import_module("simulators.yeti_firmware.program")
    except ImportError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    options: dict[str, Any] = {
        "wire": arguments.wire,
        "dialect": arguments.dialect,
        "host_watchdog": arguments.host_watchdog or arguments.wire == "can",
    }
    if arguments.link is not None:
        options["link"] = arguments.link
    if arguments.software_version is not None:
        options["software_version"] = arguments.software_version
    log_writer = logging_setup.configure(arguments.log_level, "console")
    out = logging_setup.LineWriter(sys.stdout)
    try:
        program.run(program.Wanted(options, arguments.session), out.write)
    except program.BoardProgramError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    finally:
        out.close()
        log_writer.close()
    return ExitCode.OK


def _simulate_infy(arguments: argparse.Namespace) -> int:
    from evse_daemon.framework import log as logging_setup

    try:
        program = import_module("simulators.infy_power.program")
        addresses = program.addresses(arguments.modules)
    except ImportError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    except ValueError:
        print(f"--modules {arguments.modules}: addresses are 0 to 59, separated by commas", file=sys.stderr)
        return ExitCode.USAGE
    wanted = program.Wanted(
        addresses,
        arguments.group,
        arguments.battery,
        None if arguments.link is None else Path(arguments.link),
        arguments.socketcan,
    )
    log_writer = logging_setup.configure("info", "console")
    out = logging_setup.LineWriter(sys.stdout)
    try:
        program.run(wanted, out.write)
    except program.InfyProgramError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    finally:
        out.close()
        log_writer.close()
    return ExitCode.OK
