"""Module classes whose hardware can be commanded off without a running station: ``evse-daemon make-safe``."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class SwitchesOffAlone(Protocol):
    """A module that has been constructed, of a station that does not run."""

    async def switch_off_alone(self) -> tuple[bool, str]:
        """Opens its own wire, commands power off and closes it, within 1.3 s.

        Returns:
            Whether power is off for sure, and what was done, as a sentence.
        """
