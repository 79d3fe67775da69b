"""Whatever a client publishes: nothing of the daemon breaks, nothing leaks, the session in progress goes on.

``python3 dev.py fuzz`` publishes 20,000 messages; EVSE_FUZZ_CASES says how many, otherwise there are few.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from evse_daemon.mqtt.dialects import DialectName
from evse_daemon.mqtt.topics import Topics, service_response
from tests.fuzz.messages import EVSE, Case, Outcome, any_case
from tests.fuzz.station import FuzzStation, LogLines

CASES = int(os.environ.get("EVSE_FUZZ_CASES", "1500"))
"""Messages that are published at least, over all dialects."""

EVERY = 25
"""After so many messages time passes: the car charges, meters report."""

SERVICE_RESPONSE = service_response("everest", EVSE, "clear_latched_error")

_SETTINGS = settings(
    max_examples=-(-CASES // len(get_args(DialectName))),
    deadline=None,
    database=None,
    phases=[
        Phase.generate
    ],  # a message is short enough to be read, and slow to shrink: each try needs a station
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.fixture
def log() -> Iterator[LogLines]:
    lines = LogLines()
    with lines.counted():
        yield lines


class _Abuse:
    """A station while it is fuzzed; after a failure hypothesis tries that message again, on a new station."""

    def __init__(self, dialect: DialectName) -> None:
        self._dialect = dialect
        self._station: FuzzStation | None = None
        self.outcomes: Counter[str] = Counter()

    @property
    def station(self) -> FuzzStation:
        if self._station is None:
            self._station = FuzzStation(self._dialect)
            self._decided = self._station.decided()
        return self._station

    def publish(self, case: Case) -> None:
        station = self.station
        try:
            self._publish(station, case)
        except BaseException:
            station.close()
            self._station = None
            raise

    def _publish(self, station: FuzzStation, case: Case) -> None:
        answers = station.send(case.topic, case.payload, case.qos, retain=case.retain)
        assert station.happened == [], "only orders change something"
        assert station.decided() == self._decided
        if case.outcome == "nothing":
            assert answers == []
        if case.outcome == "refused":
            assert [answer.topic for answer in answers] == [case.response]
        for answer in answers:
            message = json.loads(answer.payload)
            if answer.topic == SERVICE_RESPONSE:
                assert message["cleared"] is False
                continue
            while "error" not in message:
                message = message["data"]
            assert "retval" not in message
            assert case.outcome != "refused" or message["id"] == case.call_id
            assert set(message["error"]) in (
                {"event", "msg"},
                {"__everest__error_msg", "__everest__error_type"},
            )
            assert len(answer.payload) < 20_000
        self.outcomes[case.outcome] += 1
        if self.outcomes.total() % EVERY == 0:
            station.pass_time(0.5)
            assert station.charging()
            self._decided = station.decided()

    def end(self) -> None:
        """The session can be ended as any other."""
        station = self.station
        station.pass_time(60)
        assert station.charging()
        station.unplug()
        assert not station.charging()
        assert not station.station._failures
        station.close()


@pytest.mark.parametrize("dialect", get_args(DialectName))
def test_no_message_but_an_order_changes_anything(
    dialect: DialectName, log: LogLines, capsys: pytest.CaptureFixture[str]
) -> None:
    abuse = _Abuse(dialect)

    @_SETTINGS
    @given(any_case(Topics(), abuse.station.commands, abuse.station.heard))
    def publish(case: Case) -> None:
        abuse.publish(case)

    publish()
    abuse.end()
    count = abuse.outcomes.total()
    with capsys.disabled():
        print(f"\n{dialect}: {count} messages {dict(abuse.outcomes)}, {log.lines} lines of log")
    assert count >= _SETTINGS.max_examples
    assert min(abuse.outcomes[outcome] for outcome in get_args(Outcome)) > 0.03 * count
    assert log.failures == []
