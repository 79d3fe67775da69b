"""A step of the driver in progress: the state so far, and what is to be done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from drivers.board import messages as m
from drivers.board import state as s


class Work:
    """A step in progress."""

    def __init__(self, state: s.State, now_s: float, settings: s.Settings) -> None:
        self.state = state
        self.now_s = now_s
        self.settings = settings
        self.effects: list[s.Effect] = []
        self.answers: list[s.LockDone] = []
        """They come after all else: whoever asked is to know first of the error that explains a failure."""

    def change(self, **fields: Any) -> None:
        self.state = replace(self.state, **fields)

    def want(self, **fields: Any) -> None:
        self.state = replace(self.state, wanted=replace(self.state.wanted, **fields))

    def do(self, *effects: s.Effect) -> None:
        self.effects += effects

    def answer(self, request_id: int, error: str = "") -> None:
        """Of a lock; an error is why it did not move."""
        self.answers.append(s.LockDone(request_id, error))

    def send(self, *messages: m.ToBoard) -> None:
        """To the board; one that waits for its configuration takes no commands, and power-off without harm."""
        if self.state.wire:
            self.do(*(s.Send(each) for each in messages if self.state.configured or _always(each)))


def _always(message: m.ToBoard) -> bool:
    return isinstance(message, m.HostAlive | m.Reset | m.Configure) or message == m.AllowPower(False)
