"""The daemon as a user starts it: a process of its own, with its output in files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

import simulators
from evse_daemon.config import environment
from tests.support.brokers import Mosquitto

ROOT = Path(__file__).parents[2]

START_S = 20.0
"""Time a process may need until it is ready: the machine may be busy with other tests."""

WAIT_S = 15.0

PROGRAM = (sys.executable, "-m", "evse_daemon")
ELSEWHERE = (sys.executable, "-m", "tests.system.elsewhere")
"""The same program, which looks for a running broker on another port than 1883, where anybody's may be."""

_VARIABLES = (
    environment.SOCKET_PATH,
    environment.HOST,
    environment.PORT,
    environment.EVEREST_PREFIX,
    environment.EXTERNAL_PREFIX,
    environment.SERVER_ADDRESS,
    environment.SERVER_PORT,
    environment.DIALECT,
)


def until(condition: Callable[[], object], timeout_s: float = WAIT_S, what: Callable[[], str] = str) -> None:
    """Waits for a condition; fails with what ``what`` tells where it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s. {what()}")
        time.sleep(0.01)


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what names a broker or a prefix."""
    found = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    return {**found, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "", **(more or {})}


class Daemon:
    """One ``evse-daemon …``, in a process group of its own as in a terminal. Call ``end`` when done.

    Args:
        folder: for its output.
        arguments: of the command line.
        program: what is started.
        environ: further variables.
        output: where stdout and stderr go instead of into files.
        stdin: what it reads.
    """

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        program: Sequence[str] = PROGRAM,
        environ: Mapping[str, str] | None = None,
        output: int | IO[bytes] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("*.out")))
        self._stdout, self._stderr = folder / f"{number}.out", folder / f"{number}.err"
        self.started_s = time.monotonic()
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [*program, *arguments],
                cwd=folder,
                env=clean_environment(environ),
                stdin=stdin,
                stdout=out if output is None else output,
                stderr=err if output is None else output,
                start_new_session=True,
            )

    @property
    def out(self) -> str:
        return self._stdout.read_text("utf-8")

    @property
    def err(self) -> str:
        return self._stderr.read_text("utf-8")

    def describe(self) -> str:
        """For the message of a test that fails."""
        return f"exit status {self.process.poll()}\nstdout:\n{self.out[-3000:]}\nstderr:\n{self.err[-6000:]}"

    def says(self, text: str, timeout_s: float = START_S) -> None:
        """Waits until it has printed a text."""
        until(lambda: text in self.out or self.process.poll() is not None, timeout_s, self.describe)
        assert text in self.out, self.describe()

    def ended(self, timeout_s: float = WAIT_S) -> int:
        """Waits for the end; the exit status."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s:g} s. {self.describe()}") from None

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ctrl_c(self) -> None:
        """What the terminal does: SIGINT to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Ends it, in whichever state it is."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def where(broker: Mosquitto) -> list[str]:
    """The arguments that name a broker."""
    return ["--broker", f"{broker.host}:{broker.port}"]


def configuration(folder: Path, port: int) -> Path:
    """The built-in configuration with a broker in it."""
    text = Path(simulators.__file__).with_name("config-sim.yaml").read_text("utf-8")
    file = folder / "config.yaml"
    broker = f"settings:\n  mqtt_broker_host: 127.0.0.1\n  mqtt_broker_port: {port}\n"
    file.write_text(broker + text, "utf-8")
    return file


def run(folder: Path, broker: Mosquitto) -> list[str]:
    """The arguments of ``evse-daemon run`` on a broker, with its configuration and state in a folder."""
    return ["run", str(configuration(folder, broker.port)), "--state-dir", str(folder / "state")]


def simulate(folder: Path, broker: Mosquitto, *arguments: str, speed: float = 10) -> Daemon:
    """``evse-daemon simulate`` on a broker that is named."""
    return Daemon(folder, ["simulate", *where(broker), "--speed", f"{speed:g}", *arguments])
