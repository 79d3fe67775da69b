"""The real process: `evse-daemon run` with a copy of the simulator's configuration on a private broker."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import simulators
from tests.bench.wire import Client
from tests.support.brokers import Mosquitto

CONFIG = Path(simulators.__file__).with_name("config-sim.yaml")
"""What `evse-daemon simulate` runs."""

_numbers = itertools.count(1)


class Daemon:
    """A charger that is ready; ends with the context."""

    def __init__(
        self,
        broker: Mosquitto,
        folder: Path,
        *,
        dialect: str = "documented",
        unix: bool = False,
        config: Path = CONFIG,
    ) -> None:
        self.prefix = f"bench_{next(_numbers)}"
        self._broker = broker
        self._unix = unix
        self._dialect = dialect
        self._config = config
        self._folder = folder / self.prefix
        self.ready_after_s = 0.0
        """From spawning the process until a client that had subscribed before saw `ready`."""

    def __enter__(self) -> Self:
        self._folder.mkdir()
        config = shutil.copy(self._config, self._folder / "config.yaml")
        program = Path(sys.executable).with_name("evse-daemon")
        command = [str(program), "run", str(config), "--state-dir", str(self._folder / "state")]
        topic = f"{self.prefix}/ready"
        watcher = Client(self._broker, f"watch-{self.prefix}")
        watcher.subscribe(topic, 0)
        with (self._folder / "log").open("w") as log:
            begin_s = time.perf_counter()
            self.process = subprocess.Popen(
                command, env=self._environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            watcher.wait_for(topic)
        except TimeoutError:
            self.process.kill()
            raise RuntimeError(f"{' '.join(command)}: {(self._folder / 'log').read_text()}") from None
        self.ready_after_s = time.perf_counter() - begin_s
        watcher.close()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(10)

    def _environment(self) -> dict[str, str]:
        broker = self._broker
        there = (
            {"EV_MQTT_BROKER_SOCKET_PATH": broker.socket_path}
            if self._unix
            else {"EV_MQTT_BROKER_HOST": broker.host, "EV_MQTT_BROKER_PORT": str(broker.port)}
        )
        ours = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("EV_", "MQTT_")) and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {
            **ours,
            **there,
            # As where it is installed, nothing is compiled at the start; the tree is left as it is.
            "PYTHONPYCACHEPREFIX": str(self._folder.parent / "pycache"),
            "EV_MQTT_EVEREST_PREFIX": self.prefix,
            "EV_MQTT_EXTERNAL_PREFIX": f"{self.prefix}_external/",
            "EV_MQTT_DIALECT": self._dialect,
        }
