"""The window on its own: limit, order, replay, back-pressure. A list stands for the link."""

import asyncio

import pytest

from evse_daemon.mqtt.client import Undelivered
from evse_daemon.mqtt.window import Window, check_topic
from tests.support.raw_mqtt import DUP, PUBLISH, PUBREL, topic_and_rest
from tests.support.waiting import run


class Sink:
    """Notes what is written as `topic` (with `!` for DUP), or `rel N`."""

    def __init__(self, *, congested: bool = False) -> None:
        self.log: list[str] = []
        self.mids: list[int] = []
        self.congested = congested

    def write(self, data: bytes) -> None:
        if data[0] == PUBREL:
            self.log.append(f"rel {int.from_bytes(data[2:4], 'big')}")
            return
        assert data[0] & 0xF0 == PUBLISH
        topic, rest = topic_and_rest(data[2:])
        self.log.append(topic + ("!" if data[0] & DUP else ""))
        if data[0] & 0x06:
            self.mids.append(int.from_bytes(rest[:2], "big"))


def _window(limit: int = 3) -> tuple[Window, Sink]:
    window, sink = Window(limit), Sink()
    window.attach(sink, session_present=False)
    return window, sink


def test_the_limit_holds_and_order_is_kept() -> None:
    async def scenario() -> None:
        window, sink = _window()
        futures = [window.submit(f"{n}", "", 2, False) for n in range(6)]
        assert sink.log == ["0", "1", "2"]
        for mid in list(sink.mids):
            window.received(mid)
            window.pump()
        assert sink.log == ["0", "1", "2"]  # a place is free after PUBCOMP only
        window.settled(sink.mids[0])
        assert sink.log == ["0", "1", "2", "3"]
        assert [future.done() for future in futures] == [True, *[False] * 5]

    run(scenario())


def test_lower_qos_waits_for_the_pubrels_before_it() -> None:
    async def scenario() -> None:
        window, sink = _window(16)
        window.submit("a", "", 2, False)
        window.submit("b", "", 0, False)
        window.submit("c", "", 2, False)
        window.submit("d", "", 1, False)
        assert sink.log == ["a"]
        window.received(sink.mids[0])
        window.pump()
        assert sink.log == ["a", "b", "c"]
        window.received(sink.mids[1])
        window.pump()
        assert sink.log == ["a", "b", "c", "d"]

    run(scenario())


def test_replay_to_a_kept_session_marks_dup_and_repeats_pubrel() -> None:
    async def scenario() -> None:
        window, sink = _window()
        for topic in "abcd":
            window.submit(topic, "", 2, False)
        window.received(sink.mids[0])
        window.detach()
        again = Sink()
        window.attach(again, session_present=True)
        assert again.log == [f"rel {sink.mids[0]}", "b!", "c!"]
        window.settled(sink.mids[0])
        assert again.log[3:] == ["d"]
        assert again.mids[:2] == sink.mids[1:]

    run(scenario())


def test_a_lost_session_gets_everything_anew() -> None:
    async def scenario() -> None:
        window, sink = _window()
        for topic in "abc":
            window.submit(topic, "", 2, False)
        window.received(sink.mids[0])
        window.detach()
        again = Sink()
        window.attach(again, session_present=False)
        assert again.log == ["a", "b", "c"]

    run(scenario())


def test_replay_keeps_the_order_of_mixed_qos() -> None:
    async def scenario() -> None:
        window, sink = _window()
        window.submit("a", "", 2, False)
        window.received(sink.mids[0])
        window.submit("b", "", 1, False)
        assert sink.log == ["a", "b"]
        window.detach()
        again = Sink()
        window.attach(again, session_present=False)
        assert again.log == ["a"]  # b would overtake it
        window.received(again.mids[0])
        window.pump()
        assert again.log == ["a", "b"]

    run(scenario())


def test_while_disconnected_qos0_is_dropped_and_the_rest_kept() -> None:
    async def scenario() -> None:
        window, sink = Window(2), Sink()
        assert window.submit("t", "", 0, False).done()
        kept = [window.submit(topic, "", qos, False) for topic, qos in (("a", 1), ("b", 2), ("c", 1))]
        assert window.dropped == 1
        window.attach(sink, session_present=False)
        assert sink.log == ["a", "b"]
        window.settled(sink.mids[0])
        assert sink.log == ["a", "b"]  # c waits for the PUBREL of b
        waiting = window.submit("u", "", 0, False)
        window.detach()
        assert waiting.done()
        assert window.dropped == 2
        assert [future.done() for future in kept] == [True, False, False]

    run(scenario())


def test_a_congested_link_drops_qos0_only() -> None:
    async def scenario() -> None:
        window, sink = Window(2), Sink(congested=True)
        window.attach(sink, session_present=False)
        window.submit("t", "", 0, False)
        window.submit("a", "", 1, False)
        assert sink.log == ["a"]
        assert window.dropped == 1

    run(scenario())


def test_send_returns_when_there_is_a_place() -> None:
    async def scenario() -> None:
        window, sink = _window(2)
        first = await window.send("a", "", 2, False)
        await window.send("b", "", 2, False)
        third = asyncio.create_task(window.send("c", "", 2, False))
        cancelled = asyncio.create_task(window.send("never", "", 2, False))
        fourth = asyncio.create_task(window.send("d", "", 2, False))
        await asyncio.sleep(0)
        assert not third.done()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        window.settled(sink.mids[0])
        ack = await third
        assert first.done()
        assert not ack.done()
        window.settled(sink.mids[1])
        await fourth
        assert sink.log == ["a", "b", "c", "d"]

    run(scenario())


def test_ids_do_not_leak() -> None:
    async def scenario() -> None:
        window, sink = _window(16)
        window.id_generator._max = 40
        for n in range(200):
            window.submit("a", "", 1, False)
            window.id_generator.free_id(sink.mids[-1])  # the packet handler does, on PUBACK
            window.settled(sink.mids[-1])
            if n % 20 == 0:
                window.detach()
                window.attach(sink, session_present=False)
        assert len(sink.mids) == 200

    run(scenario())


def test_fail_tells_all() -> None:
    async def scenario() -> None:
        window, _ = _window(1)
        flying = window.submit("a", "", 2, False)
        waiting = asyncio.create_task(window.send("b", "", 2, False))
        await asyncio.sleep(0)
        window.fail("over")
        for future in (flying, waiting):
            with pytest.raises(Undelivered, match="over"):
                await future
        with pytest.raises(Undelivered):
            window.submit("c", "", 0, False)

    run(scenario())


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b", "a\nb", "\x85", "\ud800", "\ufdd0", "ä" * 33000])
def test_topics_on_which_a_broker_would_hang_up(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        check_topic(topic)


def test_bad_arguments_change_nothing() -> None:
    async def scenario() -> None:
        window, sink = _window()
        with pytest.raises(ValueError, match="QoS"):
            window.submit("a", "", 3, False)
        with pytest.raises(ValueError, match="topic"):
            await window.send("a/#", "", 1, False)
        assert sink.log == []
        assert window.unacknowledged == 0

    run(scenario())
