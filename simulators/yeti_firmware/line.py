"""The board's end of a serial line: frames in bytes, and what can go wrong with bytes on their way."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.link.framing import FrameDecoder, encode_frame
from simulators.yeti_firmware.faults import (
    AllOver,
    Deaf,
    Garbage,
    HalfFrame,
    Loss,
    Mute,
    Noise,
    OnTheLine,
    Port,
)


class Pipe(Protocol):
    """Carries bytes both ways: a pseudo-terminal, or memory in tests. Neither method waits or raises."""

    def open(self, received: Callable[[bytes], None]) -> None:
        """Begins: what arrives is given to ``received``. Without effect where it is open."""

    def write(self, data: bytes) -> None:
        """Writes; what does not fit is lost, as on a real line."""

    def close(self) -> None:
        """Ends, as a plug that is pulled. Without effect where it is closed."""

    @property
    def place(self) -> str:
        """Where the other end is."""


@dataclass(slots=True)
class LineFaults:
    """What happens to bytes."""

    noise: float = 0.0
    """The part of the bytes that is changed."""
    loss: float = 0.0
    """The part of the bytes that is lost."""
    half: bool = False
    """The next frame breaks off."""
    mute: bool = False
    deaf: bool = False


class SerialLine:
    """Messages over a pipe.

    Args:
        pipe: carries the bytes.
        received: is given each whole message with a good checksum.
        chance: decides which bytes are hit.
    """

    def __init__(self, pipe: Pipe, received: Callable[[bytes], None], chance: random.Random) -> None:
        self.faults = LineFaults()
        self._pipe = pipe
        self._received = received
        self._chance = chance
        self._decoder = FrameDecoder()

    def open(self) -> None:
        self._decoder.reset()
        self._pipe.open(self._arrived)

    def close(self) -> None:
        self._pipe.close()

    @property
    def place(self) -> str:
        return self._pipe.place

    def send(self, message: bytes) -> None:
        frame = encode_frame(message)
        if self.faults.half:
            self.faults.half = False
            frame = frame[: len(frame) // 2]
        if not self.faults.mute:
            self._pipe.write(self._disturbed(frame))

    def forget(self) -> None:
        """The processor was reset: a frame that has half arrived is gone."""
        self._decoder.reset()

    def disturb(self, fault: OnTheLine) -> None:
        """What is wrong from now on; garbage has zeros in it, too, which end frames."""
        match fault:
            case Noise(part):
                self.faults.noise = part
            case Loss(part):
                self.faults.loss = part
            case HalfFrame():
                self.faults.half = True
            case Mute(on):
                self.faults.mute = on
            case Deaf(on):
                self.faults.deaf = on
            case Garbage(count):
                self._pipe.write(self._chance.randbytes(count))
            case Port(there):
                self.open() if there else self.close()
            case AllOver():
                self.faults = LineFaults()
                self.open()

    def _arrived(self, data: bytes) -> None:
        if self.faults.deaf:
            return
        for message in self._decoder.feed(self._disturbed(data)):
            self._received(message)

    def _disturbed(self, data: bytes) -> bytes:
        noise, loss, chance = self.faults.noise, self.faults.loss, self._chance
        if not noise and not loss:
            return data
        return bytes(
            byte ^ chance.randint(1, 255) if noise and chance.random() < noise else byte
            for byte in data
            if not loss or chance.random() >= loss
        )
