"""``simulate --wire``: the simulated boards at the far ends of wires, with their real drivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from evse_daemon.config import RunConfig


class WireRefusedError(Exception):
    """The station cannot be simulated over that wire; the message says why and what to do."""


@contextmanager
def over_wire(wire: str | None, config: RunConfig) -> Iterator[RunConfig]:
    """The configuration with its simulated boards at the far ends of wires, which are there meanwhile.

    Raises:
        WireRefusedError: that cannot be.
    """
    if wire is None:
        yield config
        return
    with TemporaryDirectory(prefix="evse-daemon-") as folder:
        try:
            wired = import_module("simulators.wired")
        except ImportError as error:
            raise WireRefusedError(f"--wire {wire}: {error}") from error
        try:
            changed = wired.over_wire(config, wire, Path(folder))
        except (ImportError, wired.WireError) as error:
            raise WireRefusedError(str(error)) from error
        yield changed
