"""What a simulated board makes of a message of its host, whatever its dialect."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.yeti_firmware.messages import FromHost


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message of the host means."""

    command: FromHost | None = None
    """For the firmware."""
    answers: tuple[bytes, ...] = ()
    """What the board says to it at once."""
    understood: bool = True


NOTHING = Heard()
STRANGE = Heard(understood=False)
