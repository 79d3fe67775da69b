"""Which registers are read in which requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drivers.generic_powermeter.model import WORDS, MeterModel, Place, ReadFunction

MODEL_ID: Place = (3, 0)
"""In a SunSpec map: whether the model still stands where it was found."""


@dataclass(frozen=True, slots=True)
class Block:
    """Registers that are read at once."""

    function: ReadFunction
    address: int
    count: int

    def at(self, base: int) -> Block:
        """The same, where addresses count from a base."""
        return Block(self.function, base + self.address, self.count)

    def words(self, values: tuple[int, ...]) -> Iterator[tuple[Place, int]]:
        """Its registers with what an answer says of them."""
        for offset, word in enumerate(values):
            yield (self.function, self.address + offset), word


def plan(model: MeterModel) -> tuple[Block, ...]:
    """The requests of one cycle; the block with the imported energy comes last, for it gives the time of the reading.

    Neighbouring registers are read at once. A value is never torn apart, nor are registers read between which there
    are others, unless the model says that the meter allows it.
    """
    blocks: list[Block] = []
    for function, start, end in sorted(_spans(model)):
        last = blocks[-1] if blocks else None
        if last is not None and last.function == function:
            last_end = last.address + last.count
            joined = max(end, last_end) - last.address
            if start - last_end <= model.widest_gap and joined <= model.most_registers:
                blocks[-1] = Block(function, last.address, joined)
                continue
        blocks.append(Block(function, start, end - start))
    billed = "energy_Wh_export" if model.reversed else "energy_Wh_import"
    found = [reading for reading in model.readings if reading.quantity == billed]
    energy = {reading.place for reading in found if reading.field == "total" or len(found) < 4}
    return tuple(sorted(blocks, key=lambda block: _holds(block, energy)))


def _spans(model: MeterModel) -> set[tuple[ReadFunction, int, int]]:
    spans: set[tuple[ReadFunction, int, int]] = set()
    if model.sunspec:
        spans.add((*MODEL_ID, MODEL_ID[1] + 1))
    for reading in model.readings:
        function, start = reading.place
        spans.add((function, start, start + WORDS[reading.type]))
        if reading.exponent is not None:
            function, start = reading.exponent
            spans.add((function, start, start + 1))
    return spans


def _holds(block: Block, places: set[Place]) -> bool:
    return any(
        function == block.function and block.address <= address < block.address + block.count
        for function, address in places
    )
