"""The shell around connectors.py: joins a board's dialect, wire and connectors, and runs what is for the board."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from drivers.board import connectors, driver, state
from drivers.board.connector import Connector
from drivers.board.counts import Counts
from drivers.board.gpio import ResetPin
from drivers.board.messages import (
    BadMessageError,
    BoardAlive,
    ConfigurationRequest,
    FromBoard,
    ToBoard,
    UnsupportedMessageError,
    WasReset,
)
from drivers.board.switch_off import OFF, SwitchesOff
from drivers.link.link import CountsDamage, Link, MeasuredLink
from evse_daemon import metric_names as names
from evse_daemon.framework.clock import Timer
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.module import FAILURES, Context, Module
from evse_daemon.framework.rate_limit import RateLimitedLog


class BoardShell(Module):
    """The driver of a board, without its dialect, wire and connectors: a subclass says these.

    ``module.BoardModule`` is that of a board with one connector.
    """

    numbers: ClassVar[tuple[int, ...]] = (0,)
    """Of the connectors that the board has, in its own counting; also of those that are not used."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.link = self.make_link()
        self.reset_pin: ResetPin | None = None
        self.connectors: tuple[Connector, ...] = ()
        self._settings: tuple[state.Settings, ...] = ()
        self._timer: Timer | None = None
        self._timer_s: float | None = None
        self._limited_log = RateLimitedLog(self.log, now=self.clock.now_s)
        self._damage = self.link if isinstance(self.link, CountsDamage) else None
        self._damaged = 0
        self._wire_failed = False
        """The wire's task has ended with an exception: it has to be opened anew."""
        self.counts = Counts()

    @abstractmethod
    def make_link(self) -> Link:
        """The wire to the board."""

    @abstractmethod
    def encode(self, number: int, message: ToBoard) -> bytes:
        """The host's words for a connector; raises UnsupportedMessageError."""

    @abstractmethod
    def decode(self, data: bytes) -> tuple[int | None, FromBoard]:
        """The board's words, and of which connector they are (None: of all); raises BadMessageError."""

    def use(self, connector: Connector, settings: state.Settings) -> None:
        """Adds a connector; to be called by the constructor of a subclass.

        Args:
            connector: of the board.
            settings: what its driver is set to; ``reset_line`` follows from ``make_reset_pin``.
        """
        connector.state = state.State(heard_s=self.clock.now_s())
        self.connectors += (connector,)
        self._settings += (settings,)

    def make_reset_pin(self) -> ResetPin | None:
        """The line that resets the board, where the host has one; raises OSError where it cannot be had."""
        return None

    def measures(self) -> Iterator[Measure]:
        yield from self.counts.measures(self.module_id)
        states = [connector.state for connector in self.connectors]
        yield names.BOARD_LINK_UP.of(any(each.wire for each in states), self.module_id)
        running = bool(states) and all(each.phase == "running" for each in states)
        yield names.BOARD_RUNNING.of(running, self.module_id)
        if any(each.board is not None for each in states):
            silent_s = self.clock.now_s() - max(each.heard_s for each in states)
            yield names.BOARD_HEARD.of(self.clock.utc().timestamp() - silent_s, self.module_id)
        if isinstance(self.link, MeasuredLink):
            yield from self.link.measures(self.module_id)

    def init(self) -> None:
        for connector in self.connectors:
            connector.handle_commands()

    def ready(self) -> None:
        try:
            self.reset_pin = self.make_reset_pin()
        except OSError as error:
            self.log.error(  # noqa: TRY400 - no stack helps whoever reads this
                "the reset line of the board cannot be used: the board is reset by a message instead, and a lost "
                "board is not switched off; see docs/hardware.md",
                reason=str(error),
            )
        has_line = self.reset_pin is not None
        self._settings = tuple(replace(each, reset_line=has_line) for each in self._settings)
        self.spawn("link", self._carry())

    def make_safe(self) -> None:
        for connector in self.connectors:
            for message in driver.safe_messages(connector.state):
                self.send(connector, message)

    async def switch_off_alone(self) -> tuple[bool, str]:
        """See framework.switch_off."""
        try:
            pin = self.make_reset_pin()
        except OSError:
            pin = None  # the message remains
        off = [
            self.encode(number, message)
            for message in OFF
            for number in (self.numbers[:1] if connectors.concerns_all(message) else self.numbers)
        ]
        return await SwitchesOff(self.link, off, self._has_restarted, pin).run()

    def recover(self, error: Exception, failures: int) -> bool:
        """Power-off, and the board is restarted: what was known of it may be what made the driver fail."""
        self.make_safe()
        if not super().recover(error, failures):
            return False
        wire = any(connector.state.wire for connector in self.connectors)
        for connector in self.connectors:
            connector.forget_told()
        self._feed(None, state.LinkLost(f"error {failures} of {FAILURES} in its driver"))
        if self._wire_failed:
            self._wire_failed = False
            self.spawn("link", self._carry())
        elif wire:
            self._feed(None, state.LinkUp())
        return True

    async def _carry(self) -> None:
        try:
            await self.link.run(self)
        except Exception:
            self._wire_failed = True
            raise

    # The link's side; see drivers.link.link.LinkListener.

    def link_up(self) -> None:
        self.context.inbox.put(self._feed, None, state.LinkUp())

    def link_lost(self, reason: str) -> None:
        self.context.inbox.put(self._feed, None, state.LinkLost(reason))

    def received(self, message: bytes) -> None:
        self.context.inbox.put(self._received, message)

    # The connectors' side; see connector.Board.

    def feed(self, connector: Connector, event: state.Event) -> None:
        self._feed(self.connectors.index(connector), event)

    def send(self, connector: Connector, message: ToBoard) -> bool:
        try:
            data = self.encode(connector.number, message)
        except UnsupportedMessageError:
            return False
        self.counts.sent += 1
        self.link.send(data)
        return True

    def knows(self, message: ToBoard) -> bool:
        try:
            self.encode(self.numbers[0], message)
        except UnsupportedMessageError:
            return False
        return True

    def _received(self, data: bytes) -> None:
        if self._damage is not None and self._damage.damaged != self._damaged:
            self._damaged = self._damage.damaged
            self._feed(None, state.Damaged())
        self.counts.received += 1
        try:
            number, message = self.decode(data)
        except BadMessageError as error:
            self.counts.ignored += 1
            self._limited_log.warning("message", "a message of the board was ignored", reason=str(error))
            return
        if isinstance(message, WasReset):
            self.counts.resets += 1
            self._limited_log.info("started", "the board has started", reason=message.reason)
        indices = [None] if number is None else self._indices(number)
        for index in indices:
            self._feed(index, state.Received(message))

    def _indices(self, number: int) -> list[int | None]:
        """None where that connector is not used."""
        return [index for index, connector in enumerate(self.connectors) if connector.number == number]

    def _has_restarted(self, data: bytes) -> bool:
        try:
            _, message = self.decode(data)
        except BadMessageError:
            return False
        return isinstance(message, WasReset | ConfigurationRequest)

    def _feed(self, index: int | None, event: state.Event) -> None:
        states = tuple(connector.state for connector in self.connectors)
        ran = any(each.phase == "running" for each in states)
        states, effects = connectors.step(states, index, event, self.clock.now_s(), self._settings)
        if ran and not any(each.phase == "running" for each in states):
            self.counts.losses += 1
        for connector, after in zip(self.connectors, states, strict=True):
            connector.state = after
        for at, effect in effects:
            self._run(at, effect)
        deadline_s = connectors.next_deadline(states, self._settings)
        if deadline_s != self._timer_s:
            self._arm(deadline_s)

    def _run(self, index: int, effect: state.Effect) -> None:
        connector = self.connectors[index]
        match effect:
            case state.Send(message):
                self.send(connector, message)
            case state.ResetLine(held):
                self._hold(held)
            case state.TellBoard(BoardAlive() as board) if index == 0:
                self._log_board(board)
                connector.run(effect)
            case _:
                connector.run(effect)

    def _arm(self, deadline_s: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, deadline_s
        if deadline_s is not None:
            self._timer = self.clock.call_at(deadline_s, lambda: self.context.inbox.put(self._tick))

    def _tick(self) -> None:
        self._timer_s = None
        self._feed(None, state.Tick())

    def _hold(self, held: bool) -> None:
        if self.reset_pin is None:
            return
        try:
            self.reset_pin.hold(held)
        except OSError as error:
            self._limited_log.error("reset", "the reset line of the board does not move", reason=str(error))

    def _log_board(self, board: BoardAlive) -> None:
        self._limited_log.info(
            "board",
            "the board",
            firmware=board.version,
            protocol=".".join(map(str, board.protocol)),
            hardware=f"{board.hardware_type}.{board.hardware_revision}",
        )
