"""The folder of the durable state: may it be written, does it last, is there room, are the files whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from evse_daemon.config.units import STATE
from evse_daemon.doctor.account import Account, Question, Rights, unknown
from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.doctor.machine import Machine
from evse_daemon.store.database import migrations
from evse_daemon.store.holders import holders
from evse_daemon.store.journal import FILE_NAME

USE_FOLDER = os.R_OK | os.W_OK | os.X_OK

LITTLE_BYTES = 100 << 20
"""Less room than this is warned of: a year of transactions has tens of megabytes."""
TOO_LITTLE_BYTES = 5 << 20
"""Less than this is a problem: SQLite needs it for one transaction and its log."""
FEW_FILES = 100
"""Files that can still be made; SQLite makes two beside each of its own."""

MOST_COPIED_BYTES = 64 << 20
"""A larger file with a log beside it is not checked: that needs a copy."""

IN_MEMORY = frozenset({"tmpfs", "ramfs"})
"""File systems that a reboot empties."""


def look_at_folder(
    folder: Path, subject: str, who: Account, rights: Rights, machine: Machine
) -> Iterator[Finding]:
    """Whether the daemon can keep its transactions there, and for ever."""
    there = _that_exists(folder)
    if there == folder and not folder.is_dir():
        yield problem(subject, "it is no folder", "name another state_dir")
        return
    status = os.statvfs(there)
    if status.f_flag & os.ST_RDONLY:
        yield problem(
            subject,
            "the disk is read-only: no transaction can start",
            f"findmnt -T {there}; Linux makes a failing disk read-only (dmesg)",
        )
    elif there != folder and folder.is_relative_to(STATE):
        yield ok(subject, "is not there yet: systemd makes it with the first start")
    elif rights.may(str(there), USE_FOLDER) is False:
        remedy = (
            f"chown -R {who.name}: {folder}"
            if there == folder
            else f"mkdir {folder} && chown {who.name}: {folder}"
        )
        yield problem(subject, f"{who.name} may not write {there}", remedy)
    elif rights.may(str(there), USE_FOLDER) is None:
        yield unknown(subject, who)
    else:
        yield ok(
            subject, "can be written" if there == folder else "is not there yet: the first start makes it"
        )
    kind = file_system(there, machine)
    if kind in IN_MEMORY:
        yield problem(
            subject,
            f"it is in memory ({kind}): a reboot forgets every transaction",
            "put it on a disk (state_dir)",
        )
    yield from _room(status, subject, there)


def _room(status: os.statvfs_result, subject: str, there: Path) -> Iterator[Finding]:
    free = status.f_bavail * status.f_frsize
    room = f"{free >> 20} MiB free"
    if free < TOO_LITTLE_BYTES:
        yield problem(
            subject, f"the disk is full ({room}): no transaction can start", f"make room (du -xh {there})"
        )
    elif free < LITTLE_BYTES:
        yield warning(
            subject, f"the disk is nearly full: {room}, below {LITTLE_BYTES >> 20} MiB", "make room"
        )
    else:
        yield ok(subject, room)
    if status.f_files and status.f_favail < FEW_FILES:
        yield problem(subject, f"the disk takes only {status.f_favail} more files", "remove some: df -i")


def look_at_files(folder: Path, subject: str, who: Account, machine: Machine) -> Iterator[Finding]:
    """Whether the SQLite files are whole, of a version that this daemon knows, and the daemon's own."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return  # there are none yet, or the look at the folder says who may not see them
    files = sorted(folder.glob("*.db"))
    if any(holder.is_station for holder in holders(folder, machine.proc)):
        yield ok(subject, "in use by the daemon, which has checked them at its start")
        return
    for file in files:
        name = f"{subject} {file.name}"
        if who.uid not in (0, file.stat().st_uid):
            yield problem(name, f"it does not belong to {who.name}", f"chown -R {who.name}: {folder}")
        yield _checked(file, name)
    for aside in sorted(folder.glob("*.damaged-*")):
        if not aside.name.endswith(("-wal", "-shm")):
            yield warning(
                f"{subject} {aside.name}",
                "it was damaged, and was put aside; transactions that were open then are lost",
                "have the disk looked at; move the file away when nobody needs it any more",
            )
    if files and max(file.stat().st_mtime for file in files) > time.time() + 86400:
        yield warning(
            subject,
            "they were written in the future: the clock was wrong then, or is now",
            "timedatectl: let a time server set the clock",
        )


def _checked(file: Path, name: str) -> Finding:
    try:
        found, version = _content(file)
    except (sqlite3.Error, OSError) as error:
        return problem(
            name, f"it cannot be read: {error}", "the daemon puts a damaged file aside and begins anew"
        )
    if found is None:
        return warning(
            name, "it is too large to be checked beside its log", "start and stop the daemon: it checks it"
        )
    if found != "ok":
        return problem(
            name, f"it is damaged: {found}", "the daemon puts a damaged file aside and begins anew"
        )
    known = len(migrations())
    if file.name == FILE_NAME and version > known:
        return problem(
            name,
            f"a newer evse-daemon wrote it (schema {version}; this version knows {known})",
            "install that version again, or choose another state_dir",
        )
    return ok(name, "whole")


def _content(file: Path) -> tuple[str | None, int]:
    """What SQLite's quick_check says, and the schema's number; nothing is written beside the file."""
    log = file.with_name(file.name + "-wal")
    if not log.exists() or not log.stat().st_size:
        return _quick_check(file)
    if file.stat().st_size + log.stat().st_size > MOST_COPIED_BYTES:
        return None, 0
    # Even to read it, SQLite would make a file beside one with a log: root's, which the daemon could not use then.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        shutil.copyfile(file, copy)
        shutil.copyfile(log, copy.with_name(log.name))
        return _quick_check(copy, immutable=False)


def _quick_check(file: Path, *, immutable: bool = True) -> tuple[str, int]:
    uri = file.absolute().as_uri() + ("?immutable=1" if immutable else "")
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    return str(found), int(version)


def _that_exists(folder: Path) -> Path:
    # What may not be looked at counts as not there: the folder above says who may.
    while not os.access(folder, os.F_OK) and folder != folder.parent:
        folder = folder.parent
    return folder


def file_system(path: Path, machine: Machine) -> str | None:
    """The kind of the file system that a path is on, by /proc/self/mounts."""
    best, kind = "", None
    for line in (machine.read("proc/self/mounts") or "").splitlines():
        _, mounted, found, *_ = [*line.split(" "), "", "", ""]
        mounted = mounted.replace("\\040", " ")
        if path.resolve().is_relative_to(mounted) and len(mounted) >= len(best):
            best, kind = mounted, found
    return kind


def questions_of_folder(folder: Path) -> list[Question]:
    """What look_at_folder has to know of the user's rights."""
    return [(str(_that_exists(folder)), USE_FOLDER)]
