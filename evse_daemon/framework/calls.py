"""Calls of commands: a call is sent, its outcome comes back as an event; nobody waits (design rule 3)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Generic, Literal, Protocol, TypeVar

from evse_daemon.framework.clock import Timer
from evse_daemon.framework.interface import Command

R = TypeVar("R")

CallErrorType = Literal[
    "MessageParsingFailed", "SchemaValidationFailed", "HandlerException", "Timeout", "Shutdown", "NotReady"
]


class CallError(Exception):
    """Why a call has no result; the types are those of EVerest's framework (seed 001)."""

    def __init__(self, type_: CallErrorType, message: str) -> None:
        super().__init__(message)
        self.type: CallErrorType = type_
        self.message = message


class RejectedError(CallError):
    """Raised by a handler that refuses a call: the caller's fault or the wrong moment, not a failure of the module."""

    def __init__(self, message: str) -> None:
        super().__init__("HandlerException", message)


class Receiver(Protocol):
    """Whoever wants to know what became of a call."""

    def put(self, callback: Callable[..., None], *args: Any) -> None:
        """Has this called back later."""


class Target(Protocol):
    """The implementation that is called."""

    @property
    def module_id(self) -> str: ...

    @property
    def implementation_id(self) -> str: ...

    def accept(self, call: Call[Any]) -> None:
        """Takes the call into the inbox of its module."""

    def new_call_id(self) -> str:
        """An id for a call made in this process."""

    def call_finished(self, call: Call[Any]) -> None:
        """The call has its outcome."""

    def call_failed(self, call: Call[Any], error: CallError) -> None:
        """The call failed, and its caller does not say what to do about it."""


class Deferred(Generic[R]):
    """Returned by a handler whose result comes later; resolve or fail it once, further outcomes change nothing."""

    def __init__(self) -> None:
        self._call: Call[R] | None = None
        self._early: tuple[R] | CallError | None = None

    def resolve(self, result: R) -> None:
        if self._call is None:
            self._early = self._early or (result,)
        else:
            self._call.succeed(result)

    def fail(self, error: CallError) -> None:
        if self._call is None:
            self._early = self._early or error
        else:
            self._call.fail(error)

    def attach(self, call: Call[R], timer: Timer) -> None:
        """Ties the result to its call; the timer that would time it out is stopped when the result is there."""
        self._call = call
        call.timeout = timer
        if isinstance(self._early, CallError):
            call.fail(self._early)
        elif self._early is not None:
            call.succeed(self._early[0])


class CallIds:
    """Ids of our own calls: UUIDs whose first 48 bits tell this station's prefix.

    The echo of a mirrored call is known by its id, also where the call was made by a run of this daemon that has
    died since: such a message is never executed (design rule 4).
    """

    def __init__(self, everest_prefix: str) -> None:
        self._tag = int.from_bytes(hashlib.sha256(everest_prefix.encode()).digest()[:6], "big")
        self._text = str(self._stamped(0))[:13]

    def _stamped(self, random: int) -> uuid.UUID:
        value = (self._tag << 80) | (random & ((1 << 80) - 1))
        value = value & ~(0xF << 76) | (0x8 << 76)  # version 8: custom (RFC 9562)
        return uuid.UUID(int=value & ~(0x3 << 62) | (0x2 << 62))

    def new(self) -> str:
        return str(self._stamped(uuid.uuid4().int))

    def is_own(self, call_id: str) -> bool:
        return call_id.startswith(self._text)


class Call(Generic[R]):
    """One call of a command and what became of it."""

    def __init__(
        self,
        target: Target,
        command: Command[..., R],
        arguments: Mapping[str, Any],
        origin: str,
        inbox: Receiver | None,
        call_id: str | None = None,
    ) -> None:
        self.target = target
        self.command = command
        self.arguments = arguments
        self.origin = origin
        self.external = call_id is not None
        """The call came from the broker."""
        self.outcome: tuple[R] | CallError | None = None
        self.timeout: Timer | None = None
        self._given_id = call_id
        self._inbox = inbox
        self._on_result: Callable[[R], None] | None = None
        self._on_error: Callable[[CallError], None] | None = None

    @cached_property
    def id(self) -> str:
        return self._given_id if self._given_id is not None else self.target.new_call_id()

    def then(
        self, on_result: Callable[[R], None] | None, on_error: Callable[[CallError], None] | None = None
    ) -> Call[R]:
        """What to do with the outcome; it comes through the caller's inbox, never at once.

        Without ``on_error`` a failed call is logged by the bus.
        """
        self._on_result = on_result
        self._on_error = on_error
        return self

    def succeed(self, result: R) -> None:
        if self.outcome is None:
            self.outcome = (result,)
            self._finished()

    def fail(self, error: CallError) -> None:
        if self.outcome is None:
            self.outcome = error
            self._finished()

    def _finished(self) -> None:
        if self.timeout is not None:
            self.timeout.cancel()
        self.target.call_finished(self)
        if self._inbox is not None:
            self._inbox.put(self._deliver)

    def _deliver(self) -> None:
        if isinstance(self.outcome, CallError):
            if self._on_error is not None:
                self._on_error(self.outcome)
            else:
                self.target.call_failed(self, self.outcome)
        elif self.outcome is not None and self._on_result is not None:
            self._on_result(self.outcome[0])
