"""The connectors of one board: each has a driver of its own (driver.py) over the wire that is common to all; pure.

What concerns the whole board reaches all of them at the same time, so their drivers agree on it: whether the wire is
there, when the board was heard last, when it is told to restart. Where one of them has it restarted, the others join in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from drivers.board import driver, faults
from drivers.board import messages as m
from drivers.board import state as s

States = tuple[s.State, ...]
Effects = tuple[tuple[int, s.Effect], ...]
"""What is to be done in this order, each with the index of the connector that it is for."""


HOPELESS_STARTS = 200
"""In units of restart.START_S, so each 10 minutes: how often the board is restarted for a connector that does not start,
although the others run, where no car is at them. Noise may have taken its reports."""


def concerns_all(message: m.FromBoard | m.ToBoard) -> bool:
    """Whether a message is of or for the whole board, rather than one connector."""
    whole = (
        m.BoardAlive | m.WasReset | m.ConfigurationRequest | m.FanState | m.HostAlive | m.Reset | m.Configure
    )
    return isinstance(message, whole | m.EnterBootloader)


def step(
    states: States, at: int | None, event: s.Event, now_s: float, settings: Sequence[s.Settings]
) -> tuple[States, Effects]:
    """As driver.step.

    Args:
        states: of the connectors, before.
        at: the index of the connector to which it has happened; None for all.
        event: what has happened.
        now_s: monotonic seconds.
        settings: of the drivers of the connectors.
    """
    board = _Board(list(states), now_s, settings)
    if len(states) == 1:
        board.feed(0, event)
        return tuple(board.states), tuple(board.effects)
    if at is None:
        for index in range(len(states)):
            board.feed(index, event)
    else:
        _at_one(board, at, event)
    restarted_by = {index for index, effect in board.effects if _restarts(effect)}
    if restarted_by:
        for index in set(range(len(states))) - restarted_by:
            board.feed(index, s.Restarts())
    held = any(state.line_held for state in board.states)
    line = [(0, s.ResetLine(held))] if held != any(state.line_held for state in states) else []
    return tuple(board.states), (*_merged(board.effects), *line)


def next_deadline(states: States, settings: Sequence[s.Settings]) -> float | None:
    """When a Tick is due for all; None where nothing is waited for."""
    times = [driver.next_deadline(*each) for each in zip(states, settings, strict=True)]
    return min((time for time in times if time is not None), default=None)


class _Board:
    """A step in progress."""

    def __init__(self, states: list[s.State], now_s: float, settings: Sequence[s.Settings]) -> None:
        self.states = states
        self.effects: list[tuple[int, s.Effect]] = []
        self._now_s = now_s
        self._settings = settings

    def feed(self, index: int, event: s.Event) -> None:
        if isinstance(event, s.Tick):
            event = s.Tick(spare=self._must_spare(index))
        state, effects = driver.step(self.states[index], event, self._now_s, self._settings[index])
        self.states[index] = state
        self.effects += ((index, effect) for effect in effects)

    def others(self, index: int) -> list[int]:
        return [other for other in range(len(self.states)) if other != index]

    def _must_spare(self, index: int) -> bool:
        """Whether another connector is in use, or works while this one will not: neither is disturbed."""
        unstarted = self.states[index].unstarted
        hopeless = unstarted >= faults.UNANSWERED
        seldom = hopeless and (unstarted + 1) % HOPELESS_STARTS == 0
        running = [
            self.states[other] for other in self.others(index) if self.states[other].phase == "running"
        ]
        if seldom:
            return any(other.pilot != "A" for other in running)
        return any(hopeless or other.power or other.relay_closed for other in running)


def _at_one(board: _Board, at: int, event: s.Event) -> None:
    if not isinstance(event, s.Received):
        # What time has brought it has brought to all.
        for other in board.others(at):
            board.feed(other, s.Tick())
    board.feed(at, event)
    if isinstance(event, s.Received) and isinstance(event.message, m.ErrorFlags):
        # Whether the board hears its host is no matter of one connector.
        for other in board.others(at):
            flags = board.states[other].flags
            if flags.heartbeat_timeout != event.message.heartbeat_timeout:
                said = replace(flags, heartbeat_timeout=event.message.heartbeat_timeout)
                board.feed(other, s.Received(said))


def _restarts(effect: s.Effect) -> bool:
    return effect == s.ResetLine(held=True) or (
        isinstance(effect, s.Send) and isinstance(effect.message, m.Reset)
    )


def _merged(effects: list[tuple[int, s.Effect]]) -> Iterator[tuple[int, s.Effect]]:
    """What is for the whole board is done once; its restart last, when all connectors were told to switch off."""
    resets: list[tuple[int, s.Effect]] = []
    speaker: int | None = None
    for index, effect in effects:
        if isinstance(effect, s.ResetLine):
            continue  # it is held as long as one of them has it held
        if not isinstance(effect, s.Send) or not concerns_all(effect.message):
            yield index, effect
        elif isinstance(effect.message, m.Reset):
            resets.append((index, effect))
        else:
            speaker = index if speaker is None else speaker
            if index == speaker:
                yield index, effect
    yield from resets[:1]
