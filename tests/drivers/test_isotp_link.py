"""ISO-TP between a driver and a board: whole messages or none, whatever becomes of the frames."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.link.can_bus import CanBus, CanSettings
from drivers.link.can_wire import CanFrame, CanListener, CanWire
from drivers.link.isotp_link import MAX_MESSAGE, TIMEOUT_MS, IsoTpIds, IsoTpLink, with_crc, without_crc
from drivers.link.link import CountsDamage
from simulators.wires.slcan_adapter import SlcanPort
from tests.support.waiting import run, until

LOG = structlog.get_logger("test")
IDS = IsoTpIds()
CHANNELS = (f"isotp{number}" for number in itertools.count())

POWER_OFF = bytes.fromhex("C00600")
PWM = bytes.fromhex("B806E807")
HOST_ALIVE = bytes.fromhex("A2060532036E2F61")
METER = bytes(range(1, 122))


@dataclass
class Listener:
    ups: int = 0
    lost: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    def link_up(self) -> None:
        self.ups += 1

    def link_lost(self, reason: str) -> None:
        self.lost.append(reason)

    def received(self, message: bytes) -> None:
        self.messages.append(message)


async def turn() -> None:
    """Whoever sends has sent all: long messages begin."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Cable(CanWire):
    """The test is the other end: it sees what is sent and says what arrives."""

    def __init__(self) -> None:
        self.sent: list[CanFrame] = []
        self.listener: CanListener | None = None
        self.deliver: Callable[[CanFrame], None] = lambda _frame: None

    async def run(self, listener: CanListener) -> None:
        self.listener = listener
        listener.bus_up()
        await asyncio.get_running_loop().create_future()

    def send(self, frame: CanFrame) -> None:
        self.sent.append(frame)
        self.deliver(frame)

    def give(self, data: str, identifier: int = IDS.to_host) -> None:
        assert self.listener is not None
        self.listener.received(CanFrame(identifier, bytes.fromhex(data)))

    def hex(self) -> list[str]:
        return [frame.data.hex().upper() for frame in self.sent]


def host(wire: CanWire) -> IsoTpLink:
    return IsoTpLink(wire, sends=IDS.to_board, receives=IDS.to_host, log=LOG)


def board(wire: CanWire) -> IsoTpLink:
    return IsoTpLink(wire, sends=IDS.to_host, receives=IDS.to_board, log=LOG)


@asynccontextmanager
async def running(*pairs: tuple[IsoTpLink, Listener]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(link.run(listener)) for link, listener in pairs]
    try:
        await until(lambda: all(listener.ups for _, listener in pairs))
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def by_hand(scenario: Callable[[IsoTpLink, Cable, Listener], object]) -> tuple[IsoTpLink, Cable, Listener]:
    """A link whose frames the test sends and reads one by one."""
    cable, listener = Cable(), Listener()
    link = host(cable)

    async def body() -> None:
        async with running((link, listener)):
            outcome = scenario(link, cable, listener)
            if asyncio.iscoroutine(outcome):
                await outcome

    run(body())
    return link, cable, listener


def segments(message: bytes) -> list[str]:
    """The frames of a long message, as a board would send them."""
    payload = with_crc(message)
    frames = [f"{0x1000 | len(payload):04X}{payload[:6].hex()}"]
    for number, start in enumerate(range(6, len(payload), 7), start=1):
        frames.append(f"{0x20 | number % 16:02X}{payload[start : start + 7].hex()}")
    return frames


# The wire, byte for byte


def test_the_checksum_is_crc_16_ccitt_false() -> None:
    assert with_crc(b"123456789")[-2:].hex() == "29b1"
    assert without_crc(with_crc(METER)) == METER
    assert without_crc(with_crc(b"")) is None
    assert without_crc(b"") is None


def test_every_command_is_one_frame_of_eight_bytes() -> None:
    commands = [
        "B00600",
        "B00601",
        "B806E807",
        "B806914E",
        "B80600",
        "C00600",
        "C00601",
        "C80600",
        "D00601",
        "8201020801",
    ]

    def scenario(link: IsoTpLink, _cable: Cable, _listener: Listener) -> None:
        for command in commands:
            link.send(bytes.fromhex(command))

    _, cable, _ = by_hand(scenario)
    assert len(cable.sent) == len(commands)
    for frame, command in zip(cable.sent, commands, strict=True):
        assert frame.id == IDS.to_board
        assert len(frame.data) == 8
        payload = with_crc(bytes.fromhex(command))
        assert frame.data == (bytes([len(payload)]) + payload).ljust(8, b"\xcc")


def test_a_long_message_waits_for_the_boards_flow_control() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        link.send(HOST_ALIVE)
        await turn()
        assert cable.hex() == ["100AA2060532036E"]
        cable.give("300000")
        crc = with_crc(HOST_ALIVE)[-2:].hex().upper()
        assert cable.hex()[1:] == [f"212F61{crc}CCCCCC"]

    by_hand(scenario)


def test_the_boards_block_size_is_kept() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        link.send(METER)
        await turn()
        cable.give("300500")
        assert len(cable.sent) == 1 + 5
        cable.give("300500")
        assert len(cable.sent) == 1 + 10
        cable.give("300000")
        assert len(cable.sent) == len(segments(METER))

    by_hand(scenario)


def test_the_boards_separation_time_is_kept() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        link.send(bytes(range(30)))
        await turn()
        cable.give("300005")
        assert len(cable.sent) < 3
        await until(lambda: len(cable.sent) == 1 + 4)

    by_hand(scenario)


def test_a_long_message_from_the_board_is_asked_for_and_put_together() -> None:
    def scenario(_link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        frames = segments(METER)
        cable.give(frames[0])
        assert cable.hex() == ["300000CCCCCCCCCC"]
        assert cable.sent[0].id == IDS.to_board
        for frame in frames[1:]:
            cable.give(frame)
        assert listener.messages == [METER]

    by_hand(scenario)


# A command never waits


def test_power_off_overtakes_a_long_message_that_waits_for_the_board() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        link.send(HOST_ALIVE)
        await turn()
        link.send(POWER_OFF)
        assert cable.hex()[1].startswith("05C00600")
        await turn()
        # The board has dropped what it had of the long one.
        assert cable.hex()[2] == cable.hex()[0]
        cable.give("300000")
        assert len(cable.sent) == 4

    by_hand(scenario)


def test_commands_keep_their_order() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        link.send(METER)
        await turn()
        for command in (PWM, POWER_OFF, PWM):
            link.send(command)
        await turn()
        short = [frame for frame in cable.hex() if not frame.startswith("10")]
        assert [frame[2:10] for frame in short] == [
            "B806E807",
            "C00600" + with_crc(POWER_OFF)[-2:-1].hex().upper(),
            "B806E807",
        ]

    by_hand(scenario)


def test_commands_that_are_sent_together_go_before_the_long_message_between_them() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        for message in (HOST_ALIVE, PWM, HOST_ALIVE, POWER_OFF):
            link.send(message)
        await turn()
        first, second, third = cable.hex()
        assert (first[2:10], second[2:8], third[:4]) == ("B806E807", "C00600", "100A")

    by_hand(scenario)


def test_a_board_sends_in_order() -> None:
    async def scenario() -> None:
        cable = Cable()
        link = IsoTpLink(cable, sends=IDS.to_board, receives=IDS.to_host, log=LOG, in_order=True)
        async with running((link, Listener())):
            for message in (PWM, HOST_ALIVE, POWER_OFF, HOST_ALIVE, PWM):
                link.send(message)
            await turn()
            assert [frame[:4] for frame in cable.hex()] == ["06B8", "100A"]
            for _ in range(2):
                cable.give("300000")
                await turn()
            kinds = [frame[:4] for frame in cable.hex()]
            assert kinds == ["06B8", "100A", "212F", "05C0", "100A", "212F", "06B8"]

    run(scenario())


def test_a_board_that_never_sends_flow_control_costs_the_long_messages_only() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        for _ in range(100):
            link.send(HOST_ALIVE)
        await until(lambda: link.dropped >= 2)
        cable.sent.clear()
        link.send(POWER_OFF)
        assert cable.hex()[0].startswith("05C00600")

    by_hand(scenario)


def test_an_overflow_of_the_board_gives_the_message_up() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        link.send(METER)
        await turn()
        cable.give("320000")
        assert link.dropped == 1
        link.send(HOST_ALIVE)
        await turn()
        cable.give("300000")
        assert cable.hex()[-1].startswith("212F61")

    by_hand(scenario)


# What comes in


def received_after(*frames: str, then: str | None = None) -> list[bytes]:
    def scenario(_link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        for frame in frames:
            cable.give(frame)
        for frame in segments(METER) if then is None else [then]:
            cable.give(frame)

    _, _, listener = by_hand(scenario)
    return listener.messages


def test_a_segment_that_is_lost_costs_one_message() -> None:
    frames = segments(bytes(100))
    del frames[5]
    assert received_after(*frames) == [METER]


def test_segments_out_of_order_cost_one_message() -> None:
    frames = segments(bytes(100))
    frames[3], frames[4] = frames[4], frames[3]
    assert received_after(*frames) == [METER]


def test_a_second_first_frame_begins_anew() -> None:
    assert received_after(*segments(bytes(100))[:6]) == [METER]


def test_a_single_frame_in_between_counts_and_ends_the_long_message() -> None:
    command = with_crc(POWER_OFF)
    single = f"{len(command):02X}{command.hex()}"
    frames = segments(bytes(100))
    assert received_after(*frames[:4], single, *frames[4:]) == [POWER_OFF, METER]


def test_segments_of_two_messages_that_fit_together_by_their_numbers_are_not_believed() -> None:
    first, second = segments(bytes(100)), segments(bytes(range(100)))
    assert received_after(first[0], *second[1:]) == [METER]


def test_a_message_that_is_too_long_is_refused() -> None:
    def scenario(link: IsoTpLink, cable: Cable, _listener: Listener) -> None:
        cable.give("1FFF000000000000")
        assert cable.hex() == ["320000CCCCCCCCCC"]
        cable.give("1000FFFFFFFF0000")
        assert len(link._transport.rx_buffer) <= MAX_MESSAGE
        link.send(bytes(MAX_MESSAGE + 1))
        assert len(cable.sent) == 2

    by_hand(scenario)


def test_a_board_that_falls_silent_inside_of_a_message_is_heard_again() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        for frame in segments(bytes(100))[:4]:
            cable.give(frame)
        await until(lambda: link.dropped == 1)
        assert not link._transport.is_rx_active()
        for frame in segments(METER):
            cable.give(frame)
        assert listener.messages == [METER]

    by_hand(scenario)
    assert TIMEOUT_MS <= 1000  # ISO 15765-2


def test_other_identifiers_are_not_for_us() -> None:
    def scenario(link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        frames = segments(METER)
        for number, frame in enumerate(frames):
            cable.give(frame)
            for babbling in (0x000, IDS.to_board, 0x6A2, 0x7FF):
                cable.give(f"{0x20 | (number + 1) % 16:02X}55555555555555", identifier=babbling)
            assert cable.listener is not None
            cable.listener.received(CanFrame(IDS.to_host, bytes(8), extended=True))
        assert listener.messages == [METER]
        assert link.dropped == 0

    by_hand(scenario)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=8), max_size=60))
def test_whatever_frames_come_no_wrong_message_does_and_memory_is_bounded(frames: list[bytes]) -> None:
    def scenario(link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        for frame in frames:
            cable.give(frame.hex())
            assert len(link._transport.rx_buffer) <= MAX_MESSAGE + 2
            assert link._transport.rx_queue.empty()
        before = len(listener.messages)
        assert all(len(message) <= MAX_MESSAGE for message in listener.messages)
        for frame_text in segments(METER):
            cable.give(frame_text)
        assert listener.messages[before:] == [METER]

    by_hand(scenario)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_message_arrives_as_it_was_or_not_at_all(data: st.DataObject) -> None:
    message = data.draw(st.binary(min_size=1, max_size=MAX_MESSAGE))
    frames = [bytearray.fromhex(frame) for frame in segments(message)]
    hurt = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, len(frames[hurt]) - 1))
    frames[hurt][place] ^= 1 << data.draw(st.integers(0, 7))

    def scenario(_link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        for frame in frames:
            cable.give(frame.hex())
        assert listener.messages in ([], [message])

    by_hand(scenario)


# Losses


def test_a_lost_bus_is_told_and_nothing_of_before_is_sent_after_it() -> None:
    async def scenario(link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        link.send(METER)
        await turn()
        cable.give(segments(METER)[0])
        assert cable.listener is not None
        cable.listener.bus_lost("bus-off")
        cable.listener.bus_up()
        await turn()
        cable.sent.clear()
        cable.give("300000")
        for frame in segments(METER)[1:]:
            cable.give(frame)
        assert cable.sent == []
        assert listener.messages == []
        assert (listener.ups, listener.lost) == (2, ["bus-off"])

    by_hand(scenario)


def test_before_it_runs_and_after_nothing_is_sent() -> None:
    link, cable, _ = by_hand(lambda _link, _cable, _listener: None)
    for each in (link, host(cable)):
        each.send(POWER_OFF)
        each.send(METER)
    assert cable.sent == []


# Both ends


def exchanged(near_wire: CanWire, far_wire: CanWire) -> None:
    async def scenario() -> None:
        near, far = host(near_wire), board(far_wire)
        at_near, at_far = Listener(), Listener()
        async with running((far, at_far), (near, at_near)):
            if isinstance(far_wire, SlcanPort):
                await until(lambda: far_wire.adapter.is_open)
            messages = [METER, POWER_OFF, bytes(MAX_MESSAGE), HOST_ALIVE, PWM]
            for message in messages:
                near.send(message)
                far.send(message)
            await until(lambda: len(at_near.messages) == len(at_far.messages) == len(messages))
            assert sorted(at_near.messages) == sorted(at_far.messages) == sorted(messages)

    run(scenario())


def test_both_ends_on_a_virtual_bus() -> None:
    bus = CanSettings("virtual", next(CHANNELS))
    exchanged(CanBus(bus, LOG), CanBus(bus, LOG))


def test_both_ends_through_an_adapter_on_a_serial_port(tmp_path: Path) -> None:
    exchanged(CanBus(CanSettings("slcan", str(tmp_path / "can"), 500_000), LOG), SlcanPort(tmp_path / "can"))


def test_a_board_that_restarts_in_the_middle_of_a_message_is_heard_again() -> None:
    async def scenario() -> None:
        bus = CanSettings("virtual", next(CHANNELS))
        near, at_near = host(CanBus(bus, LOG)), Listener()
        async with running((near, at_near)):
            for _ in range(2):
                far, at_far = board(CanBus(bus, LOG)), Listener()
                async with running((far, at_far)):
                    far.send(METER)
                    near.send(POWER_OFF)
                    await until(lambda found=at_far: found.messages)  # type: ignore[misc]
                    far.send(METER)
            far, at_far = board(CanBus(bus, LOG)), Listener()
            async with running((far, at_far)):
                before = len(at_near.messages)
                far.send(HOST_ALIVE)
                await until(lambda: len(at_near.messages) > before)
                assert at_near.messages[-1] == HOST_ALIVE

    run(scenario())


def test_a_message_that_lacks_a_segment_counts_as_damage() -> None:
    """Whoever uses the link knows by it that a short message may be missing, too."""

    async def scenario(link: IsoTpLink, cable: Cable, listener: Listener) -> None:
        assert isinstance(link, CountsDamage)
        first, *others = segments(METER)
        for frame in (first, *others[1:]):
            cable.give(frame)
        assert listener.messages == []
        assert link.damaged == 1

    by_hand(scenario)
