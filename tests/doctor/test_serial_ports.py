"""What is said of serial ports, none of which is opened."""

from __future__ import annotations

import builtins
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evse_daemon.doctor import serial_ports
from evse_daemon.doctor.account import Rights
from evse_daemon.doctor.machine import Machine
from evse_daemon.doctor.serial_ports import drivers_of, free, look_at_port
from tests.doctor.fakes import WHO, Given, machine, process, said, write


@pytest.fixture
def port() -> Iterator[str]:
    """A character device that can be looked at: the far end of a pseudo-terminal."""
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def look(path: str, on: Machine, rights: Rights | None = None) -> list[str]:
    return said(look_at_port(path, "port", WHO, rights or Given(), on))


def test_a_free_port_is_fine_and_is_not_opened(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []

    def noticed(real: Any) -> Any:
        def opens(file: Any, *arguments: Any, **options: Any) -> Any:
            opened.append(file)
            return real(file, *arguments, **options)

        return opens

    monkeypatch.setattr(os, "open", noticed(os.open))
    monkeypatch.setattr(builtins, "open", noticed(open))
    monkeypatch.setattr(io, "open", noticed(open))
    assert look(port, machine(tmp_path)) == [f"ok: {free()}"]
    assert port not in map(str, opened), "its DTR line would have moved"


def test_the_daemons_own_port_is_fine(port: str, tmp_path: Path) -> None:
    process(tmp_path, 7, "python3", has=port, command="/usr/bin/python3 -I /usr/bin/evse-daemon run c.yaml")
    assert look(port, machine(tmp_path)) == ["ok: in use by the daemon (pid 7)"]


def test_a_port_that_is_not_there_comes_with_those_that_are(tmp_path: Path) -> None:
    write(tmp_path, "dev/serial/by-id/usb-FTDI_1-if00", "")
    (found,) = look("/dev/ttyUSB97", machine(tmp_path))
    assert found.startswith("problem: it is not there: its adapter is not plugged in")
    assert "usb-FTDI_1-if00" in found
    (found,) = look("/dev/ttyAMA97", machine(tmp_path))
    assert found.startswith("problem: it is not there → is the port switched on")


def test_a_file_is_no_port(tmp_path: Path) -> None:
    write(tmp_path, "file", "")
    (found,) = look(str(tmp_path / "file"), machine(tmp_path))
    assert found.startswith("problem: it is no device")


def test_a_port_that_the_user_may_not_use_comes_with_the_command_that_helps(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_ports, "_group", lambda _: "dialout")
    Path(port).chmod(0o660)
    (found,) = look(port, machine(tmp_path), Given(port))
    assert found == (
        "problem: evse-daemon may not read and write it → usermod -aG dialout evse-daemon, then restart the daemon"
    )
    Path(port).chmod(0o600)
    (found,) = look(port, machine(tmp_path), Given(port))
    assert 'a udev rule: SUBSYSTEM=="tty", KERNEL=="' in found


def test_whoever_else_has_the_port_is_named(port: str, tmp_path: Path) -> None:
    process(tmp_path, 41, "picocom", has=port)
    assert look(port, machine(tmp_path)) == [
        "problem: it is in use by another program (picocom, pid 41) → end that program"
    ]
    process(tmp_path, 42, "ModemManager", has=port)
    assert "apt-get remove modemmanager" in look(port, machine(tmp_path))[1]


def test_two_daemons_on_one_port_are_named(port: str, tmp_path: Path) -> None:
    for pid in (8, 9):
        process(tmp_path, pid, "evse-daemon", has=port, command="evse-daemon run")
    assert look(port, machine(tmp_path)) == [
        "problem: several daemons have it open (pids 8, 9) → each needs its own board"
    ]


def test_modem_manager_is_warned_of_unless_it_leaves_the_adapter_alone(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_ports, "CHANGES", re.compile(r"/dev/pts/[0-9]+"))
    process(tmp_path, 5, "ModemManager")
    (found,) = look(port, machine(tmp_path))
    assert found.startswith("warning: ModemManager runs, and looks into adapters")
    number = Path(port).stat().st_rdev
    write(
        tmp_path,
        f"run/udev/data/c{os.major(number)}:{os.minor(number)}",
        "E:ID_BUS=usb\nE:ID_MM_DEVICE_IGNORE=1\n",
    )
    assert look(port, machine(tmp_path)) == [f"ok: {free()}"]


def test_a_name_that_changes_comes_with_the_one_that_does_not(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_ports, "CHANGES", re.compile(r"/dev/pts/[0-9]+"))
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/serial/by-id/usb-Yeti-if00").symlink_to(port)
    assert look(port, machine(tmp_path)) == [
        "warning: its name depends on what is plugged in first → name it /dev/serial/by-id/usb-Yeti-if00"
    ]


DEVICES = (
    "Character devices:\n  4 /dev/vc/0\n  4 tty\n  4 ttyS\n136 pts\n207 ttymxc\n\nBlock devices:\n207 loop\n"
)


def test_a_kind_of_device_that_systemd_keeps_from_the_daemon_is_named(port: str, tmp_path: Path) -> None:
    unit = "DevicePolicy=closed\nDeviceAllow=char-ttyUSB rw\nDeviceAllow={} rw\n"
    closed = machine(tmp_path, {"systemctl": unit.format("char-ttyS")}, proc__devices=DEVICES)
    (found,) = look(port, closed)
    assert found == (
        "problem: evse-daemon.service may not open devices of its kind (pts) → "
        "systemctl edit evse-daemon, with the lines [Service] and DeviceAllow=char-pts rw"
    )
    assert look(port, machine(tmp_path, {"systemctl": unit.format("char-pts")})) == [f"ok: {free()}"]
    assert look(port, machine(tmp_path, {"systemctl": "DevicePolicy=auto\n"})) == [f"ok: {free()}"]
    assert drivers_of(4, closed) == ["/dev/vc/0", "tty", "ttyS"]
    assert drivers_of(207, closed) == ["ttymxc"]
