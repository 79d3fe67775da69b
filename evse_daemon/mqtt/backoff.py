"""How long to wait before the next attempt to reach the broker."""

import random
from collections.abc import Callable

FIRST_S = 0.2
LONGEST_S = 1.6
"""The state is to be right again within 2 s of the broker's return, however long it was away."""


class Backoff:
    """Each pause may be twice as long as the one before; a random part of it, at least half, is waited.

    So the clients of a broker that comes back do not all come at once.

    Args:
        uniform: a random number between two, as `random.uniform`.
    """

    def __init__(self, uniform: Callable[[float, float], float] = random.uniform) -> None:
        self._uniform = uniform
        self._pause_s = FIRST_S

    def next_s(self) -> float:
        """Seconds to wait before the attempt that comes next."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, LONGEST_S)
        return pause_s * self._uniform(0.5, 1)

    def lasted(self, lasted_s: float) -> None:
        """A connection has ended that had lasted so long: only one that lasts makes the next attempt a first one."""
        if lasted_s >= self._pause_s:
            self._pause_s = FIRST_S
