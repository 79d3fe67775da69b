"""``evse-daemon sim``: the far end of a wire."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from evse_daemon.cli import sim_meter

if TYPE_CHECKING:
    # As in tree_commands.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001


def add_to(commands: Commands) -> None:
    """The command and its options."""
    sim = commands.add_parser(
        "sim",
        help="simulate one piece of hardware, at the far end of a wire",
        description="Simulates hardware as a program of its own: the driver finds it as it would find the real one.",
    )
    simulated = sim.add_subparsers(dest="simulated", metavar="WHAT", required=True)
    sim_meter.add_to(simulated)


def simulate_one(arguments: argparse.Namespace) -> int:
    """Simulates it until SIGTERM or Ctrl-C; returns the exit status."""
    return sim_meter.simulate_meter(arguments)
