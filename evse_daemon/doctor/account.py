"""The user who will run the daemon, and what that user may do."""

from __future__ import annotations

import grp
import os
import pwd
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from evse_daemon.doctor.findings import Finding, warning

SERVICE_USER = "evse-daemon"
"""Whom the package makes, and systemd runs the daemon as."""

LOOK_S = 2.0
"""How long the questions to the file system may take in all: a network disk may hang."""

Question = tuple[str, int]
"""A path, and os.R_OK, os.W_OK and os.X_OK together."""


class Rights(Protocol):
    """Answers to questions."""

    def may(self, path: str, mode: int) -> bool | None:
        """Whether the user may; None where that could not be found out."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the system."""

    name: str
    uid: int
    gid: int
    groups: frozenset[int]

    def is_in(self, group: str) -> bool:
        """Whether the user is in a group of this name; False too where there is no such group."""
        try:
            return grp.getgrnam(group).gr_gid in self.groups
        except KeyError:
            return False


def account(name: str | None = None) -> Account:
    """The user of that name; without one the service's where root asks and it is there, else who asks.

    Raises:
        KeyError: there is no such user.
    """
    if name is None and os.geteuid() == 0:
        try:
            return account(SERVICE_USER)
        except KeyError:
            name = None
    found = pwd.getpwuid(os.geteuid()) if name is None else pwd.getpwnam(name)
    if found.pw_uid == os.geteuid() and found.pw_uid != 0:
        groups = frozenset({os.getegid(), *os.getgroups()})
    else:
        groups = frozenset(os.getgrouplist(found.pw_name, found.pw_gid))
    return Account(found.pw_name, found.pw_uid, found.pw_gid, groups)


def unknown(subject: str, who: Account) -> Finding:
    """What is said where a right could not be found out."""
    return warning(subject, f"whether {who.name} may use it could not be found out", "run this as root")


class Looked:
    """Rights that were asked for at once, by a process of that user: so groups, access lists and folders all count."""

    def __init__(self, who: Account, questions: Iterable[Question]) -> None:
        """Asks. To be called while the process has one thread, since it forks where root asks for another user."""
        self._answers: dict[Question, bool] = {}
        wanted = sorted(set(questions))
        if who.uid == os.geteuid():
            self._answers = {(path, mode): os.access(path, mode) for path, mode in wanted}
        elif os.geteuid() == 0:
            self._answers = dict(zip(wanted, _asked_as(who, wanted), strict=False))

    def may(self, path: str, mode: int) -> bool | None:
        return self._answers.get((path, mode))


def _asked_as(who: Account, questions: list[Question]) -> list[bool]:
    """The answers, as far as they came in time."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(sorted(who.groups))
            os.setgid(who.gid)
            os.setuid(who.uid)
            for path, mode in questions:
                os.write(writable, b"1" if os.access(path, mode) else b"0")
        finally:
            os._exit(0)
    os.close(writable)
    answers = b""
    until_s = time.monotonic() + LOOK_S
    try:
        while (
            len(answers) < len(questions)
            and (left_s := until_s - time.monotonic()) > 0
            and select.select([readable], [], [], left_s)[0]
        ):
            more = os.read(readable, 4096)
            if not more:
                break
            answers += more
    finally:
        os.close(readable)
        os.kill(child, signal.SIGKILL)
        if len(answers) == len(questions):
            os.waitpid(child, 0)
    return [answer == ord("1") for answer in answers]
