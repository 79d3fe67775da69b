"""Reconnecting does not hammer, and does not come in step with others."""

from evse_daemon.mqtt import backoff
from evse_daemon.mqtt.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    longest = Backoff(lambda _low, high: high)
    assert [longest.next_s() for _ in range(5)] == [0.2, 0.4, 0.8, 1.6, 1.6]
    shortest = Backoff(lambda low, _high: low)
    assert [shortest.next_s() for _ in range(5)] == [0.1, 0.2, 0.4, 0.8, 0.8]


def test_two_clients_do_not_come_in_step() -> None:
    one, other = Backoff(), Backoff()
    assert [one.next_s() for _ in range(5)] != [other.next_s() for _ in range(5)]


def test_only_a_connection_that_lasts_begins_anew() -> None:
    pauses = Backoff(lambda _low, high: high)
    for _ in range(3):
        pauses.next_s()
    pauses.lasted(0.5)
    assert pauses.next_s() == backoff.LONGEST_S, "the broker hangs up at once: slower and slower"
    pauses.lasted(2)
    assert pauses.next_s() == backoff.FIRST_S
