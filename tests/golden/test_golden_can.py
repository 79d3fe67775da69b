"""Recordings of the real EVerest, replayed in virtual time with the board on CAN."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivers.link.isotp_link import IsoTpLink
from drivers.yeti_can_driver.module import YetiCanDriver
from evse_daemon.config import load_text
from evse_daemon.interfaces.powermeter import Powermeter
from tests.golden import test_golden as golden
from tests.support.memory_can import over_memory_can, virtual_loop
from tests.support.virtual_station import VirtualStation

pytestmark = golden.pytestmark


@pytest.mark.parametrize("run", golden.ON_A_WIRE)
def test_a_board_on_can_makes_the_same(run: str, tmp_path: Path) -> None:
    recording = tmp_path / "run.jsonl"
    replay(run, recording)
    golden.hold_against_everest(run, recording, *golden.ON_ANY_BOARD)


def test_a_residual_current_on_can_is_a_ground_failure_until_the_car_has_left(tmp_path: Path) -> None:
    """The session's events in their order, and the errors in theirs: the board's next frame clears the error."""
    recording = tmp_path / "run.jsonl"
    replay("05_error_rcd", recording)
    seen = golden.events_and_errors(recording)
    for of_errors in (False, True):
        assert [each for each in seen if ("/" in each) == of_errors] == [
            each for each in golden.A_RESIDUAL_CURRENT_ON_A_YETI if ("/" in each) == of_errors
        ]


def replay(run: str, recording: Path) -> None:
    """Records a run over CAN; no message is lost."""
    with virtual_loop():
        config = load_text(golden.configuration("everest", recording.parent))
        station = VirtualStation(over_memory_can(config))
        station.begin()
        for at_s, topic, payload in golden.stimuli(run):
            station.advance(max(0.0, at_s - station.clock.now_s()))
            if topic:
                station.send(topic, payload)
    (driver,) = (each for each in station.station.modules.values() if isinstance(each, YetiCanDriver))
    assert isinstance(driver.link, IsoTpLink)
    assert driver.link.dropped == 0
    assert Powermeter.powermeter.name in driver.powermeter.last_values, "it takes 18 frames"
    station.save(recording)
