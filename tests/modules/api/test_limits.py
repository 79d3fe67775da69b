"""Limits and the random delay, as clients of everest_api command them (seed 003; reference api.md §1.8)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import simulators
from evse_daemon.config import load
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.errors import Mapping
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.api.module import API
from evse_daemon.mqtt.topics import carsim_command
from evse_daemon.types.energy import ExternalLimits, LimitsReq
from evse_daemon.types.evse_manager import Connector, Evse
from evse_daemon.types.uk_random_delay import CountDown
from tests.support.harness import World
from tests.support.virtual_station import VirtualStation

CONFIG = Path(simulators.__file__).with_name("config-sim.yaml")
NOW = "2026-03-04T10:15:00.000Z"


class Station:
    """Two EVSEs with a sink each, and a third that is mapped to none."""

    def __init__(self, numbers: tuple[int, int] = (1, 2)) -> None:
        self.world = World()
        self.evses: list[Implementation[Any]] = []
        for number, told in zip((1, 2), numbers, strict=True):
            provided = self.world.fake(
                f"evse_{number}", Mapping(number), evse=EvseManager, random_delay=UkRandomDelay
            )
            sink = self.world.fake(f"sink_{number}", Mapping(number), external_limits=ExternalEnergyLimits)
            sink["external_limits"].handle(ExternalEnergyLimits.set_external_limits, lambda value: None)
            for name in ("enable", "disable", "cancel", "set_duration_s"):
                provided["random_delay"].handle(UkRandomDelay.commands[name], lambda *_, **__: None)
            provided["evse"].handle(
                EvseManager.get_evse, partial(Evse, id=told, connectors=[Connector(id=1)])
            )
            self.evses.append(provided["evse"])
            self.delay = provided["random_delay"]
        self.world.add(
            API,
            "api",
            {},
            connections={
                "evse_manager": [("evse_1", "evse"), ("evse_2", "evse")],
                "evse_energy_sink": [("sink_2", "external_limits"), ("sink_1", "external_limits")],
                "random_delay": [("evse_2", "random_delay")],
            },
        )
        self.world.start()
        for evse in self.evses:
            evse.publish(EvseManager.ready, True)
        self.world.settle()

    def command(self, name: str, payload: str, evse: int = 1) -> None:
        self.world.send(f"everest_api/evse_{evse}/cmd/{name}", payload)

    def limits(self, evse: int = 1) -> list[ExternalLimits]:
        calls = self.world.calls(
            (f"sink_{evse}", "external_limits"), ExternalEnergyLimits.set_external_limits
        )
        return [call["value"] for call in calls]

    def delays(self) -> list[str]:
        return [
            name
            for name in ("enable", "disable", "cancel", "set_duration_s")
            for _ in self.world.calls(("evse_2", "random_delay"), UkRandomDelay.commands[name])
        ]


def entry(limits: ExternalLimits, which: str = "import") -> LimitsReq:
    (found,) = getattr(limits, f"schedule_{which}")
    assert found.limits_to_leaves == found.limits_to_root
    return found.limits_to_root  # type: ignore[no-any-return]


def value(number: Any) -> float:
    assert number.source == "API_module"
    return float(number.value)


@pytest.mark.parametrize(
    ("payload", "limit_a"), [("16", 16.0), (" 8.5 ", 8.5), ("10 A", 10.0), ("16A", 16.0)]
)
def test_a_current_limit_goes_to_the_sink_of_its_evse(payload: str, limit_a: float) -> None:
    station = Station()
    station.command("set_limit_amps", payload, evse=2)
    (limits,) = station.limits(2)
    assert value(entry(limits).ac_max_current_A) == limit_a
    assert value(entry(limits, "export").ac_max_current_A) == 0.0
    assert station.limits(1) == []


def test_zero_stops_and_a_negative_limit_feeds_back() -> None:
    station = Station()
    station.command("set_limit_amps", "0")
    station.command("set_limit_watts", "-3000")
    stop, back = station.limits()
    assert value(entry(stop).ac_max_current_A) == value(entry(stop, "export").ac_max_current_A) == 0.0
    assert value(entry(back).total_power_W) == 0.0
    assert value(entry(back, "export").total_power_W) == 3000.0


def test_a_limit_with_phases() -> None:
    station = Station()
    station.command("set_limit_amps_phases", '{"amps": 8.0, "phases": 1}')
    (limits,) = station.limits()
    found = entry(limits)
    assert (value(found.ac_max_current_A), found.ac_max_phase_count, found.ac_min_phase_count) == (
        8.0,
        found.ac_min_phase_count,
        found.ac_max_phase_count,
    )
    assert found.ac_max_phase_count is not None
    assert found.ac_max_phase_count.value == 1


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        *(
            ("set_limit_amps", text)
            for text in ("", "nan", "inf", "1e50", "0x10", "16,5", "true", "{}", "9999999")
        ),
        *(("set_limit_watts", text) for text in ("", "-nan", "11 kW", "[3000]")),
        *(
            ("set_limit_amps_phases", text)
            for text in (
                "8",
                "{}",
                '{"amps": 8}',
                '{"amps": 8, "phases": 2}',
                '{"amps": NaN, "phases": 3}',
                '{"amps": "8", "phases": 3}',
                '{"amps": 8, "phases": 3, "volts": 5}',
            )
        ),
        *(("uk_random_delay", text) for text in ("", "Enable", "true", "off")),
        *(("uk_random_delay_set_max_duration_s", text) for text in ("", "-1", "1.5", "600s", "null")),
    ],
)
def test_what_is_not_understood_changes_nothing_and_is_logged(command: str, payload: str) -> None:
    station = Station()
    with capture_logs() as logs:
        station.command(command, payload, evse=2)
    assert station.limits(2) == []
    assert station.delays() == []
    (line,) = logs
    assert line["event"] == "not understood: command ignored"
    assert line["topic"] == f"everest_api/evse_2/cmd/{command}"
    assert line["problem"]


def test_the_sink_of_an_evse_is_found_by_the_number_that_it_tells() -> None:
    station = Station(numbers=(7, 1))
    station.command("set_limit_amps", "10", evse=2)
    assert (len(station.limits(1)), len(station.limits(2))) == (1, 0)
    with capture_logs() as logs:
        station.command("set_limit_amps", "10", evse=1)
    assert "connect an EnergyNode above it as evse_energy_sink" in logs[0]["problem"]
    assert "EVSE 7" in logs[0]["problem"]


def test_the_random_delay_is_commanded_where_the_evse_has_one() -> None:
    station = Station()
    for order in ("enable", "cancel", "disable"):
        station.command("uk_random_delay", order, evse=2)
    station.command("uk_random_delay_set_max_duration_s", "0", evse=2)
    assert station.delays() == ["enable", "disable", "cancel", "set_duration_s"]
    with capture_logs() as logs:
        station.command("uk_random_delay", "enable", evse=1)
    assert "connect it as random_delay" in logs[0]["problem"]


def test_session_info_tells_of_a_delay_only_while_it_runs() -> None:
    station = Station()

    def told() -> Any:
        texts = station.world.mqtt.payloads("everest_api/evse_2/var/session_info")
        return json.loads(texts[-1]).get("uk_random_delay")

    assert told() is None
    running = CountDown(
        countdown_s=34,
        current_limit_after_delay_A=16.0,
        current_limit_during_delay_A=0.0,
        start_time=NOW,
    )
    station.delay.publish(UkRandomDelay.countdown, running)
    station.world.advance(1)
    assert told() == {
        "current_limit_after_delay_A": 16.0,
        "current_limit_during_delay_A": 0.0,
        "remaining_s": 33,
        "start_time": NOW,
    }
    station.world.advance(10)
    assert told()["remaining_s"] == 23  # counted down although nobody told anything new
    station.world.advance(23)
    assert told() is None
    station.delay.publish(UkRandomDelay.countdown, running)
    station.world.advance(1)
    station.delay.publish(UkRandomDelay.countdown, running.model_copy(update={"countdown_s": 0}))
    station.world.advance(1)
    assert told() is None


def test_a_limit_arrives_through_the_energy_tree_at_the_car() -> None:
    station = VirtualStation(load(CONFIG, {}))
    station.begin()
    station.advance(5)
    session = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 3600;unplug"
    station.send(carsim_command(1, "execute_charging_session"), session)
    station.advance(30)

    def charges_with_a() -> float:
        station.advance(10)
        (*_, newest) = station.mqtt.payloads("everest_api/evse_manager/var/powermeter")
        return float(json.loads(newest)["current_A"]["L1"])

    assert charges_with_a() == pytest.approx(16.0, abs=0.5)
    station.send("everest_api/evse_manager/cmd/set_limit_amps", "10")
    assert charges_with_a() == pytest.approx(10.0, abs=0.5)
    station.send("everest_api/evse_manager/cmd/set_limit_amps", "0")
    assert charges_with_a() == pytest.approx(0.0, abs=0.5)
    (*_, info) = station.mqtt.payloads("everest_api/evse_manager/var/session_info")
    assert json.loads(info)["state"] == "ChargingPausedEVSE"
    station.send("everest_api/evse_manager/cmd/set_limit_watts", str(3 * 230 * 8))
    station.advance(10)
    assert charges_with_a() == pytest.approx(8.0, abs=0.5)
