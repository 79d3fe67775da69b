"""One simulated meter on a Modbus line: what it answers, and how it fails."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from typing import Literal, get_args

from simulators.modbus_meter import frames
from simulators.modbus_meter.electrics import Electrics
from simulators.modbus_meter.registers import MODELS

Fault = Literal["none", "silence", "exception", "slow", "noise", "nan", "short", "wrong_unit"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

SLOW_S = 2.0
"""How late a slow meter answers."""

NOISY = 0.5
"""The part of a noisy meter's answers that has a wrong bit."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a meter sends.

    Args:
        unit: who it says it is.
        pdu: the answer.
        delay_s: how late.
        damage: the bit of the frame that falls over on the way; None: none.
    """

    unit: int
    pdu: bytes
    delay_s: float = 0.0
    damage: int | None = None

    def damaged(self, frame: bytes) -> bytes:
        if self.damage is None:
            return frame
        spoilt = bytearray(frame)
        spoilt[self.damage // 8 % len(frame)] ^= 1 << self.damage % 8
        return bytes(spoilt)


class Device:
    """A meter with its unit id.

    Args:
        model: one of MODELS.
        unit: its address on the line.
    """

    def __init__(self, model: str, unit: int) -> None:
        self.model = model
        self.unit = unit
        self.electrics = Electrics()
        self.fault: Fault = "none"
        self.requests = 0
        """That were for this meter."""
        self._random = random.Random(unit)
        self._counted_until_s: float | None = None

    def count(self, now_s: float) -> None:
        """Time has passed with the present current."""
        if self._counted_until_s is not None:
            self.electrics.pass_time(now_s - self._counted_until_s)
        self._counted_until_s = now_s

    def answer(self, pdu: bytes, now_s: float) -> Reply | None:
        """What it sends to a request; None is silence."""
        self.count(now_s)
        self.requests += 1
        if self.fault == "silence":
            return None
        if self.fault == "exception":
            return Reply(self.unit, frames.refusal(pdu[0], frames.DEVICE_FAILURE))
        answer = self._read(pdu)
        match self.fault:
            case "slow":
                return Reply(self.unit, answer, delay_s=SLOW_S)
            case "noise" if self._random.random() < NOISY:
                return Reply(self.unit, answer, damage=self._random.randrange(8 * (len(answer) + 3)))
            case "wrong_unit":
                return Reply(self.unit % 247 + 1, answer)
            case "short" if len(answer) > 4 and answer[0] < 0x80:
                return Reply(self.unit, answer[:1] + bytes([answer[1] - 2]) + answer[2:-2])
        return Reply(self.unit, answer)

    def _read(self, pdu: bytes) -> bytes:
        function = pdu[0]
        if function not in (3, 4) or len(pdu) != 5:
            return frames.refusal(function, frames.ILLEGAL_FUNCTION)
        address, count = struct.unpack(">HH", pdu[1:])
        if not 1 <= count <= 125:
            return frames.refusal(function, frames.ILLEGAL_VALUE)
        registers = MODELS[self.model](self.electrics, self.fault == "nan")
        try:
            words = [registers[function, place] for place in range(address, address + count)]
        except KeyError:
            return frames.refusal(function, frames.ILLEGAL_ADDRESS)
        return struct.pack(f">BB{count}H", function, 2 * count, *words)
