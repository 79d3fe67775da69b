"""In which words a simulated board speaks to its host: the firmware means the same in all of them."""

from __future__ import annotations

from typing import Literal, Protocol, assert_never

from simulators.yeti_firmware import codec
from simulators.yeti_firmware.heard import STRANGE, Heard
from simulators.yeti_firmware.messages import ToHost

Name = Literal["yeti", "tida010939", "phyverso"]


class Dialect(Protocol):
    """The words of one kind of board."""

    def heard(self, message: bytes) -> Heard:
        """A whole message of the host; never raises."""

    def said(self, message: ToHost) -> tuple[bytes, ...]:
        """The messages that tell the host; none where the board has no word for it."""


class Yeti:
    """The published firmware's."""

    def heard(self, message: bytes) -> Heard:
        command = codec.decode(message)
        return STRANGE if command is None else Heard(command)

    def said(self, message: ToHost) -> tuple[bytes, ...]:
        return (codec.encode(message),)


def make(name: Name) -> Dialect:
    """The dialect of this name; raises ImportError."""
    match name:
        case "yeti":
            return Yeti()
        case "tida010939":
            from simulators.yeti_firmware.tida010939 import Tida010939  # noqa: PLC0415 - only where it is wanted

            return Tida010939()
        case "phyverso":
            from simulators.yeti_firmware.phyverso import PhyVerso  # noqa: PLC0415 - only where it is wanted

            return PhyVerso()
    assert_never(name)
