"""The simulated Modbus meter: what it counts, how it fails, what it takes for a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus_meter import frames, orders
from simulators.modbus_meter.device import FAULTS, SLOW_S, Device, Fault, Reply
from simulators.modbus_meter.orders import OrderError, obey
from simulators.modbus_meter.registers import MODELS
from simulators.modbus_meter.server import Bus

READ_V = bytes.fromhex("0400000002")
READ_VAR = bytes.fromhex("0400180002")


def two_meters() -> Bus:
    return Bus([Device("sdm630", 1), Device("em340", 2)])


def test_energy_follows_the_current_that_is_set() -> None:
    bus = two_meters()
    obey(bus, "1: current 10 10 10", 0.0)
    obey(bus, "2: current -10", 0.0)
    obey(bus, "show", 3600.0)
    first, second = bus.devices[1].electrics, bus.devices[2].electrics
    assert sum(first.import_wh) == pytest.approx(6900.0)
    assert second.export_wh == [pytest.approx(2300.0), 0.0, 0.0]
    obey(bus, "current 0", 3600.0)
    obey(bus, "show", 7200.0)
    assert sum(first.import_wh) == pytest.approx(6900.0), "what flowed before counts with what was set before"


def test_a_request_for_registers_that_it_has_not_is_refused() -> None:
    reply = Device("sdm72", 1).answer(READ_VAR, 0.0)
    assert reply is not None
    assert reply.pdu == bytes([0x84, frames.ILLEGAL_ADDRESS])


def test_each_fault_on_demand() -> None:
    replies: dict[Fault, Reply | None] = {}
    for fault in FAULTS:
        bus = Bus([Device("sdm630", 1)])
        obey(bus, f"fault {fault}", 0.0)
        replies[fault] = bus.devices[1].answer(READ_V, 0.0)
    good = bytes.fromhex("040443660000")
    assert replies["none"] == Reply(1, good)
    assert replies["silence"] is None
    assert replies["exception"] == Reply(1, bytes([0x84, frames.DEVICE_FAILURE]))
    assert replies["slow"] == Reply(1, good, delay_s=SLOW_S)
    assert replies["nan"] == Reply(1, bytes.fromhex("04047fc00000"))
    assert replies["short"] == Reply(1, bytes.fromhex("04024366"))
    assert replies["wrong_unit"] == Reply(2, good)


def test_a_noisy_meter_spoils_some_of_its_frames_by_a_bit() -> None:
    device = Device("sdm630", 1)
    device.fault = "noise"
    good = frames.rtu(1, bytes.fromhex("040443660000"))
    sent = []
    for _ in range(100):
        reply = device.answer(READ_V, 0.0)
        assert reply is not None
        sent.append(reply.damaged(frames.rtu(reply.unit, reply.pdu)))
    flips = {int.from_bytes(frame) ^ int.from_bytes(good) for frame in sent}
    assert all(flip.bit_count() <= 1 for flip in flips)
    assert 20 < sum(frame != good for frame in sent) < 80


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("curent 10", "not understood: curent 10"),
        ("current", "not understood: current"),
        ("current 1 2", "not understood: current 1 2"),
        ("current ten", "ten is no number"),
        ("current nan", "nan is no number"),
        ("fault fire", "fault 'fire' is none of none, silence"),
        ("3: current 1", "there is no unit '3', but 1, 2"),
    ],
)
def test_an_order_that_makes_no_sense_says_what_was_expected(line: str, message: str) -> None:
    with pytest.raises(OrderError, match=message):
        obey(two_meters(), line, 0.0)


def test_orders_for_one_meter_and_for_all() -> None:
    bus = two_meters()
    obey(bus, "fault silence", 0.0)
    obey(bus, "2: fault none", 0.0)
    assert [device.fault for device in bus.devices.values()] == ["silence", "none"]
    assert obey(bus, "2:show", 0.0).startswith("unit 2 (em340): 0.0 Wh imported")
    assert obey(bus, "help", 0.0) == orders.HELP
    assert obey(bus, "", 0.0) == ""


@given(st.text())
def test_whatever_is_typed(line: str) -> None:
    try:
        obey(two_meters(), line, 0.0)
    except OrderError:
        return


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_a_request_is_found_after_any_garbage(garbage: bytes, more: bytes) -> None:
    reader = frames.RtuReader()
    reader.feed(garbage)
    reader.feed(more)
    request = frames.rtu(1, READ_V)
    # A beginning in the garbage may swallow what comes next, up to the longest frame.
    found = [unit_and_pdu for _ in range(40) for unit_and_pdu in reader.feed(request)]
    assert (1, READ_V) in found
    assert len(reader._buffer) <= 2 * frames.LONGEST


@given(st.lists(st.integers(1, 20), max_size=30))
def test_a_request_that_comes_in_pieces(cuts: list[int]) -> None:
    stream = (
        frames.rtu(1, READ_V) + frames.rtu(2, READ_VAR) + frames.rtu(3, bytes.fromhex("10000C00020400000001"))
    )
    reader = frames.RtuReader()
    found = []
    for cut in [*cuts, len(stream)]:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert [unit for unit, _ in found] == [1, 2, 3]


@given(st.sampled_from(sorted(MODELS)), st.sampled_from(FAULTS), st.binary(min_size=1, max_size=250))
def test_whatever_is_asked(model: str, fault: str, pdu: bytes) -> None:
    bus = Bus([Device(model, 1)])
    obey(bus, f"fault {fault}", 0.0)
    reply = bus.devices[1].answer(pdu, 0.0)
    if reply is not None:
        assert len(reply.damaged(frames.rtu(reply.unit, reply.pdu))) <= frames.LONGEST
