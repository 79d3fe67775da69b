"""An hour of a bus on which one byte of a hundred is wrong: what is published is what the meter measured."""

from __future__ import annotations

import random

import pytest
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU

from drivers.generic_powermeter.cycle import Answered, Effect, Event, Failed, Publish
from drivers.generic_powermeter.plan import Block
from drivers.modbus.client import _outcome
from drivers.modbus.requests import Answer, Refusal, Request
from evse_daemon.types.units import Current, Power, Voltage
from simulators.modbus_meter import frames
from simulators.modbus_meter.device import Device
from tests.drivers.generic_powermeter.test_cycle import Wire

WRONG = 0.01
TIMEOUT_S = 0.6
TRIES = 3


class BadWire(Wire):
    """Every request and answer goes as a frame through the codecs of both ends, with wrong bytes."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.device = Device("sdm630", 1)
        self.device.electrics = self.electrics
        self.spoilt_frames = 0
        self._random = random.Random(seed)
        self._framer = FramerRTU(DecodePDU(False))

    def feed(self, event: Event) -> tuple[Effect, ...]:
        effects = super().feed(event)
        for effect in effects:
            if isinstance(effect, Publish):
                values = effect.values
                assert values.voltage_V == Voltage(L1=230.0, L2=230.0, L3=230.0)
                assert values.current_A == Current(L1=10.0, L2=10.0, L3=10.0)
                assert values.power_W == Power(total=6900.0, L1=2300.0, L2=2300.0, L3=2300.0)
        return effects

    def _carried(self, frame: bytes) -> bytes:
        carried = bytes(
            self._random.randrange(256) if self._random.random() < WRONG else byte for byte in frame
        )
        self.spoilt_frames += carried != frame
        return carried

    def _answer(self, block: Block) -> Answer | Refusal | None:
        pdu = bytes([block.function]) + block.address.to_bytes(2) + block.count.to_bytes(2)
        for unit, request in frames.RtuReader().feed(self._carried(frames.rtu(1, pdu))):
            reply = self.device.answer(request, 0.0) if unit == 1 else None  # the wire counts
            if reply is None:
                continue
            received = self._carried(frames.rtu(reply.unit, reply.pdu))
            _, answer = self._framer.handleFrame(received, 1, 0)
            if answer is not None:
                outcome = _outcome(Request(1, block.function, block.address, block.count), answer)
                if isinstance(outcome, Answer | Refusal):
                    return outcome
        return None

    def _reaction(self, request_id: int, block: Block) -> tuple[float, Event]:
        at_s = self.now_s
        for _ in range(TRIES):
            outcome = self._answer(block)
            if isinstance(outcome, Answer):
                return at_s + self.answer_s, Answered(request_id, outcome.values)
            if outcome is not None:
                return at_s + self.answer_s, Failed(request_id, "refused", refused=True)
            at_s += TIMEOUT_S
        return at_s, Failed(request_id, "silence")


@pytest.mark.parametrize("seed", [1, 2])
def test_an_hour_on_a_bad_wire(seed: int) -> None:
    wire = BadWire(seed)
    before_wh = sum(wire.electrics.import_wh)
    wire.advance(3600.0)
    assert wire.spoilt_frames > 1000
    assert len(wire.readings) > 1000
    for at_s, energy_wh in wire.readings:
        measured_wh = before_wh + 6900.0 * (at_s - 100.0) / 3600
        assert abs(energy_wh - measured_wh) < 3.0, "what was counted when it was read"
    assert not wire.faulty
    print(
        f"seed {seed}: {len(wire.readings)} readings in an hour, {wire.spoilt_frames} frames spoilt, "
        f"{len([message for message in wire.faults if message])} faults"
    )
