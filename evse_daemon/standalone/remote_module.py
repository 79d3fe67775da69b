"""A module of another process, as the modules of this one see it: a peer on the bus like any other.

Its variables and errors come from the broker and are published on the bus; calls to it go to the broker and their
answers come back as events. While it is silent, an error says so for each of its implementations that has a
CommunicationFault. A board is asked as often as its deadline needs; what it was told last is told again when it is
back, with power off first, and only then the error clears (design rules 3, 5 and 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import ValidationError

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call, CallError
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Interface, Var, explain
from evse_daemon.framework.module import Context, Module
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.standalone.incoming import Answer
from evse_daemon.standalone.wanted import Setting, WantedBoard
from evse_daemon.standalone.watch import Meter, Watch

I_co = TypeVar("I_co", bound=Interface, covariant=True)

DEADLINE_S = 2.0
"""How long a board may be silent (docs/differences.md); daemon.standalone_deadline_s."""

SILENT = "Standalone"
"""The sub type of the error that stands for a silent module: it is ours, and no error of the module itself."""

MAX_ERRORS = 100
"""Active errors that one implementation may have; sub types are the module's own words, there is no end of them."""

_FAULT = "/CommunicationFault"


class Wire(Protocol):
    """The way to the other process."""

    @property
    def connected(self) -> bool: ...

    def send_call(self, call: Call[Any]) -> None:
        """Sends a call, unless it has its outcome before it can be sent."""


class RemoteImplementation(Implementation[I_co]):
    """One interface of a module of another process."""

    module: RemoteModule

    def run(self, call: Call[Any]) -> None:
        """Sends a call out."""
        self.module.send(self, call)

    def unhandled(self) -> list[str]:
        """Nothing: what the other process handles is its own affair."""
        return []


class RemoteModule(Module):
    """Base of the classes made by manifest.py."""

    implementation_class = RemoteImplementation
    manifest: ClassVar[dict[str, Any] | None] = None
    """As its file has it; None for a class of this daemon."""
    wire: Wire
    """Set before the station begins."""
    deadline_s: float = DEADLINE_S
    callers: Mapping[str, str] = MappingProxyType({})
    """By implementation, the module in whose name a board is told to be safe before anybody calls it."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._boards: dict[str, WantedBoard] = {}
        self._meters: dict[str, Meter] = {}
        self._pending: dict[str, Call[Any]] = {}
        self._sent_s: dict[str, float] = {}
        self._telling: set[str] = set()
        self._told_version = -1
        self._tell_again_s = 0.0
        self._unsent = False
        self._begun = False
        self._heard_errors: set[tuple[str, str]] = set()
        self._silence = ""
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self._watch = Watch(self.deadline_s)
        for name, implementation in self.implementations.items():
            assert isinstance(implementation, RemoteImplementation)
            implementation.module = self
            if implementation.interface is EvseBoardSupport:
                self._boards[name] = WantedBoard()
            elif implementation.interface is Powermeter:
                self._meters[name] = Meter()

    @property
    def up(self) -> bool:
        """Whether it is there, as far as is known."""
        return self._watch.up

    def ready(self) -> None:
        """Its life is watched from here on; its board is told to be safe, whatever a former run has told it."""
        if self._begun:
            return
        self._begun = True
        for name, board in self._boards.items():
            if name in self.callers:
                board.begin(self.callers[name])
        self._watch.deadline_s = self.deadline_s
        if not self._watch.up:
            self._silent("it has not started yet")
        self._tell_all()
        self.every(self.deadline_s / 4, self._tick)

    # What the manager knows of it

    def configuring(self) -> None:
        """It has asked for its configuration: it begins, or begins anew."""
        self._watch.booting = True
        self._meters = {name: Meter() for name in self._meters}
        self._silent("it is starting")
        for implementation in self.implementations.values():
            for error in implementation.errors.active:
                if error.sub_type != SILENT:
                    implementation.clear_error(error.type, error.sub_type)

    def told_ready(self, *, ready: bool = True) -> None:
        """It has said that it is ready, or not."""
        self._watch.booting = not ready
        if ready:
            self._heard()
        else:
            self._silent("it says that it is not ready")

    # What it says

    def var_heard(self, implementation: Implementation[Any], var: Var[Any], value: Any) -> None:
        """A value of a variable."""
        meter = self._meters.get(implementation.implementation_id)
        if meter is not None and var.name == Powermeter.powermeter.name:
            was_silent = meter.silent
            meter.read(self.clock.now_s())
            if was_silent and self._watch.up:
                self._clear_fault(implementation)
        self._heard()
        implementation.publish(var, value)

    def error_heard(self, implementation: Implementation[Any], error: Error) -> None:
        """An error that it raised or cleared.

        Raises:
            ValueError: the interface does not declare this type, or there are too many.
        """
        self._heard()
        if error.active:
            if len(implementation.errors.active) >= MAX_ERRORS:
                raise ValueError(f"it has {MAX_ERRORS} active errors already")
            if implementation.errors.raise_error(error):
                self._heard_errors.add((error.uuid, error.state))
            return
        active = [each for each in implementation.errors.active if each.type == error.type]
        for each in active:
            if each.sub_type == error.sub_type:
                self._heard_errors.add((each.uuid, "ClearedByModule"))
        implementation.clear_error(error.type, error.sub_type)

    def said(self, error: Error) -> bool:
        """Whether a change of an error was its own, told by itself; asked once of each."""
        if (error.uuid, error.state) in self._heard_errors:
            self._heard_errors.discard((error.uuid, error.state))
            return True
        return False

    def answered(self, answer: Answer) -> None:
        """An answer to whichever call, also somebody else's or one that was given up."""
        call = self._pending.pop(answer.id, None)
        if call is None:
            self._heard()
            return
        self._sent_s.pop(answer.id, None)
        if isinstance(answer.outcome, CallError):
            call.fail(answer.outcome)
        else:
            try:
                result = call.command.result.validate_json(answer.outcome)
            except ValidationError as error:
                call.fail(
                    CallError(
                        "HandlerException", f"{self.module_id} answers wrongly: {explain(error, 'retval')}"
                    )
                )
                return
            call.succeed(result)
        self._heard()

    # Calls to it

    def send(self, implementation: Implementation[Any], call: Call[Any]) -> None:
        """Sends a call; a level of a board is kept too, and told again where it may not have arrived."""
        if not self._sets_level(call):
            self._send(call)
            return
        board = self._boards[implementation.implementation_id]
        board.keep(call.command, call.arguments, call.origin)
        if self._watch.up and self.wire.connected:
            self._send(call)
            return
        # An error says already that the board may not follow; a failed call would ask for a replug on top.
        self._unsent = True
        self._tell_all()
        call.succeed(None)

    def _send(self, call: Call[Any]) -> None:
        if not self.wire.connected:
            call.fail(CallError("Timeout", f"{self.module_id} is not reached: there is no broker"))
            return
        now_s = self.clock.now_s()
        self._pending[call.id] = call
        self._sent_s[call.id] = now_s
        due = partial(self.context.inbox.put, self._unanswered, call)
        call.timeout = self.clock.call_at(now_s + call.command.timeout_s, due)
        self.wire.send_call(call)

    def _unanswered(self, call: Call[Any]) -> None:
        if self._pending.pop(call.id, None) is None:
            return
        sent_s = self._sent_s.pop(call.id)
        reason = f"{call.command.name} was not answered within {call.command.timeout_s:g} s"
        level = self._sets_level(call)
        if level or self._watch.heard_s < sent_s:
            self._silent(reason)
        if level:
            call.succeed(None)  # it is told again when the board is back
        else:
            call.fail(CallError("Timeout", reason))

    def _sets_level(self, call: Call[Any]) -> bool:
        return call.target.implementation_id in self._boards and WantedBoard.sets_level(call.command)

    # Its life

    def _heard(self) -> None:
        self._watch.heard(self.clock.now_s())
        if self._watch.up or self._watch.booting:
            return
        if any(list(board) for board in self._boards.values()):
            self._tell_all()  # what it should do comes first
        else:
            self._is_up()

    def _is_up(self) -> None:
        self._watch.up = True
        self._unsent = False
        self._watch.heard(self.clock.now_s())
        if self._silence:
            self._seldom.info("there", "a standalone module is there")
        self._silence = ""
        for name, implementation in self.implementations.items():
            if name not in self._meters or not self._meters[name].silent:
                self._clear_fault(implementation)

    def _silent(self, reason: str) -> None:
        self._watch.up = False
        self._telling.clear()
        for board in self._boards.values():
            board.lose()
        for call in [call for call in self._pending.values() if self._sets_level(call)]:
            del self._pending[call.id], self._sent_s[call.id]
            call.succeed(None)
        if self._silence:
            return
        self._silence = reason
        for implementation in self.implementations.values():
            self._raise_fault(implementation, reason)
        self._seldom.warning("silent", "a standalone module is silent", reason=reason)

    def _raise_fault(self, implementation: Implementation[Any], reason: str) -> None:
        for type_ in _faults(implementation):
            implementation.raise_error(
                type_, f"standalone module {self.module_id}: {reason}", sub_type=SILENT
            )

    def _clear_fault(self, implementation: Implementation[Any]) -> None:
        for type_ in _faults(implementation):
            implementation.clear_error(type_, SILENT)

    def _tick(self) -> None:
        now_s = self.clock.now_s()
        power = {name: board.power for name, board in self._boards.items()}
        self._watch.board = any(power.values())
        reason = self._watch.silence(now_s)
        if reason:
            self._silent(reason)
        for name, meter in self._meters.items():
            if self._watch.up and (reason := meter.silence(now_s, self.deadline_s)):
                self._raise_fault(self.implementations[name], reason)
                self._seldom.warning(
                    ("silent", name), "a standalone meter is silent", implementation=name, reason=reason
                )
        if not self.wire.connected or self._watch.booting:
            return
        if not self._watch.up or self._unsent:
            if now_s >= self._tell_again_s:
                self._telling.clear()
            self._tell_all()
        elif self._watch.probe_due(now_s):
            for name, setting in power.items():
                if setting is not None:
                    self._send(self._again(name, setting).then(None, self._probe_refused))

    def _tell_all(self) -> None:
        """Tells its boards everything that is wanted of them; when all is answered, it is there."""
        if self._telling or self._watch.booting or not self.wire.connected:
            return
        calls = [self._again(name, setting) for name, board in self._boards.items() for setting in board]
        self._told_version = self._version
        self._tell_again_s = self.clock.now_s() + self.deadline_s / 2
        self._telling = {call.id for call in calls}
        for call in calls:
            self._send(call.then(partial(self._told, call.id), partial(self._not_told, call)))

    def _told(self, call_id: str, _result: object) -> None:
        if call_id not in self._telling:
            return
        self._telling.discard(call_id)
        if self._telling:
            return
        if self._version == self._told_version:
            self._is_up()
        else:
            self._tell_all()

    def _not_told(self, call: Call[Any], error: CallError) -> None:
        self._seldom.warning(
            call.command.name,
            "a board does not take what it is told",
            command=call.command.name,
            reason=error.message,
        )
        if call.id in self._telling:
            self._telling.clear()
            self._silent(f"{call.command.name} failed: {error.message}")

    def _probe_refused(self, error: CallError) -> None:
        self._silent(f"it refuses what it was told last: {error.message}")

    @property
    def _version(self) -> int:
        return sum(board.version for board in self._boards.values())

    def _again(self, implementation_id: str, setting: Setting) -> Call[Any]:
        arguments: Mapping[str, Any] = setting.arguments
        implementation = self.implementations[implementation_id]
        return Call(implementation, setting.command, arguments, setting.origin, self.context.inbox)


def _faults(implementation: Implementation[Any]) -> list[str]:
    """The error types by which an implementation can say that it is not reached."""
    names = implementation.interface.error_namespaces
    wanted = [f"{names[0]}{_FAULT}"] if names else []
    return [type_ for type_ in wanted if implementation.errors.allows(type_)]
