"""Modbus frames as a server sees them: RTU and TCP (Modbus over Serial Line V1.02 §2.5.1; Messaging on TCP/IP V1.0b §3.1).

Written by itself, and not with the library that the driver uses, so that both ends cannot share a mistake.
"""

from __future__ import annotations

import struct

LONGEST = 256
"""Bytes of an RTU frame."""

ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4


def crc16(data: bytes) -> int:
    """The CRC of an RTU frame: polynomial 0xA001 reflected, start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def rtu(unit: int, pdu: bytes) -> bytes:
    frame = bytes([unit]) + pdu
    return frame + struct.pack("<H", crc16(frame))


def tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def refusal(function: int, code: int) -> bytes:
    """The PDU of an exception."""
    return bytes([function | 0x80, code])


class RtuReader:
    """Finds requests in what comes over a serial line, whatever stands between them."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The requests that are complete now: unit and PDU."""
        self._buffer = (self._buffer + data)[-2 * LONGEST :]
        found: list[tuple[int, bytes]] = []
        start = 0
        while len(self._buffer) - start >= 8:
            length = _length(self._buffer[start:])
            frame = self._buffer[start : start + length]
            if len(frame) == length and frame[-2:] == struct.pack("<H", crc16(frame[:-2])):
                found.append((frame[0], frame[1:-2]))
                start += length
            elif len(frame) < length <= LONGEST:
                break
            else:
                start += 1
        self._buffer = self._buffer[start:]
        return found


def _length(frame: bytes) -> int:
    """Of the request that begins here; those that write several values say how long they are."""
    return 9 + frame[6] if frame[1] in (15, 16) else 8
