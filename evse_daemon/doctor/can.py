"""Interfaces of SocketCAN, by sysfs and ``ip``; no frame is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.doctor.machine import Machine

ARPHRD_CAN = "280"
"""What sysfs gives as the type of a CAN interface (linux/if_arp.h)."""

IFF_UP = 1

RESTART_MS = 100
"""docs/can.md."""


def look_at_interface(name: str, bitrate: int, subject: str, machine: Machine) -> Iterator[Finding]:
    """Whether an interface is there, is CAN, is up, has the bit rate and comes back after bus-off.

    Args:
        name: as can0.
        bitrate: bit/s of the other end.
        subject: what findings name it.
        machine: where to look.
    """
    bring_up = f"ip link set {name} up type can bitrate {bitrate} restart-ms {RESTART_MS}, for good in systemd-networkd"
    kind = machine.read(f"sys/class/net/{name}/type")
    if kind is None:
        yield problem(
            subject,
            f"there is no interface {name}",
            "plug the adapter in; is its kernel module loaded (lsmod), its overlay in the boot configuration?",
        )
        return
    if kind != ARPHRD_CAN:
        yield problem(
            subject, f"{name} is no CAN interface", "name the interface of the CAN bus as can_device"
        )
        return
    if not int(machine.read(f"sys/class/net/{name}/flags") or "0", 16) & IFF_UP:
        yield problem(subject, f"{name} is down", bring_up)
        return
    details = _details(name, machine)
    if details is None:
        yield ok(subject, "up (bit rate and state are not known without the program ip)")
        return
    well = True
    for found in _state(details, bitrate, subject, bring_up):
        well = False
        yield found
    if well:
        told = details.get("bittiming", {}).get("bitrate")
        yield ok(subject, "up, virtual" if told is None else f"up, {told} bit/s, {details.get('state', '?')}")


def _state(details: dict[str, Any], bitrate: int, subject: str, bring_up: str) -> Iterator[Finding]:
    state = details.get("state")
    if state in ("BUS-OFF", "STOPPED"):
        yield problem(
            subject, f"the controller is {state}", f"look at wiring and termination, then {bring_up}"
        )
    elif state in ("ERROR-WARNING", "ERROR-PASSIVE"):
        yield warning(
            subject,
            f"the controller sees errors ({state})",
            "wiring, termination (120 Ω at both ends), bit rate; is the other end powered?",
        )
    told = details.get("bittiming", {}).get("bitrate")
    if told is None:
        return
    if told != bitrate:
        yield problem(
            subject,
            f"its bit rate is {told} bit/s, can_bitrate says {bitrate}",
            f"ip link set the interface down, then {bring_up}; or correct can_bitrate",
        )
    if not details.get("restart_ms"):
        yield warning(subject, "after bus-off it stays off: restart-ms is not set", bring_up)


def _details(name: str, machine: Machine) -> dict[str, Any] | None:
    """What ``ip`` tells of the controller; empty for one that is virtual."""
    text = machine.ask(("ip", "-details", "-json", "link", "show", "dev", name))
    try:
        (link,) = json.loads(text or "")
        found = link.get("linkinfo", {}).get("info_data", {})
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, dict) else None
