"""All checks of one run configuration."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from evse_daemon.config import RunConfig
from evse_daemon.config.remembered import remembered
from evse_daemon.doctor.account import Account, Question, Rights, unknown
from evse_daemon.doctor.broker import look_at_broker
from evse_daemon.doctor.can import look_at_interface
from evse_daemon.doctor.certificates import look_at_certificates
from evse_daemon.doctor.findings import Check, Finding, ok, problem, warning
from evse_daemon.doctor.gpio import look_at_line
from evse_daemon.doctor.machine import Machine
from evse_daemon.doctor.prefix import Running, look_at_prefix
from evse_daemon.doctor.serial_ports import READ_WRITE, look_at_port
from evse_daemon.doctor.state import look_at_files, look_at_folder, questions_of_folder
from evse_daemon.doctor.system import look_at_libraries
from evse_daemon.framework.devices import (
    CanInterface,
    Device,
    GpioChipLine,
    InputFile,
    SerialDevice,
    TcpServer,
)
from evse_daemon.mqtt.topics import Topics
from evse_daemon.store.holders import Holder, holders, running

CONNECT_S = 1.5
DAEMON = frozenset({"evse-daemon"})

CREDENTIALS = "/run/credentials/"
"""Where systemd puts what a unit loads with LoadCredential=, while it runs (docs/security.md)."""


@dataclass(frozen=True, slots=True)
class Used:
    """A device, and the module that uses it."""

    module_id: str
    device: Device

    @property
    def subject(self) -> str:
        match self.device:
            case SerialDevice(path=path):
                what = f"serial port {path}"
            case GpioChipLine(path=path, line=line):
                what = f"GPIO line {line} of {path}"
            case CanInterface(name=name):
                what = f"CAN interface {name}"
            case TcpServer(host=host, port=port):
                what = f"device at {host}:{port}"
            case InputFile(path=path):
                what = f"file {path}"
        return f"{what} ({self.module_id})"


def devices_of(config: RunConfig) -> list[Used]:
    """What the modules that run in the daemon say that they use."""
    return [
        Used(module_id, device)
        for module_id, entry in config.modules.items()
        if not entry.standalone
        for options in (entry.options, *entry.implementation_options.values())
        for device in options.devices()
    ]


def questions_of(config: RunConfig, folder: Path) -> list[Question]:
    """What has to be known of the user's rights; see account.Looked."""
    asked = [*questions_of_folder(folder), (config.file, os.R_OK)]
    for used in devices_of(config):
        match used.device:
            case SerialDevice(path=path) | GpioChipLine(path=path):
                asked.append((path, READ_WRITE))
            case InputFile(path=path):
                asked.append((path, os.R_OK))
    broker = config.broker()
    if broker.socket_path is not None:
        asked.append((broker.socket_path, os.W_OK))
    return [*asked, *((path, os.R_OK) for path in _files(config))]


def checks_of(config: RunConfig, folder: Path, who: Account, rights: Rights, machine: Machine) -> list[Check]:
    """What to look at for a configuration whose state is kept in a folder."""
    broker = config.broker()
    topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
    daemons = [found for found in running(DAEMON, machine.proc) if found.is_station]
    here = Running([found for found in holders(folder, machine.proc) if found.is_station], daemons)
    used = devices_of(config)
    prefix = f"prefix {topics.name}"
    state = f"state {folder}"
    where = f"broker {broker.describe()}"
    found = [
        Check("devices", partial(_shared, used)),
        *(Check(each.subject, partial(_device, each, who, rights, machine, daemons)) for each in used),
        Check(state, partial(look_at_folder, folder, state, who, rights, machine)),
        Check(state, partial(look_at_files, folder, state, who, machine)),
        Check("files", partial(_rights, config, who, rights)),
        Check(f"configuration {config.file}", partial(_changed, config, folder, here)),
    ]
    if not any(file.startswith(CREDENTIALS) and not os.path.lexists(file) for file in _files(config)):
        found += [
            Check(where, partial(look_at_broker, broker, topics, where)),
            Check(prefix, partial(look_at_prefix, broker, topics, list(config.modules), here, prefix)),
        ]
    if broker.tls is not None:
        found.append(Check("certificates", partial(look_at_certificates, broker, machine)))
    return found


def _shared(used: list[Used]) -> Iterator[Finding]:
    """Two modules with one port or line: the second could not open it."""
    first: dict[tuple[str, int], Used] = {}
    for each in used:
        match each.device:
            case SerialDevice(path=path):
                key = os.path.realpath(path), -1
            case GpioChipLine(path=path, line=line):
                key = os.path.realpath(path), line
            case _:
                continue
        other = first.setdefault(key, each)
        if other is not each:
            yield problem(
                each.subject, f"{other.module_id} uses it too", f"correct {each.device.option} of one of them"
            )


def _device(
    used: Used, who: Account, rights: Rights, machine: Machine, daemons: list[Holder]
) -> Iterator[Finding]:
    subject = used.subject
    match used.device:
        case SerialDevice(path=path, libraries=libraries):
            yield from look_at_libraries(libraries, subject)
            yield from look_at_port(path, subject, who, rights, machine)
        case GpioChipLine(path=path, line=line):
            yield from look_at_line(path, line, subject, who, rights)
        case CanInterface(name=name, bitrate=bitrate, libraries=libraries):
            yield from look_at_libraries(libraries, subject)
            yield from look_at_interface(name, bitrate, subject, machine)
        case TcpServer(host=host, port=port, libraries=libraries):
            yield from look_at_libraries(libraries, subject)
            yield from _server(host, port, subject, daemons)
        case InputFile(path=path):
            yield _readable(path, subject, who, rights)


def _server(host: str, port: int, subject: str, daemons: list[Holder]) -> Iterator[Finding]:
    if daemons:
        # Many a meter takes one connection, and drops the one it has for a new one.
        yield ok(subject, "not tried: a daemon runs, and may be connected")
        return
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        yield problem(subject, f"it cannot be reached: {reason}", f"ping {host}; are host and port right?")
    else:
        yield ok(subject, "takes connections")


def _changed(config: RunConfig, folder: Path, here: Running) -> Iterator[Finding]:
    """Whether the daemon that runs was started with this file as it is."""
    kept = remembered(folder) if here.with_this_state else None
    if kept is not None and kept.read_bytes() != Path(config.file).read_bytes():
        yield warning(
            f"configuration {config.file}",
            "the daemon was started with another one: this file was changed since",
            "systemctl reload evse-daemon takes over what it can, and says what needs a restart",
        )


def _files(config: RunConfig) -> Iterator[str]:
    broker = config.broker()
    if broker.password_file is not None:
        yield broker.password_file
    if broker.tls is not None:
        tls = broker.tls
        yield from filter(None, (tls.ca_file, tls.cert_file, tls.key_file))


def _rights(config: RunConfig, who: Account, rights: Rights) -> Iterator[Finding]:
    """What the daemon reads of its own: the configuration, the login to the broker."""
    for path in (config.file, *_files(config)):
        found = _readable(path, f"file {path}", who, rights)
        if found.level != "ok":
            yield found
    broker = config.broker()
    secrets = (broker.password_file, None if broker.tls is None else broker.tls.key_file)
    for secret in filter(None, secrets):
        if Path(secret).exists() and Path(secret).stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield warning(f"file {secret}", "everybody on this machine may read it", f"chmod o= {secret}")
    door = broker.socket_path
    if door is not None and rights.may(door, os.W_OK) is False and Path(door).exists():
        yield problem(
            f"broker unix socket {door}",
            f"{who.name} may not use it",
            f"usermod -aG mosquitto {who.name}, then restart the daemon; its folder must be open to that group",
        )


def _readable(path: str, subject: str, who: Account, rights: Rights) -> Finding:
    may = rights.may(path, os.R_OK)
    if may:
        return ok(subject, "can be read")
    if may is None:
        return unknown(subject, who)
    if not os.path.lexists(path):
        if path.startswith(CREDENTIALS):
            return warning(
                subject,
                "it is there while the unit runs only: what needs it cannot be tried now",
                "start the unit (LoadCredential= in systemctl edit, docs/security.md), then ask again",
            )
        return problem(subject, "it is not there", "make it, or correct its name")
    return problem(
        subject,
        f"{who.name} may not read it",
        f"chgrp {who.name} {path} && chmod g+r {path}; is its folder open to {who.name}?",
    )
