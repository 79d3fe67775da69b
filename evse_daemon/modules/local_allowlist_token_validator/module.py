"""LocalAllowlistTokenValidator: accepts the tokens that a file lists (EVerest's module of this name)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from evse_daemon.framework.devices import Device, InputFile
from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides, read_write
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.modules.local_allowlist_token_validator.allowlist import Allowlist, parse
from evse_daemon.types.authorization import ProvidedIdToken, ValidationResult

MAX_BYTES = 1_000_000
"""A longer file is refused: it is read while the station waits."""

SHOWN_PROBLEMS = 20
"""Lines of a file that are named in the log."""

_Signature = tuple[int, ...]


class UnusableError(Exception):
    """The file cannot be used; the message says why and what to do."""


class LocalAllowlistTokenValidator(Module):
    """Accepts the tokens of a file, which is read again when it changes. Without a usable file no token is accepted."""

    class Options(ModuleOptions):
        allowlist_file: str = read_write("/mnt/user_data/etc/allowlist_rfid.txt")
        """One token a line, and the EVSEs that it may use (docs/allowlist.md)."""

        def devices(self) -> Iterable[Device]:
            return (InputFile("allowlist_file", self.allowlist_file),)

    token_validator = Provides(AuthTokenValidator)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, LocalAllowlistTokenValidator.Options)
        self._path = Path(context.options.allowlist_file)
        self._signature: _Signature | None = None
        self._list = Allowlist()
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)

    def init(self) -> None:
        self.token_validator.handle(AuthTokenValidator.validate_token, self._validate_token)

    def ready(self) -> None:
        """What is wrong with the file is said at the start, not when a driver stands before the charger."""
        self._current()

    def reconfigure(self, context: Context) -> None:
        """Another file counts from the next token on."""
        super().reconfigure(context)
        assert isinstance(context.options, LocalAllowlistTokenValidator.Options)
        self._path, self._signature = Path(context.options.allowlist_file), None
        self._current()

    def _validate_token(self, provided_token: ProvidedIdToken) -> ValidationResult:
        allowlist = self._current()
        value = provided_token.id_token.value
        if not allowlist.allows(value):
            return ValidationResult(authorization_status="Invalid", tariff_messages=[])
        evses = allowlist.evses(value)
        return ValidationResult(
            authorization_status="Accepted",
            tariff_messages=[],
            evse_ids=None if evses is None else list(evses),
        )

    def _current(self) -> Allowlist:
        """The list as the file is now; empty where the file cannot be used."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 - as os.fstat below
            if self._signature != _sign(status):
                self._read()
        except (OSError, UnusableError) as error:
            self._signature, self._list = None, Allowlist()
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._seldom.error(
                reason,
                "no token is accepted: the allowlist cannot be used",
                file=str(self._path),
                reason=reason,
            )
        return self._list

    def _read(self) -> None:
        # Not to wait for whoever writes into a pipe of this name.
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:  # noqa: PTH123 - it is a descriptor
            status = os.fstat(handle)
            self._check(status)
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UnusableError(f"it is longer than {MAX_BYTES} bytes")
        before = self._list
        self._list = parse(content.decode("utf-8-sig", errors="replace"))
        first, self._signature = self._signature is None, _sign(status)
        if first or self._list != before:
            self._tell(status)

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise UnusableError("it is not a file")
        if status.st_mode & stat.S_IWOTH:
            raise UnusableError(f"anybody may write to it, so anybody may charge: chmod o-w {self._path}")

    def _tell(self, status: os.stat_result) -> None:
        self.log.info("allowlist read", file=str(self._path), tokens=len(self._list.tokens))
        if status.st_mode & stat.S_IROTH:
            self.log.warning(
                "anybody may read the tokens of the allowlist",
                file=str(self._path),
                remedy=f"chmod o-r {self._path}",
            )
        for problem in self._list.problems[:SHOWN_PROBLEMS]:
            self.log.warning("allowlist", file=str(self._path), line=problem.line, problem=problem.text)
        more = len(self._list.problems) - SHOWN_PROBLEMS
        if more > 0:
            self.log.warning("allowlist: more lines have problems", file=str(self._path), more=more)


def _sign(status: os.stat_result) -> _Signature:
    """What tells one state of a file from another; the time of its last change cannot be set by who edits it."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
