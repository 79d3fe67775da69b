"""The command line: what is asked for, handed to the file of that name."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from evse_daemon import __version__
from evse_daemon.cli import setup_commands, sim, tree_commands
from evse_daemon.cli.broker_options import add_broker_options
from evse_daemon.exit_codes import ExitCode

EXAMPLES = """\
examples:
  evse-daemon simulate                    a charger, its board, a car and a broker on this machine
  evse-daemon simulate --demo --speed 10  as above, charging by itself, ten times as fast
  evse-daemon check-config config.yaml    every problem of a configuration, with its line
  evse-daemon doctor config.yaml          what this machine lacks for it: devices, rights, disk, clock, broker
  evse-daemon run config.yaml             run the charger that the configuration describes
  evse-daemon status                      one sentence on each EVSE
  evse-daemon explain                     why a car is not charging, and why only this much
  evse-daemon watch                       what the modules of a station say to each other
  evse-daemon call evse_manager evse get_evse   call a command of a module
  evse-daemon support-bundle              one file for whoever is asked to help
  evse-daemon make-safe config.yaml       switch off what a daemon that has died may have left on
  evse-daemon broker-acl config.yaml      an access list for Mosquitto
  evse-daemon sim board --link /tmp/yeti  a simulated board at the far end of a serial line
  evse-daemon sim meter --model sdm630    simulated meters at the far end of a Modbus line
  evse-daemon join --module yeti_driver   run a module in a station of EVerest's own manager

exit status:
  0 done   1 failed   2 wrong usage   3 bad configuration   4 broker not reachable
  5 another station is online under this prefix, or another daemon has its state
  130 Ctrl-C before the start was done
"""


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 100.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 100")
    return value


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="evse-daemon",
        description="The software of an electric-vehicle charger, on the MQTT topic tree of EVerest.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"evse-daemon {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = commands.add_parser(
        "run",
        help="run the charger that a configuration describes",
        description="Runs until SIGTERM or Ctrl-C; the outputs are made safe before it ends.",
        epilog="example:\n  evse-daemon run /etc/evse-daemon/config.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    run.add_argument("config", type=Path, metavar="CONFIG", help="EVerest run configuration (YAML)")
    run.add_argument(
        "--state-dir", type=Path, help="where transactions are kept (default: daemon.state_dir, else ./state)"
    )

    simulate = commands.add_parser(
        "simulate",
        help="run a whole charger without hardware",
        description="A charger, its board, a car and, if there is none, a broker.",
        epilog=(
            "examples:\n"
            "  evse-daemon simulate --demo --speed 10\n"
            "  evse-daemon simulate --wire serial\n"
            "  evse-daemon simulate --prefix my_station --broker 192.0.2.7:1883"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulate.add_argument("--config", type=Path, help="another configuration than the built-in one")
    simulate.add_argument("--demo", action="store_true", help="the car comes, charges and leaves by itself")
    simulate.add_argument(
        "--speed", type=_positive, default=1.0, metavar="N", help="the simulated world runs N times as fast"
    )
    sim.add_wire_option(simulate)
    simulate.add_argument("--prefix", help="everest prefix of the topics (default: everest)")
    simulate.add_argument(
        "--external-prefix",
        metavar="TEXT",
        help="put before everest_api/… and everest_external/… (default: none)",
    )
    simulate.add_argument("--broker", metavar="HOST[:PORT]", help="use this broker and no other")
    simulate.add_argument("--socket", metavar="PATH", help="use the broker at this Unix socket and no other")
    simulate.add_argument(
        "--dialect", choices=("documented", "everest", "classic"), help="form of the messages"
    )
    simulate.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="warning",
        help="of the log on stderr",
    )

    check = commands.add_parser(
        "check-config",
        help="find every problem of a configuration",
        description="Reads a configuration and reports all problems at once, each with its line and a hint.",
        epilog=(
            "examples:\n"
            "  evse-daemon check-config config.yaml --json\n"
            "  evse-daemon check-config left.yaml right.yaml   also: would they mix on one broker?"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument(
        "config",
        type=Path,
        nargs="+",
        metavar="CONFIG",
        help="EVerest run configuration (YAML); of each station",
    )
    check.add_argument("--json", action="store_true", help="the report as JSON")
    setup_commands.add_to(commands)
    safe = commands.add_parser(
        "make-safe",
        help="switch off what a daemon that has died may have left on",
        description="Commands power off on every board of a configuration, within 2 s, and says what it did. "
        "For systemd (ExecStopPost); while a daemon runs, its boards are in use and refuse.",
        epilog="example:\n  evse-daemon make-safe /etc/evse-daemon/config.yaml",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    safe.add_argument("config", type=Path, metavar="CONFIG", help="the run configuration of that daemon")
    safe.add_argument(
        "--state-dir",
        type=Path,
        help="of that daemon: what it was started with is there, should CONFIG have changed",
    )
    acl = commands.add_parser(
        "broker-acl",
        help="print an access list for Mosquitto",
        description="Who may say what on the topics of a station: monitors read, operators call the public API, and only "
        "the daemon writes its tree (docs/security.md).",
        epilog="example:\n  evse-daemon broker-acl /etc/evse-daemon/config.yaml > /etc/mosquitto/evse-daemon.acl",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    acl.add_argument("config", type=Path, metavar="CONFIG", help="EVerest run configuration (YAML)")
    bundle = commands.add_parser(
        "support-bundle",
        help="write one file for whoever is asked to help",
        description="Configuration, log, errors, sessions, versions and devices in one .tar.gz, without passwords, keys and "
        "card numbers. Changes nothing; works also where the daemon is dead. See docs/operate.md.",
        epilog=(
            "examples:\n"
            "  sudo evse-daemon support-bundle\n"
            "  ssh charger sudo evse-daemon support-bundle --output - > charger.tar.gz"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bundle.add_argument(
        "config",
        type=Path,
        nargs="?",
        default=Path("/etc/evse-daemon/config.yaml"),
        metavar="CONFIG",
        help="the station's run configuration (default: %(default)s)",
    )
    bundle.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to (- is standard output; default: a name with the time)",
    )
    bundle.add_argument(
        "--state-dir", type=Path, help="as of run (default: that of the unit, else as of run)"
    )
    bundle.add_argument(
        "--log",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="the end of this log file too; may be given several times",
    )
    tree_commands.add_to(commands)
    sim.add_to(commands)

    join = commands.add_parser(
        "join",
        help="run modules of ours in a station of EVerest's own manager",
        description="Takes the place of standalone modules of a real EVerest, see docs/standalone.md.",
        epilog="example:\n  evse-daemon join --module yeti_driver --broker localhost:1883",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    join.add_argument(
        "--module",
        metavar="ID",
        action="append",
        required=True,
        help="id of a module in the manager's configuration; may be given several times",
    )
    add_broker_options(join)
    join.add_argument(
        "--config-messages",
        choices=("GetConfig", "ConfigurationRequest"),
        help="what the manager understands: GetConfig up to EVerest 2026.02, ConfigurationRequest from 2026.10 "
        "(default: what it shows at its start)",
    )
    join.add_argument("--state-dir", type=Path, help="where transactions are kept (default: ./state)")
    return top


def _import_structlog() -> None:
    """Imports structlog as if there were no rich.

    Where there is one (the simulator's broker brings it), structlog loads it at every start, for tracebacks that are
    of no use in a log of lines.
    """
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # this makes its import fail
    try:
        import structlog  # noqa: F401 - all others find it loaded
    finally:
        del sys.modules["rich"]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status."""
    arguments = parser().parse_args(argv)
    gc.disable()  # nearly all that is made while starting stays; run_station switches it on again
    try:
        _import_structlog()
        match arguments.command:
            case "check-config":
                from evse_daemon.cli.check_config import run_all

                return run_all(arguments.config, json=arguments.json)
            case name if name in setup_commands.NAMES:
                return setup_commands.run(arguments, os.environ)
            case "make-safe":
                from evse_daemon.cli.make_safe import make_safe

                return make_safe(arguments.config, os.environ, arguments.state_dir)
            case "broker-acl":
                from evse_daemon.cli.broker_acl import broker_acl

                return broker_acl(arguments.config, os.environ)
            case "support-bundle":
                from evse_daemon.cli.support_bundle import support_bundle

                return support_bundle(arguments, os.environ)
            case "simulate":
                from evse_daemon.cli.simulate import simulate

                return simulate(arguments, os.environ)
            case "sim":
                return sim.simulate_one(arguments)
            case "join":
                from evse_daemon.cli.join import join

                return join(arguments, os.environ)
            case name if name in tree_commands.NAMES:
                return tree_commands.run(arguments, os.environ)
            case _:
                from evse_daemon.cli.run import run

                return run(arguments.config, arguments.state_dir, os.environ)
    except KeyboardInterrupt:
        # While it starts; later Ctrl-C ends the station in order. Python would warn of a coroutine that never began.
        warnings.simplefilter("ignore")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    finally:
        gc.enable()


if __name__ == "__main__":
    sys.exit(main())
