"""One daemon for each folder of durable state: two would tell each other's transactions, and drive the same boards."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from evse_daemon.store.holders import holders

WAIT_S = 0.5
"""How long a holder is given that is about to end."""

_TAKEN = (errno.EAGAIN, errno.EACCES)

log = structlog.get_logger(__name__)


class FolderTaken(Exception):  # noqa: N818 - it says what the state is
    """Another process has the folder. The text is complete and meant for the user."""


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Holds a folder for as long as the context lasts; the operating system lets go when the process dies.

    The folder itself is locked, by flock(2), and no file in it: so it works on a full and a read-only disk too. Where
    the file system knows no locks, that is logged and the daemon runs without.

    Args:
        folder: of the state.
        shared: others that share it may have it too (``join``: parts of one station), and no daemon.

    Raises:
        FolderTaken: another process holds it.
    """
    descriptor = _locked(folder, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(folder: Path, kind: int) -> int | None:
    descriptor = None
    until_s = time.monotonic() + WAIT_S
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                if time.monotonic() > until_s:
                    raise FolderTaken(_taken(folder)) from None
                time.sleep(0.05)
            else:
                return descriptor
    except FolderTaken:
        if descriptor is not None:
            os.close(descriptor)
        raise
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        log.warning(
            "the folder of the transactions cannot be locked: nothing keeps a second daemon from using it",
            folder=str(folder),
            reason=error.strerror,
        )
        return None


def _taken(folder: Path) -> str:
    who = " and ".join(str(holder) for holder in holders(folder)) or "a process of another user"
    return (
        f"{folder} is in use by another daemon ({who}): each station needs its own. "
        "End that one (systemctl stop evse-daemon, where systemd runs it), or give this one another folder (--state-dir)."
    )
