"""Serial ports. None is opened: to open one moves its DTR line, which resets many a board."""

from __future__ import annotations

import grp
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from evse_daemon.doctor.account import Account, Rights, unknown
from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.doctor.machine import Machine
from evse_daemon.store.holders import holders, running

READ_WRITE = os.R_OK | os.W_OK

CHANGES = re.compile(r"/dev/tty(USB|ACM)[0-9]+")
"""Names that the order of plugging in decides."""

PROBERS = frozenset({"ModemManager", "brltty"})
"""Programs that open, or take away, serial adapters they do not know."""


def look_at_port(
    path: str, subject: str, who: Account, rights: Rights, machine: Machine
) -> Iterator[Finding]:
    """Whether a port is there, is one, is the user's, is free, and keeps its name."""
    try:
        status = os.stat(path)  # noqa: PTH116 - with its device number
    except OSError as error:
        yield _missing(path, subject, error, machine)
        return
    if not stat.S_ISCHR(status.st_mode):
        yield problem(subject, "it is no device", "name the port itself, below /dev/serial/by-id")
        return
    well = True
    for found in (
        *_rights(path, subject, status, who, rights),
        *_unit(subject, status, machine),
        *_in_use(path, subject, machine),
        *_name(path, subject, machine),
    ):
        well = False
        yield found
    if well:
        daemon = next((each for each in holders(path, machine.proc) if each.is_station), None)
        yield ok(subject, free() if daemon is None else f"in use by the daemon (pid {daemon.pid})")


def free() -> str:
    """What is said of a port that nobody has, as far as this user sees."""
    return (
        "free" if os.geteuid() == 0 else "free, but for programs of other users: those are seen by root alone"
    )


def _missing(path: str, subject: str, error: OSError, machine: Machine) -> Finding:
    if not isinstance(error, FileNotFoundError):
        return problem(subject, f"it cannot be looked at: {error.strerror}", "run this as root")
    if not _is_usb(path):
        return problem(
            subject,
            "it is not there",
            "is the port switched on (device tree), and is this its name? ls /dev/tty*",
        )
    there = ", ".join(sorted(map(str, _by_id(machine)))) or "none"
    return problem(
        subject,
        "it is not there: its adapter is not plugged in, or is another one",
        f"USB adapters here: {there}",
    )


def _rights(
    path: str, subject: str, status: os.stat_result, who: Account, rights: Rights
) -> Iterator[Finding]:
    may = rights.may(path, READ_WRITE)
    if may is None:
        yield unknown(subject, who)
    if may is not False:
        return
    group = _group(status.st_gid)
    if group == "root" or not status.st_mode & stat.S_IRGRP or not status.st_mode & stat.S_IWGRP:
        remedy = 'a udev rule: SUBSYSTEM=="tty", KERNEL=="' + Path(os.path.realpath(path)).name
        remedy += '", GROUP="dialout", MODE="0660"'
    else:
        remedy = f"usermod -aG {group} {who.name}, then restart the daemon"
    yield problem(subject, f"{who.name} may not read and write it", remedy)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "root"


def _unit(subject: str, status: os.stat_result, machine: Machine) -> Iterator[Finding]:
    """Kinds of devices that systemd keeps the unit from, whatever the groups."""
    allowed = machine.ask(
        ("systemctl", "show", "evse-daemon.service", "-p", "DevicePolicy", "-p", "DeviceAllow")
    )
    kinds = drivers_of(os.major(status.st_rdev), machine)
    if not allowed or "DevicePolicy=closed" not in allowed or not kinds:
        return
    words = allowed.replace("=", " ").split()
    if not any(f"char-{kind}" in words for kind in kinds):
        yield problem(
            subject,
            f"evse-daemon.service may not open devices of its kind ({kinds[-1]})",
            f"systemctl edit evse-daemon, with the lines [Service] and DeviceAllow=char-{kinds[-1]} rw",
        )


def drivers_of(major: int, machine: Machine) -> list[str]:
    """The names of a character device's drivers, as /proc/devices and systemd have them."""
    characters, _, _ = (machine.read("proc/devices") or "").partition("Block devices:")
    pairs = [line.strip().partition(" ") for line in characters.splitlines()]
    return [name for number, _, name in pairs if number == str(major) and name]


def _in_use(path: str, subject: str, machine: Machine) -> Iterator[Finding]:
    found = holders(path, machine.proc)
    strangers = [holder for holder in found if not holder.is_station]
    for stranger in strangers:
        remedy = _keep_away(stranger.name) if stranger.name in PROBERS else "end that program"
        yield problem(subject, f"it is in use by another program ({stranger})", remedy)
    if len(found) - len(strangers) > 1:
        pids = ", ".join(str(holder.pid) for holder in found if holder.is_station)
        yield problem(subject, f"several daemons have it open (pids {pids})", "each needs its own board")
    if strangers or not CHANGES.fullmatch(os.path.realpath(path)):
        return
    for prober in running(PROBERS, machine.proc):
        if not _left_alone(path, prober.name, machine):
            yield warning(
                subject,
                f"{prober.name} runs, and looks into adapters as they are plugged in: that disturbs a board",
                _keep_away(prober.name),
            )


def _keep_away(name: str) -> str:
    if name == "ModemManager":
        return 'apt-get remove modemmanager, or a udev rule with ENV{ID_MM_DEVICE_IGNORE}="1"'
    return f"apt-get remove {name}"


def _left_alone(path: str, prober: str, machine: Machine) -> bool:
    if prober != "ModemManager":
        return False
    status = os.stat(path)  # noqa: PTH116 - with its device number
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    return "E:ID_MM_DEVICE_IGNORE=1" in (machine.read(f"run/udev/data/c{number}") or "")


def _name(path: str, subject: str, machine: Machine) -> Iterator[Finding]:
    if CHANGES.fullmatch(path) is None:
        return
    for link in _by_id(machine):
        if os.path.realpath(link) == os.path.realpath(path):
            yield warning(
                subject,
                "its name depends on what is plugged in first",
                f"name it /dev/serial/by-id/{link.name}",
            )
            return


def _is_usb(path: str) -> bool:
    return CHANGES.fullmatch(path) is not None or path.startswith("/dev/serial/")


def _by_id(machine: Machine) -> list[Path]:
    try:
        return list((machine.root / "dev/serial/by-id").iterdir())
    except OSError:
        return []
