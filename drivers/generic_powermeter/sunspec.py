"""Finds a model in a device's SunSpec map (drivers.md §16.5)."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.generic_powermeter.plan import Block

BASES = (40000, 50000, 0)
"""Where a map may begin."""

MARK = (0x5375, 0x6E53)
"""The map begins with «SunS»."""

END = 0xFFFF
MOST_MODELS = 64


@dataclass(frozen=True, slots=True)
class Search:
    """How far the search is: at a base, or at the id and length of a model.

    Args:
        base: which of BASES is tried.
        address: of the model that is looked at; None: of the mark.
        seen: how many models there were.
    """

    base: int = 0
    address: int | None = None
    seen: int = 0

    @property
    def block(self) -> Block:
        """What to read next."""
        return Block(3, BASES[self.base] if self.address is None else self.address, 2)


@dataclass(frozen=True, slots=True)
class Found:
    """Where the id of the model stands."""

    address: int


def take(search: Search, wanted: tuple[int, ...], words: tuple[int, ...] | None) -> Search | Found | str:
    """What follows from an answer.

    Args:
        search: what was asked.
        wanted: ids of the model.
        words: two of them; None: the device refuses to say.

    Returns:
        what to ask next, where the model is, or why it cannot be found.
    """
    ids = " or ".join(map(str, wanted))
    if search.address is None:
        if words == MARK:
            return Search(search.base, BASES[search.base] + 2)
        if search.base + 1 < len(BASES):
            return Search(search.base + 1)
        return f"this is no SunSpec device: there is no mark «SunS» at {', '.join(map(str, BASES))}"
    if words is None:
        return f"its SunSpec map breaks off at {search.address}"
    model, length = words
    if model in wanted:
        return Found(search.address)
    following = search.address + 2 + length
    if model == END or search.seen >= MOST_MODELS or following > 0xFFFD:
        return f"its SunSpec map has no model {ids}"
    return Search(search.base, following, search.seen + 1)
