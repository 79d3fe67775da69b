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

    def change(self, **fields: Any) -> None:
        self.state = replace(self.state, **fields)

    def want(self, **fields: Any) -> None:
        self.state = replace(self.state, wanted=replace(self.state.wanted, **fields))

    def do(self, *effects: s.Effect) -> None:
        self.effects += effects

    def send(self, *messages: m.ToBoard) -> None:
        if self.state.wire:
            self.do(*map(s.Send, messages))
