"""Real Mosquittos for tests: private, on a free port or a unix socket, with their files below tmp_path."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings

MISSING = "NOT TESTED: the program mosquitto is not installed (apt install mosquitto)"
OTHER_VARIABLE = "EVSE_TEST_MOSQUITTO"
"""In the environment: the mosquitto program of another Debian; CONTRIBUTING.md says how to get one."""
OTHER_MISSING = f"NOT TESTED: the Mosquitto of another Debian ({OTHER_VARIABLE} names no program)"
_CONNECT = bytes.fromhex("10 10 00 04 4d515454 04 02 003c 0004 70726f62".replace(" ", ""))
_CONNACK_TYPE = 0x20


def mosquitto_binary() -> str | None:
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def other_mosquitto_binary() -> str | None:
    """The Mosquitto of another Debian than this machine's, where the environment names one."""
    return shutil.which(os.environ.get(OTHER_VARIABLE, ""))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Mosquitto:
    """One broker that can be stopped, killed and started again with the same configuration."""

    def __init__(self, folder: Path, binary: str, extra_conf: str, *, persistent: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.port = free_port()
        self.socket_path = str(folder / "mqtt.sock")
        self.log_file = folder / "mosquitto.log"
        self._binary = binary
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} {self.host}",
            f"listener 0 {self.socket_path}",
            "" if "set_tcp_nodelay" in extra_conf else "set_tcp_nodelay true",
            "max_inflight_messages 0",
            "max_queued_messages 100000",
            f"persistence {'true' if persistent else 'false'}",
            f"persistence_location {folder}/",
            "log_type all",
            "user root" if os.geteuid() == 0 else "",
            extra_conf,
        ]
        if "allow_anonymous" not in extra_conf:
            lines.append("allow_anonymous true")
        self._config.write_text("\n".join(lines) + "\n", "utf-8")

    @property
    def settings(self) -> BrokerSettings:
        return BrokerSettings(host=self.host, port=self.port, keepalive_s=5, connect_timeout_s=3)

    @property
    def unix_settings(self) -> BrokerSettings:
        return BrokerSettings(socket_path=self.socket_path, keepalive_s=5, connect_timeout_s=3)

    def tls_settings(self, port: int, tls: TlsSettings) -> BrokerSettings:
        return BrokerSettings(host=self.host, port=port, tls=tls, keepalive_s=5, connect_timeout_s=3)

    def start(self) -> None:
        Path(self.socket_path).unlink(missing_ok=True)
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen([self._binary, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 5
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail("mosquitto does not start: " + self.log_file.read_text("utf-8"))
            time.sleep(0.01)

    def stop(self, signum: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signum)
            process.wait(5)

    def hang(self) -> None:
        """It keeps its connections and does nothing, until `go_on`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def forget(self) -> None:
        """Throws away what a stopped broker would know when it starts again."""
        (self.log_file.parent / "mosquitto.db").unlink(missing_ok=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), 1) as sock:
                sock.sendall(_CONNECT)
                return sock.recv(4)[:1] == bytes([_CONNACK_TYPE])
        except OSError:
            return False


def start_mosquitto(
    tmp_path: Path, extra_conf: str = "", *, persistent: bool = False, binary: str | None = None
) -> Mosquitto:
    """A running broker; call `stop` at the end. Skips the test if there is no Mosquitto."""
    binary = binary or mosquitto_binary()
    if binary is None:
        pytest.skip(MISSING)
    broker = Mosquitto(tmp_path / "broker", binary, extra_conf, persistent=persistent)
    broker.start()
    return broker
