"""A short soak: `python3 dev.py soak` is the long one, which also judges how soon the state is right again."""

from __future__ import annotations

from pathlib import Path

from tests.soak.broker_faults import Result, session_events, state_after_kill
from tests.support.brokers import Mosquitto, start_mosquitto


def test_no_session_event_is_lost_or_doubled_whatever_breaks(tmp_path: Path) -> None:
    broker = start_mosquitto(tmp_path, persistent=True)
    try:
        result = session_events(broker, tmp_path / "daemon", 6, lambda _text: None)
    finally:
        broker.stop()
    assert result.problems == []
    assert result.faults == {"connections reset": 4, "broker restarted": 2}
    assert result.sessions >= 2


def test_the_state_is_right_again_after_the_broker_was_killed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    result = Result()
    state_after_kill(mosquitto, tmp_path / "daemon", 2, result)
    assert result.problems == []
    assert len(result.right_again_s) == 2
