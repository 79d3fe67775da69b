"""The random delay of the UK's smart charging regulations."""

from __future__ import annotations

from evse_daemon.types.base import EverestType, Integer, Timestamp


class CountDown(EverestType):
    """``countdown_s`` is 0 while no delay runs."""

    countdown_s: Integer
    current_limit_after_delay_A: float
    current_limit_during_delay_A: float
    start_time: Timestamp | None = None
