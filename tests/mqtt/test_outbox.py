"""What waits for the broker: order, bounds, and what is given up first."""

from __future__ import annotations

from evse_daemon.mqtt.dialects import Delivery
from evse_daemon.mqtt.outbox import BACKLOG, Outbox, Rank, already

ONCE = Delivery(1)


def taken(outbox: Outbox) -> list[str]:
    found = []
    while (message := outbox.take()) is not None:
        found.append(message.render().decode())
    return found


def test_order_holds_across_ranks() -> None:
    outbox = Outbox()
    for number, rank in enumerate([Rank.KEEP, Rank.MIRROR, Rank.EVENT, Rank.MIRROR, Rank.KEEP]):
        outbox.put("t", already(b"%d" % number), ONCE, rank)
    outbox.put_first("s", already(b"online"), ONCE)
    assert len(outbox) == 6
    assert taken(outbox) == ["online", "0", "1", "2", "3", "4"]
    assert len(outbox) == 0


def test_calls_go_before_events_and_session_events_last() -> None:
    outbox = Outbox(limit=4)
    for payload, rank in (
        (b"session 1", Rank.KEEP),
        (b"call 1", Rank.MIRROR),
        (b"note 1", Rank.EVENT),
        (b"call 2", Rank.MIRROR),
        (b"session 2", Rank.KEEP),
        (b"session 3", Rank.KEEP),
        (b"session 4", Rank.KEEP),
        (b"session 5", Rank.KEEP),
    ):
        outbox.put("t", already(payload), ONCE, rank)
    assert outbox.dropped == 4
    assert outbox.overflowed()
    assert not outbox.overflowed()
    assert taken(outbox) == ["session 2", "session 3", "session 4", "session 5"]


def test_only_the_latest_waits() -> None:
    outbox = Outbox()
    outbox.put_latest("a", already(b"a1"), ONCE, Rank.EVENT)
    outbox.put("b", already(b"b"), ONCE, Rank.EVENT)
    outbox.put_latest("a", already(b"a2"), ONCE, Rank.EVENT)
    assert taken(outbox) == ["a2", "b"]
    outbox.put_latest("a", already(b"a3"), ONCE, Rank.EVENT)
    assert taken(outbox) == ["a3"]


def test_what_is_dropped_for_room_is_forgotten() -> None:
    outbox = Outbox(limit=1)
    outbox.put_latest("a", already(b"a1"), ONCE, Rank.MIRROR)
    outbox.put("b", already(b"b"), ONCE, Rank.MIRROR)
    outbox.put_latest("a", already(b"a2"), ONCE, Rank.MIRROR)
    assert taken(outbox) == ["a2"]


def test_states_are_thinned_only_in_a_backlog_and_never_overtake_each_other() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put_state("s", already(b"%d" % number), ONCE, Rank.KEEP)
    assert taken(outbox) == ["0", "1", "2"]
    for _ in range(BACKLOG + 1):
        outbox.put("e", already(b"e"), ONCE, Rank.EVENT)
    outbox.put_state("s", already(b"3"), ONCE, Rank.KEEP)
    for _ in range(BACKLOG + 1):
        outbox.take()
    assert len(outbox) == 1
    outbox.put_state("s", already(b"4"), ONCE, Rank.KEEP)
    assert taken(outbox) == ["4"]


def test_telemetry_goes_with_the_connection() -> None:
    outbox = Outbox()
    outbox.put_telemetry("t", already(b"t1"), ONCE)
    outbox.put("c", already(b"c"), ONCE, Rank.MIRROR)
    outbox.put_telemetry("t", already(b"t2"), ONCE)
    outbox.put_latest("s", already(b"s"), ONCE, Rank.EVENT)
    outbox.drop_telemetry()
    assert taken(outbox) == ["c", "s"]
    outbox.put_telemetry("t", already(b"t3"), ONCE)
    assert taken(outbox) == ["t3"]
