"""A Mosquitto of our own on the loopback interface, which ends when this process ends, however that happens."""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

from evse_daemon.mqtt.probe import probe
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable

HOST = "127.0.0.1"
_START_WITHIN_S = 5.0
_STOP_WITHIN_S = 2.0

# set_tcp_nodelay: without it each QoS 1 or 2 message takes 44 ms. max_inflight_messages 0: with a limit, QoS 2
# messages beyond it are lost without a word.
_CONFIG = """\
listener {port} {host}
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 0
max_queued_messages 10000
persistence false
log_dest stderr
log_type error
log_type warning
"""

# Runs before Mosquitto in the child. The kernel's "signal me when my parent dies" is cleared by a change of user,
# which Mosquitto makes when started by root, so that is done here first.
_LAUNCHER = """\
import ctypes, os, signal, sys
if os.geteuid() == 0:
    import pwd
    for name in ("mosquitto", "nobody"):
        try:
            user = pwd.getpwnam(name)
            os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
            break
        except (KeyError, OSError):
            pass
prctl = getattr(ctypes.CDLL(None), "prctl", None)
if prctl is not None:
    prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


def find_mosquitto() -> str | None:
    """The binary; Debian has it in /usr/sbin, which is not in everybody's PATH."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/sbin"])
    return shutil.which("mosquitto", path=path)


def port_is_free(port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


class PrivateMosquitto:
    """The running child."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.port = port
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self) -> None:
        """End it and wait for it. Safe to call twice."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(_STOP_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


async def start_private_mosquitto(binary: str, preferred_port: int) -> PrivateMosquitto:
    """Start it on the preferred port if that is free, else on another. Raises BrokerUnreachable with its log."""
    ports = [preferred_port] if port_is_free(preferred_port) else []
    log = ""
    for port in [*ports, free_port(), free_port()]:
        child, log = await _start_on(binary, port)
        if child is not None:
            return child
    raise BrokerUnreachable(f"The MQTT broker {binary} does not start: {log or 'it gives no reason'}")


async def _start_on(binary: str, port: int) -> tuple[PrivateMosquitto | None, str]:
    # The configuration is read at the start; once the broker answers, the directory is not needed any more, and a
    # SIGKILL of ours leaves nothing behind.
    with (
        tempfile.TemporaryDirectory(prefix="evse-daemon-mosquitto-") as folder,
        tempfile.TemporaryFile() as log,
    ):
        config = _write_config(folder, port)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), binary, "-c", config,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal ends us first, in order
        )  # fmt: skip
        child = PrivateMosquitto(process, port)
        try:
            answers = await _answers(child, process)
        except BaseException:
            await child.stop()
            raise
        if answers:
            return child, ""
        await child.stop()
        log.seek(0)
        return None, " ".join(log.read().decode("utf-8", "replace").split())[-500:]


def _write_config(folder: str, port: int) -> str:
    config = Path(folder) / "mosquitto.conf"
    config.write_text(_CONFIG.format(port=port, host=HOST), "utf-8")
    config.chmod(0o644)
    Path(folder).chmod(0o755)  # for the user that the child becomes if we are root
    return str(config)


async def _answers(child: PrivateMosquitto, process: asyncio.subprocess.Process) -> bool:
    deadline = time.monotonic() + _START_WITHIN_S
    while process.returncode is None and time.monotonic() < deadline:
        try:
            await probe(BrokerSettings(host=HOST, port=child.port), 1.0)
        except BrokerUnreachable:
            await asyncio.sleep(0.02)
        else:
            return process.returncode is None
    return False
