"""docs/examples/evcc.yaml against a simulated station: each topic, each jq expression, each payload.

evcc itself is a program in Go and is not here. Its jq (gojq) is the program jq here; templates of payloads are made by
the few rules that the example uses (its util/template.go), the watchdog by its own (plugin/watchdog.go: again after half
the timeout).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config.model import RunConfig
from evse_daemon.framework.limit_source import LimitSource
from evse_daemon.mqtt.topics import Topics, api_command, carsim_command, carsim_error
from evse_daemon.reference.external_topics import EXTERNAL
from evse_daemon.reference.station_topics import STATION
from tests.home_assistant.world import World, configuration

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "evcc.yaml"
CAR = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 32,3;sleep 100000"
JQ = shutil.which("jq")

needs_jq = pytest.mark.skipif(
    JQ is None, reason="NOT TESTED: the program jq is not installed (apt install jq)"
)


def example() -> dict[str, Any]:
    [charger] = yaml.safe_load(EXAMPLE.read_text("utf-8"))["chargers"]
    found: dict[str, Any] = charger
    return found


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def filled(template: str, name: str, value: Any) -> str:
    """As evcc's ReplaceFormatted, for what the example uses."""
    choice = re.fullmatch(r"\{\{if \.(\w+)}}(.*){{else}}(.*){{end}}", template)
    if choice is not None:
        assert choice[1] == name
        return choice[2] if value else choice[3]
    whole = re.fullmatch(r"\$\{(\w+)(?::(%[0-9.]*[df]))?}", template)
    assert whole is not None, template
    assert whole[1] == name
    return whole[2] % value if whole[2] else f"{value}"


class Evcc:
    """A loadpoint's charger on a station in virtual time."""

    def __init__(self, config: RunConfig) -> None:
        self.world = World(config)
        self.charger = example()
        self.alive = True
        self._set: dict[str, tuple[str, str, float, float]] = {}
        self.advance(5)

    def get(self, name: str, number: int | None = None) -> str:
        """What evcc reads; fails where the value is older than it may be."""
        source = self.charger[name] if number is None else self.charger[name][number]
        assert source["source"] == "mqtt"
        heard = [row for row in self.world.virtual.rows if row["topic"] == source["topic"]]
        assert heard, source["topic"]
        assert self.now_s - heard[-1]["t"] < seconds(source["timeout"])
        assert JQ is not None
        done = subprocess.run(
            [JQ, "-r", source["jq"]], input=heard[-1]["payload"], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()[0]

    def set(self, name: str, value: Any) -> None:
        """What evcc orders, now and again by the watchdog."""
        watchdog = self.charger[name]
        assert watchdog["source"] == "watchdog"
        topic, payload = watchdog["set"]["topic"], filled(watchdog["set"]["payload"], name, value)
        # maxcurrent and maxcurrentmillis are two ways to say the same: evcc uses one of them.
        self._set[topic] = (topic, payload, self.now_s, seconds(watchdog["timeout"]) / 2)
        self.world.virtual.send(topic, payload)
        self.advance(3)

    def advance(self, duration_s: float) -> None:
        end_s = self.now_s + duration_s
        while self.now_s < end_s:
            self.world.virtual.advance(1)
            for topic, payload, at_s, period_s in list(self._set.values()) if self.alive else ():
                if self.now_s - at_s >= period_s:
                    self._set[topic] = (topic, payload, self.now_s, period_s)
                    self.world.virtual.send(topic, payload)

    def car_comes(self) -> None:
        self.world.virtual.send(carsim_command(1, "execute_charging_session"), CAR)

    @property
    def now_s(self) -> float:
        return self.world.virtual.clock.now_s()

    @property
    def allowed_a(self) -> float:
        """What the station allows, by its own explanation."""
        [evse] = self.world.virtual.station.explain()["evses"]
        return float(evse["allowed_A"])


def station(**limits: float) -> RunConfig:
    config = configuration(enabled=False)
    source = {"evse_manager_sink": LimitSource(**limits)} if limits else {}
    return replace(config, daemon=config.daemon.model_copy(update={"external_limits": source}))


@pytest.fixture
def evcc() -> Evcc:
    return Evcc(station(MaxReceiveTimeSec=90, SafeCurrent=6))


def test_every_topic_of_the_example_is_one_of_the_reference() -> None:
    names = {"evse": "evse_manager", "prefix": Topics().name, "connector_id": "1"}
    known = {topic.topic for topic in STATION} | {topic.topic for topic in EXTERNAL}
    shapes = {re.sub(r"\{(\w+)}", lambda found: names.get(found[1], found[0]), topic) for topic in known}
    used = set(re.findall(r"topic: (\S+)", EXAMPLE.read_text("utf-8")))
    assert used <= shapes


@needs_jq
def test_the_status_of_a_session(evcc: Evcc) -> None:
    evcc.set("enable", value=False)
    assert (evcc.get("status"), evcc.get("enabled")) == ("A", "false")
    evcc.car_comes()
    evcc.advance(20)
    assert (evcc.get("status"), evcc.get("enabled")) == ("B", "false"), "0 A is off"
    evcc.set("maxcurrent", 10)
    evcc.set("enable", value=True)
    evcc.advance(20)
    assert (evcc.get("status"), evcc.get("enabled")) == ("C", "true")
    evcc.world.virtual.send(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "true"}))
    evcc.advance(5)
    assert evcc.get("status") == "B", "a fault: a car that does not charge"
    evcc.world.virtual.send(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "false"}))
    evcc.advance(20)
    assert evcc.get("status") == "C"
    evcc.world.virtual.send(api_command("evse_manager", "disable"), "0")
    evcc.advance(10)
    assert evcc.get("status") == "A"


@needs_jq
def test_evcc_hears_of_a_logic_that_has_failed(evcc: Evcc) -> None:
    for _ in range(10):
        evcc.world.virtual.station._failed("evse_manager", RuntimeError("a test"))
    evcc.advance(11)
    assert evcc.get("status") == "F"


@needs_jq
@pytest.mark.parametrize(("name", "current_a"), [("maxcurrent", 10), ("maxcurrentmillis", 7.5)])
def test_the_current_and_what_the_meter_says(evcc: Evcc, name: str, current_a: float) -> None:
    evcc.set("enable", value=True)
    evcc.set(name, current_a)
    assert evcc.get("enabled") == "true"
    evcc.car_comes()
    evcc.advance(30)
    assert evcc.allowed_a == current_a
    assert [float(evcc.get("currents", phase)) for phase in range(3)] == pytest.approx(
        [current_a] * 3, rel=0.1
    )
    assert [float(evcc.get("voltages", phase)) for phase in range(3)] == pytest.approx([230] * 3, abs=15)
    power_w, energy_kwh = float(evcc.get("power")), float(evcc.get("energy"))
    assert power_w == pytest.approx(3 * 230 * current_a, rel=0.15)
    evcc.advance(60)
    assert float(evcc.get("energy")) - energy_kwh == pytest.approx(power_w * 60 / 3.6e6, rel=0.1)
    evcc.set("enable", value=False)
    evcc.advance(20)
    assert float(evcc.get("power")) == 0


def test_when_evcc_dies_the_safe_current_holds_until_it_is_back(evcc: Evcc) -> None:
    evcc.set("enable", value=True)
    evcc.set("maxcurrent", 16)
    evcc.car_comes()
    evcc.advance(300)
    assert evcc.allowed_a == 16, "as long as it lives, for however long"
    evcc.alive = False
    evcc.advance(95)
    assert evcc.allowed_a == 6
    evcc.alive = True
    evcc.advance(35)
    assert evcc.allowed_a == 16


def test_when_evcc_dies_while_it_has_switched_off_the_safe_current_holds_too(evcc: Evcc) -> None:
    evcc.set("enable", value=False)
    assert evcc.allowed_a == 0
    evcc.alive = False
    evcc.advance(95)
    assert evcc.allowed_a == 6


def test_before_evcc_has_come_the_safe_current_holds(evcc: Evcc) -> None:
    assert evcc.allowed_a == 6


@needs_jq
def test_without_a_limit_from_anybody_the_evse_is_on() -> None:
    evcc = Evcc(station())
    assert evcc.get("enabled") == "true"
    assert evcc.allowed_a == 32
