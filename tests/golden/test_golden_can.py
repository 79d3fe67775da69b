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
    with virtual_loop():
        station = VirtualStation(over_memory_can(load_text(golden.configuration("everest", tmp_path))))
        station.begin()
        for at_s, topic, payload in golden.stimuli(run):
            station.advance(max(0.0, at_s - station.clock.now_s()))
            if topic:
                station.send(topic, payload)
    for module in station.station.modules.values():
        if isinstance(module, YetiCanDriver):
            link = module.link
            assert isinstance(link, IsoTpLink)
            assert link.dropped == 0
            assert Powermeter.powermeter.name in module.powermeter.last_values, "it takes 18 frames"
    station.save(recording)
    golden.hold_against_everest(run, recording, *golden.ON_ANY_BOARD)
