"""Runs inside the chroot: a broker, the installed daemon as its unit starts it, and one charging session.

It needs nothing but Python's standard library and Mosquitto's programs; its last line is a JSON object of figures.
A package as its argument is installed while the car charges: the session goes on until the daemon is told to end.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SOCKET = "/run/evse-test/mqtt.sock"
STATE = "/var/lib/evse-daemon"
USER = "evse-daemon"
START_S, SESSION_S, END_S = 60.0, 90.0, 20.0
STAYS_S = 1000 if sys.argv[1:] else 5
SCRIPT = f"sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep {STAYS_S};unplug"
CARSIM = "everest_external/nodered/1/carsim/cmd/execute_charging_session"
EVENTS = "everest/modules/evse_manager/impl/evse/var/session_event"
WHOLE = ("SessionStarted", "TransactionStarted", "ChargingStarted", "TransactionFinished", "SessionFinished")


def main() -> None:
    folder = Path("/run/evse-test")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    (folder / "mosquitto.conf").write_text(f"listener 0 {SOCKET}\nallow_anonymous true\n")
    examples = Path("/usr/share/doc/evse-daemon/examples/config-sim.yaml").read_text("utf-8")
    (folder / "config.yaml").write_text(
        f"settings:\n  mqtt_broker_socket_path: {SOCKET}\n{examples}", "utf-8"
    )
    user = pwd.getpwnam(USER)
    Path(STATE).mkdir(mode=0o700, exist_ok=True)  # systemd makes it (StateDirectory)
    os.chown(STATE, user.pw_uid, user.pw_gid)
    broker = subprocess.Popen(
        ["mosquitto", "-c", folder / "mosquitto.conf"], stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: Path(SOCKET).exists(), 10, "mosquitto does not start")
        print(json.dumps(charge(folder)))
    finally:
        broker.terminate()
        broker.wait(10)
        shutil.rmtree(folder)


def charge(folder: Path) -> dict[str, object]:
    hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hears.bind(str(folder / "notify"))
    (folder / "notify").chmod(0o777)
    hears.settimeout(0.5)
    with (folder / "events").open("wb") as out:
        listens = subprocess.Popen(["mosquitto_sub", "--unix", SOCKET, "-q", "2", "-t", EVENTS], stdout=out)
    began_s = time.monotonic()
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["/usr/bin/evse-daemon", "run", folder / "config.yaml", "--state-dir", STATE],
            env={
                "NOTIFY_SOCKET": str(folder / "notify"),
                "PATH": "/usr/bin:/bin",
                "WATCHDOG_USEC": "10000000",
            },
            user=USER,
            group=USER,
            extra_groups=os.getgrouplist(USER, pwd.getpwnam(USER).pw_gid),
            stdout=log,
            stderr=log,
            cwd="/",
        )
    try:
        heard: list[str] = []
        while "READY=1" not in heard:
            try:
                heard.append(hears.recv(4096).decode())
            except TimeoutError:
                if daemon.poll() is not None or time.monotonic() > began_s + START_S:
                    sys.exit(f"not ready; exit status {daemon.poll()}\n{log_of(folder)}")
        ready_s = time.monotonic() - began_s
        pss_kB = pss(daemon.pid)
        subprocess.run(["mosquitto_pub", "--unix", SOCKET, "-t", CARSIM, "-m", SCRIPT], check=True)
        upgrade: dict[str, str] = {}
        if sys.argv[1:]:
            upgrade = installed(folder, sys.argv[1])
        else:
            until(lambda: '"SessionFinished"' in (folder / "events").read_text(), SESSION_S, log_of(folder))
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(END_S)
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"{error!r}\n{log_of(folder)}") from None
    finally:
        daemon.kill()
        listens.terminate()
    events = (folder / "events").read_text()
    if status or any(f'"{event}"' not in events for event in WHOLE):
        raise SystemExit(f"exit status {status}; events:\n{events}\nlog:\n{log_of(folder)}")
    return {"cold_start_s": round(ready_s, 2), "pss_kB": pss_kB, **upgrade}


def installed(folder: Path, package: str) -> dict[str, str]:
    """Installs a package while a car charges; what was said."""
    until(lambda: '"ChargingStarted"' in (folder / "events").read_text(), SESSION_S, log_of(folder))
    done = subprocess.run(["dpkg", "--install", package], capture_output=True, text=True, check=True)
    if '"TransactionFinished"' in (folder / "events").read_text():
        sys.exit(f"the upgrade has ended the session\n{log_of(folder)}")
    return {"upgrade": done.stdout + done.stderr}


def pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def log_of(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-4000:]


def until(condition: Callable[[], object], within_s: float, what: str) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline_s:
            sys.exit(f"not within {within_s:g} s: {what}")
        time.sleep(0.05)


if __name__ == "__main__":
    main()
