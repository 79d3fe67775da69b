"""Frames of the Yeti family on a serial line: COBS(message + CRC-32/JAMCRC, little endian) + 0x00.

The COBS coding frees the frame of zero bytes, so a zero always ends a frame: whatever garbage came before, the reader
is in step again at the next zero, and at most the frame that the garbage ran into is lost.

JAMCRC does not see zeros that are lost or added at the very end of a packet: one message in 256 can arrive without its
last byte where exactly the last byte of its frame is lost. No protobuf message can be read without its last byte.
"""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Literal

try:
    from cobs import cobs
except ImportError as error:
    raise ImportError("frames on a serial line need cobs: pip install 'evse-daemon[serial]'") from error

MAX_MESSAGE = 249
"""Bytes of a message: the firmware takes packets of up to 254 bytes and drops one byte of some longer blocks."""

MAX_GARBAGE = 2048
"""Bytes without a zero after which a reader throws away what it has; the reference implementation's limit."""

CRC_BYTES = 4

Reason = Literal["too long", "bad COBS", "too short", "bad checksum"]


def encode_frame(message: bytes) -> bytes:
    """The frame that carries a message.

    Raises:
        ValueError: the message is longer than MAX_MESSAGE.
    """
    if len(message) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(message)} bytes: the board takes {MAX_MESSAGE} at most")
    # JAMCRC is CRC-32 without the final inversion.
    checksum = zlib.crc32(message) ^ 0xFFFFFFFF
    return bytes(cobs.encode(message + checksum.to_bytes(CRC_BYTES, "little"))) + b"\0"


class FrameDecoder:
    """Cuts a stream of bytes into messages, in whatever pieces it arrives.

    ``dropped`` counts the frames that were thrown away, by reason; ``dropped_bytes`` their bytes. A lone zero is no
    frame and is not counted: senders may use it to bring the other side into step.
    """

    def __init__(self) -> None:
        self.dropped: Counter[Reason] = Counter()
        self.dropped_bytes = 0
        self.good = 0
        self._pending = bytearray()
        self._overlong = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that these bytes complete, in order."""
        messages = []
        start = 0
        while (end := data.find(0, start)) >= 0:
            self._collect(data[start:end])
            message = self._end_of_frame()
            if message is not None:
                messages.append(message)
            start = end + 1
        self._collect(data[start:])
        return messages

    def reset(self) -> None:
        """Forgets a frame that has begun: the line was opened anew."""
        self._pending.clear()
        self._overlong = 0

    @property
    def buffered(self) -> int:
        """Bytes held of a frame that is not complete; never more than MAX_GARBAGE."""
        return len(self._pending)

    def _collect(self, data: bytes) -> None:
        if self._overlong or len(self._pending) + len(data) > MAX_GARBAGE:
            self._overlong += len(self._pending) + len(data)
            self._pending.clear()
        else:
            self._pending += data

    def _end_of_frame(self) -> bytes | None:
        if self._overlong:
            self._drop("too long", self._overlong)
            self._overlong = 0
            return None
        encoded = bytes(self._pending)
        self._pending.clear()
        if not encoded:
            return None
        message = _message_of(encoded)
        if isinstance(message, bytes):
            self.good += 1
            return message
        self._drop(message, len(encoded))
        return None

    def _drop(self, reason: Reason, length: int) -> None:
        self.dropped[reason] += 1
        self.dropped_bytes += length


def _message_of(encoded: bytes) -> bytes | Reason:
    """The message in a frame without its zero, or why there is none."""
    try:
        packet = bytes(cobs.decode(encoded))
    except cobs.DecodeError:
        return "bad COBS"
    if len(packet) <= CRC_BYTES:
        return "too short"
    if len(packet) > MAX_MESSAGE + CRC_BYTES:
        return "too long"
    message = packet[:-CRC_BYTES]
    if zlib.crc32(message) ^ 0xFFFFFFFF != int.from_bytes(packet[-CRC_BYTES:], "little"):
        return "bad checksum"
    return message
