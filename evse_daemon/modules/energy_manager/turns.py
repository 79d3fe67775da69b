"""Who is served first where the fuses do not carry the least current of all: a fair order that seldom changes.

An EVSE that charges keeps its turn for TURN_S, then those that wait come first, the longest waiting of all; it waits
in its turn. So nobody starves, and no car is paused and started again every few seconds. Who was displaced by others
rests for REST_S, unless the cars that are there have changed: a limit that goes up and down moves nobody to and fro.
"""

from __future__ import annotations

from typing import NamedTuple

from evse_daemon.modules.energy_manager.needs import WITHOUT_CAR
from evse_daemon.types.energy import EvseState

TURN_S = 900.0
"""How long who charges goes before those who wait."""

REST_S = 60.0
"""How long who was displaced waits at least, while the same cars are there."""


class Turn(NamedTuple):
    """Whether an EVSE with a car is served, and since when it is or is not."""

    served: bool
    since_s: float
    rests_until_s: float = 0.0


def has_car(state: EvseState | None) -> bool:
    return state not in WITHOUT_CAR


def rank(state: EvseState | None, turn: Turn | None, now_s: float) -> tuple[int, float]:
    """The place in the order; less is earlier. EVSEs of the same rank go by their names."""
    if not has_car(state):
        return 4, 0.0
    if state == "WaitForAuth":
        return 3, 0.0  # nobody may ever authorize it
    since_s = now_s if turn is None else turn.since_s
    if state == "PausedEV":
        return 2, since_s  # a full car does not keep others waiting
    if turn is None or not turn.served:
        return 1, since_s
    return (0 if now_s < since_s + TURN_S else 2), since_s


def resting(turn: Turn | None, now_s: float) -> bool:
    return turn is not None and not turn.served and now_s < turn.rests_until_s


def next_turn(before: Turn | None, *, served: bool, displaced: bool, now_s: float) -> Turn:
    """What is remembered of an EVSE with a car.

    Args:
        before: what was.
        served: whether it gets a share now.
        displaced: whether it would get one if it were alone.
        now_s: monotonic.
    """
    if before is None:
        return Turn(served, now_s)
    if before.served == served:
        return before
    return Turn(served, now_s, now_s + REST_S if displaced and not served else 0.0)


def without_rest(turn: Turn) -> Turn:
    """The cars have changed: who rests may come again."""
    return turn._replace(rests_until_s=0.0)
