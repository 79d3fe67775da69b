"""What is late, stale, wrong or broken is missing, or shown as what it is; the rest of the scrape is there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon import metric_names as names
from evse_daemon.config import load, load_text
from evse_daemon.framework.bus import INBOX_LIMIT, InboxOverflowError
from evse_daemon.framework.measures import Measure
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.metrics.start import metrics_of
from evse_daemon.modules.evse_manager import measured
from evse_daemon.modules.evse_manager.explain_limits import Told
from evse_daemon.modules.evse_manager.local_limits import LocalLimits
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.types.powermeter import Powermeter
from tests.metrics.scrape import Metered, collector_of, scrape
from tests.support.memory_wire import over_memory
from tests.support.virtual_station import VirtualStation
from tests.system.processes import ROOT
from tests.test_station import CONFIG, Planted, World, begun, fail_once

EVSE = {"evse": "evse_manager"}


@pytest.fixture
def station() -> Metered:
    station = Metered(load(ROOT / "config" / "config-sim.yaml", {}))
    station.advance(5)
    return station


# A part fails


def test_a_module_whose_measures_fail_does_not_break_the_scrape(
    station: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[Measure]:
        yield names.ENABLED.of(1, "half of it")
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(station.station.modules["evse_manager"], "measures", broken)
    with capture_logs() as logs:
        found = station.scrape()
    assert found.all("evse_enabled") == {}, "half of a part would mislead"
    assert found.one("evse_power_watts", **EVSE) == 0
    assert found.one("evse_daemon_metrics_failures_total", part="evse_manager") == 1
    assert [entry["part"] for entry in logs] == ["evse_manager"]
    station.advance(1)
    with capture_logs() as logs:
        assert station.scrape().one("evse_daemon_metrics_failures_total", part="evse_manager") == 2
    assert logs == [], "it is told seldom"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_left_out(
    station: Metered, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr(
        station.station.modules["api"],
        "measures",
        lambda: [names.POWER.of(value, "odd"), names.ENABLED.of(1, "odd")],
    )
    found = station.scrape()
    assert found.all("evse_power_watts", evse="odd") == {}
    assert found.one("evse_enabled", evse="odd") == 1


@pytest.mark.parametrize("value", [None, "32", [1]])
def test_a_value_of_the_wrong_type_costs_the_part_it_is_of(
    station: Metered, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    monkeypatch.setattr(station.station.modules["api"], "measures", lambda: [names.POWER.of(value, "odd")])
    with capture_logs():
        found = station.scrape()
    if value != "32":  # which is a number, after all
        assert found.one("evse_daemon_metrics_failures_total", part="api") == 1
    assert found.state() == "Idle"


@pytest.mark.parametrize("label", ['a"b\\c\nd', "\ud800", "x" * 1000, "}{", ""])
def test_a_label_with_anything_in_it_can_be_read(
    station: Metered, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    monkeypatch.setattr(station.station.modules["api"], "measures", lambda: [names.ENABLED.of(1, label)])
    [key] = [key for key in station.scrape().all("evse_enabled") if key != ("evse_manager",)]
    assert len(key[0]) <= 128


def test_a_metric_is_given_the_labels_that_it_declares() -> None:
    with pytest.raises(ValueError, match="evse_enabled has the labels"):
        names.ENABLED.of(1)


# Something is silent


def reading(timestamp: str, watt: float) -> Powermeter:
    return Powermeter.model_validate(
        {
            "timestamp": timestamp,
            "energy_Wh_import": {"total": 1000.0},
            "power_W": {"total": watt},
            "current_A": {"L1": 10.0},
        }
    )


class Meter:
    """The meter of an EVSE whose own samples nobody hears."""

    def __init__(self) -> None:
        self.world = World()
        self.collector = collector_of(self.world.station)
        self.evse = self.world.station.bus.implementations["evse_1", "evse"]
        self.number = 0

    def says(self, watt: float, *, again: bool = False) -> None:
        self.number += not again
        self.evse.publish(EvseManager.powermeter, reading(f"2026-03-04T10:15:{self.number:02}.000Z", watt))
        self.world.station.bus.settle()

    def power(self) -> dict[tuple[str, ...], float]:
        return scrape(self.collector).all("evse_power_watts", evse="evse_1")


@pytest.fixture
def meter() -> Meter:
    return Meter()  # its station has not begun: nothing else is published


def test_a_silent_meter_shows_no_power_but_when_it_was_read_and_what_it_counted(meter: Meter) -> None:
    meter.says(7000)
    read_at = meter.world.clock.utc().timestamp()
    meter.world.advance(9)
    assert meter.power() == {(): 7000}
    meter.world.advance(2)
    found = scrape(meter.collector)
    for name in ("evse_power_watts", "evse_phase_current_amperes"):
        assert found.all(name, evse="evse_1") == {}
    assert found.one("evse_meter_reading_timestamp_seconds", evse="evse_1") == pytest.approx(read_at, abs=0.1)
    assert found.one("evse_energy_import_joules_total", evse="evse_1") == 3_600_000
    meter.says(5000)
    assert meter.power() == {(): 5000}


def test_a_reading_that_comes_again_is_not_a_new_one(meter: Meter) -> None:
    meter.says(7000)
    for _ in range(20):
        meter.world.advance(1)
        meter.says(7000, again=True)
    assert meter.power() == {}


def test_a_meter_that_is_read_seldom_is_given_its_time(meter: Meter) -> None:
    for _ in range(3):
        meter.says(7000)
        meter.world.advance(30)
    assert meter.power() == {(): 7000}
    meter.world.advance(31)
    assert meter.power() == {}


def test_a_clock_that_is_set_does_not_change_how_old_a_reading_is(meter: Meter) -> None:
    meter.says(7000)
    meter.world.advance(3)
    meter.world.clock.set_utc(meter.world.clock.utc().replace(year=2040))
    now = meter.world.clock.utc().timestamp()
    found = scrape(meter.collector)
    assert found.one("evse_meter_reading_timestamp_seconds", evse="evse_1") == pytest.approx(now - 3, abs=0.1)
    assert found.one("evse_power_watts", evse="evse_1") == 7000


def test_a_lost_board_leaves_no_contactor_or_car_and_is_counted() -> None:
    station = Metered(over_memory(load(ROOT / "config" / "config-sim.yaml", {})))
    station.advance(5)
    before = station.scrape()
    assert before.one("evse_board_running", module="yeti_driver") == 1
    assert before.one("evse_board_link_up", module="yeti_driver") == 1
    assert before.one("evse_contactor_closed", **EVSE) == 0
    assert before.one("evse_board_messages_received_total", module="yeti_driver") > 20
    losses = before.one("evse_board_losses_total", module="yeti_driver")
    resets = before.one("evse_board_resets_total", module="yeti_driver")
    station.station.modules["yeti_driver_firmware"].pipe.close()  # type: ignore[attr-defined]  # a YetiFirmware's
    station.advance(3)
    lost = station.scrape()
    assert lost.one("evse_board_link_up", module="yeti_driver") == 0
    assert lost.one("evse_board_running", module="yeti_driver") == 0
    assert lost.all("evse_contactor_closed", **EVSE) == {}
    assert lost.all("evse_car_connected", **EVSE) == {}
    assert lost.one("evse_inoperative", **EVSE) == 1
    assert lost.one("evse_board_losses_total", module="yeti_driver") == losses + 1
    silent_s = station.clock.utc().timestamp() - lost.one("evse_board_alive_timestamp_seconds")
    assert 2 <= silent_s <= 4
    fault = {"module": "yeti_driver", "type": "evse_board_support/CommunicationFault", "severity": "High"}
    assert lost.one("evse_errors_active", **fault) == 1
    station.station.modules["yeti_driver_firmware"].pipe.open(lambda _: None)  # type: ignore[attr-defined]  # a YetiFirmware's
    assert resets >= 1


def test_an_error_that_is_over_stays_as_zero_and_was_counted() -> None:
    station = Metered(load(ROOT / "config" / "config-sim.yaml", {}))
    station.advance(5)
    board = station.station.bus.implementations["yeti_driver", "board_support"]
    fault = {
        "module": "yeti_driver",
        "type": "evse_board_support/VentilationNotAvailable",
        "severity": "High",
    }
    for sub_type in ("one", "two"):
        board.raise_error(fault["type"], "planted", sub_type=sub_type)
    station.advance(0)
    during = station.scrape()
    assert during.one("evse_errors_active", **fault) == 2, "a sub type is no label: there is no end of them"
    for sub_type in ("one", "two"):
        board.clear_error(fault["type"], sub_type)
    station.advance(0)
    after = station.scrape()
    assert after.one("evse_errors_active", **fault) == 0
    assert after.one("evse_errors_raised_total", **fault) == 2


# A module fails


def test_a_kernel_that_fails_is_in_the_state_failed_until_it_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = begun()
    collector = collector_of(world.station)
    fail_once(world, Planted(monkeypatch, "evse_1"))
    found = scrape(collector)
    assert (found.state("evse_1"), found.state("evse_2")) == ("Failed", "Charging")
    assert found.one("evse_power_permitted", evse="evse_1") == 0
    assert found.one("evse_daemon_module_exceptions_total", module="evse_1") == 1
    world.advance(3)
    assert scrape(collector).state("evse_1") != "Failed"


def test_a_module_that_has_failed_for_good_tells_nothing_old() -> None:
    world = begun()
    collector = collector_of(world.station)
    world.advance(2)
    assert scrape(collector).state("evse_1") == "Charging"
    with capture_logs():
        world.station._failed("evse_1", InboxOverflowError("too far behind"))
    found = scrape(collector)
    assert found.state("evse_1") == "Failed"
    assert found.all("evse_state", evse="evse_1") == {("Failed",): 1}
    for name in ("evse_power_watts", "evse_contactor_closed", "evse_offered_current_amperes"):
        assert found.all(name, evse="evse_1") == {}, name
        assert len(found.all(name, evse="evse_2")) == 1, name
    assert found.one("evse_daemon_module_failed", module="evse_1") == 1
    assert found.one("evse_daemon_module_failed", module="evse_2") == 0


def test_messages_that_find_an_inbox_full_are_counted() -> None:
    world = World()
    collector = collector_of(world.station)
    inbox = world.station.modules["evse_1"].context.inbox
    with capture_logs():
        for _ in range(INBOX_LIMIT + 1):
            inbox.put(lambda: None)
    found = scrape(collector)
    assert found.one("evse_daemon_inbox_refused_total", module="evse_1") == 1
    assert found.one("evse_daemon_inbox_refused_total", module="evse_2") == 0


# Who names limits


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("grid/module_config", "grid/module_config"),
        ("evse_1/pp_ampacity, grid/module_config", "evse_1/pp_ampacity,grid/module_config"),
        ("API_module", "API_module"),
        ("", ""),
        ("energy manager of Mr Miller, 2026-11-21", "other"),
        ("grid/17", "other"),
        ("house/module_config,grid/module_config", "grid/module_config,other"),
    ],
)
def test_whoever_sets_limits_cannot_make_ever_new_series(source: str, label: str) -> None:
    assert measured.bounded(source, {"grid", "evse_1"}) == label


def test_of_two_limits_with_one_name_the_smaller_is_shown() -> None:
    told = Told(local=LocalLimits(current_a=10.0, power_w=2300.0), local_at_s=0.0)
    found = [*measured.measures(KernelConfig(), State(), told, set(), 1.0)]
    local = [each for each in found if each.metric is names.LIMIT and each.labels[1] == "local"]
    assert [each.value for each in local] == [pytest.approx(2300 / 230 / 3)]


# The order of the loop


def test_the_event_loop_gets_its_turn_between_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred EVSEs nobody waits for more than one."""
    world = World()
    collector = collector_of(world.station)
    turn = 0
    asked: list[int] = []

    def measures() -> tuple[Measure, ...]:
        asked.append(turn)
        return ()

    for module in world.station.modules.values():
        monkeypatch.setattr(module, "measures", measures)

    async def gathered() -> None:
        nonlocal turn
        task = asyncio.ensure_future(collector.page(""))
        while not task.done():
            turn += 1
            await asyncio.sleep(0)

    asyncio.run(gathered())
    assert len(set(asked)) == len(asked) == len(CONFIG.modules)
    assert turn > len(asked) + 30, "and between the families of the text"


def test_without_metrics_nothing_is_counted_and_the_library_is_not_loaded() -> None:
    world = World()
    taps = [*world.station.bus.taps]
    assert metrics_of(world.station, {}) is None
    assert world.station.bus.taps == taps
    code = (
        "import sys, evse_daemon.cli.run, evse_daemon.modules.evse_manager.module, drivers.board.module\n"
        "assert 'prometheus_client' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_without_the_library_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "config" / "config-sim.yaml").read_text()
    station = VirtualStation(load_text(f"daemon: {{metrics: {{}}}}\n{text}")).station
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "evse_daemon.metrics.collector", raising=False)
    with capture_logs() as logs:
        assert metrics_of(station, {}) is None
    assert "pip install 'evse-daemon[metrics]'" in logs[0]["remedy"]
