"""Two EVSEs in one daemon: each has its own sessions, its own journal and its own failures; they share the fuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from evse_daemon.config import load_text
from evse_daemon.modules.evse_manager import module as shell
from evse_daemon.modules.evse_manager.events import CpChanged
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.modules.evse_manager.step import step
from evse_daemon.mqtt.topics import Topics, api_command, carsim_command, nodered_command, nodered_state
from tests.support.virtual_station import VirtualStation

ROOT = Path(__file__).parents[3]
EVEREST = ROOT.parent / "shared" / "golden" / "config-sil-two-evse-ac.yaml"

CAR = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep {};unplug"
TOKEN = {"id_token": {"value": "CAFE{}", "type": "ISO14443"}, "authorization_type": "RFID"}
FIRST, SECOND = "evse_manager_1", "evse_manager_2"
WHOLE = [
    "SessionStarted",
    "AuthRequired",
    "Authorized",
    "TransactionStarted",
    "PrepareCharging",
    "ChargingStarted",
    "StoppingCharging",
    "ChargingFinished",
    "TransactionFinished",
    "SessionFinished",
]


def own_configuration() -> str:
    """The simulator's configuration with two of everything that belongs to an EVSE, and tokens by hand."""
    document = yaml.safe_load((ROOT / "config" / "config-sim.yaml").read_text("utf-8"))
    modules: dict[str, Any] = document["active_modules"]
    del modules["token_provider"]
    modules["auth"]["connections"]["token_provider"] = [
        {"module_id": "dummy_token_provider", "implementation_id": "main"}
    ]
    pairs = ("evse_manager", "evse_manager_sink", "yeti_driver", "ev_manager")
    for name in pairs:
        one = modules.pop(name)
        for number in (1, 2):
            copy = json.loads(json.dumps(one))
            if "connector_id" in copy["config_module"]:
                copy["config_module"]["connector_id"] = number
            copy["mapping"] = {"module": {"evse": number}}
            for targets in copy.get("connections", {}).values():
                for target in targets:
                    target["module_id"] += f"_{number}"
            modules[f"{name}_{number}"] = copy
    for name in ("auth", "api", "grid_connection_point"):
        for targets in modules[name]["connections"].values():
            for target in list(targets):
                if target["module_id"] in pairs:
                    targets.append({**target, "module_id": target["module_id"] + "_2"})
                    target["module_id"] += "_1"
    return yaml.safe_dump(document)


def everests_configuration(state_dir: Path) -> str:
    """EVerest's own for two EVSEs, without the modules that are not there yet."""
    text = EVEREST.read_text("utf-8").replace("STATE_DIR", str(state_dir))
    document = yaml.safe_load(text)
    modules = document["active_modules"]
    later = ("error_history",)
    for name in later:
        modules.pop(name, None)
    for module in modules.values():
        module["connections"] = {
            name: [target for target in targets if target["module_id"] not in later]
            for name, targets in module.get("connections", {}).items()
        }
    return yaml.safe_dump(document)


class Two:
    """A station with two EVSEs, and what each of them tells."""

    def __init__(self, text: str) -> None:
        self.virtual = VirtualStation(load_text(text))
        self.virtual.begin()
        self.advance(8)

    def advance(self, seconds: float) -> None:
        self.virtual.advance(seconds)

    def car(self, number: int, charges_s: float = 20) -> None:
        self.virtual.send(carsim_command(number, "execute_charging_session"), CAR.format(charges_s))

    def card(self, number: int) -> None:
        token = json.dumps(TOKEN | {"connectors": [number]}).replace("CAFE{}", f"CAFE{number:04}")
        self.virtual.send(api_command("dummy_token_provider", "provide"), token)

    def events(self, evse: str) -> list[dict[str, Any]]:
        topic = Topics().var(evse, "evse", "session_event")
        return [json.loads(row["payload"])["data"] for row in self.virtual.rows if row["topic"] == topic]

    def names(self, evse: str) -> list[str]:
        return [event["event"] for event in self.events(evse)][1:]

    def manager(self, evse: str) -> EvseManager:
        module = self.virtual.station.modules[evse]
        assert isinstance(module, EvseManager)
        return module

    def charging(self) -> None:
        """Both charge."""
        for number in (1, 2):
            self.car(number, 10_000)
            self.advance(3)
            self.card(number)
            self.advance(5)
        assert self.names(FIRST)[-1] == self.names(SECOND)[-1] == "ChargingStarted"


@pytest.fixture(params=["own", "EVerest's"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Two]:
    if request.param == "own":
        yield Two(own_configuration())
        return
    if not EVEREST.is_file():
        pytest.skip("EVerest's configuration for two EVSEs is not beside this checkout")
    station = Two(everests_configuration(tmp_path))
    yield station
    for evse in (FIRST, SECOND):
        station.manager(evse).session_log.files.stop(10)


def test_two_sessions_at_the_same_time_are_independent(two: Two) -> None:
    two.car(1, 20)
    two.advance(3)
    two.card(1)
    two.advance(2)
    two.car(2, 40)
    two.advance(3)
    two.card(2)
    two.advance(60)
    assert two.names(FIRST) == two.names(SECOND) == WHOLE
    ids = [{event["uuid"] for event in two.events(evse)[1:]} for evse in (FIRST, SECOND)]
    assert len(ids[0]) == len(ids[1]) == 1
    assert ids[0] != ids[1]
    for evse, number in ((FIRST, 1), (SECOND, 2)):
        records = two.virtual.journal.read_from(evse, 0)
        assert records[0].sequence == 1
        assert {record.payload["session_id"] for record in records} == {two.events(evse)[1]["uuid"]}
        assert {record.payload["evse"] for record in records} == {number}
        assert records[0].payload["id_tag"]["id_token"]["value"] == f"CAFE{number:04}"


def test_they_share_the_fuse(two: Two) -> None:
    two.charging()
    two.advance(30)
    limits_a = [two.manager(evse).state.limit_a for evse in (FIRST, SECOND)]
    fuse_a = two.virtual.station.config.modules["grid_connection_point"].options.fuse_limit_A  # type: ignore[attr-defined]
    assert sum(limits_a) <= fuse_a + 0.01
    assert min(limits_a) >= 6.0


def test_disabled_stopped_or_in_error_the_other_goes_on(two: Two) -> None:
    two.charging()
    before = len(two.names(SECOND))
    two.virtual.send(api_command(FIRST, "pause_charging"), "")
    two.advance(5)
    two.virtual.send(api_command(FIRST, "resume_charging"), "")
    two.advance(5)
    two.virtual.send(api_command(FIRST, "stop_charging"), "")
    two.advance(10)
    assert two.names(FIRST)[-1] == "TransactionFinished"
    assert len(two.names(SECOND)) == before
    assert two.manager(SECOND).state.pilot.contactor_closed


def test_a_kernel_that_fails_powers_its_own_evse_off_and_no_other(two: Two) -> None:
    two.charging()
    sick = two.manager(FIRST)

    def broken(config: Any, state: Any, event: Any, *rest: Any) -> Any:
        if config is sick.config and isinstance(event, CpChanged):
            raise RuntimeError("a fault in the kernel")
        return step(config, state, event, *rest)

    before = len(two.names(SECOND))
    with mock.patch.object(shell, "step", broken):
        two.virtual.send(carsim_command(1, "modify_charging_session"), "iec_wait_pwr_ready;sleep 1;unplug")
        two.advance(1.5)
        board = two.virtual.station.bus.implementations[FIRST, "evse"]
        assert "evse_manager/Internal" in [error.type for error in board.errors.active]
        assert not sick.state.pilot.power_commanded
    two.advance(20)
    assert len(two.names(SECOND)) == before
    assert two.manager(SECOND).state.charger == "Charging"
    assert two.manager(SECOND).state.pilot.contactor_closed
    told = two.names(FIRST)
    assert told[told.index("SessionResumed") :][:3] == [
        "SessionResumed",
        "TransactionFinished",
        "SessionFinished",
    ]
    assert not board.errors.active, "it has recovered"


def test_told_to_end_both_transactions_end(two: Two) -> None:
    two.charging()
    ended: list[float] = []
    begun_s = two.virtual.clock.now_s()
    two.virtual.station.end(lambda: ended.append(two.virtual.clock.now_s() - begun_s))
    two.advance(9)
    assert len(ended) == 1
    for evse in (FIRST, SECOND):
        (finished,) = [e for e in two.events(evse) if e["event"] == "TransactionFinished"]
        assert finished["transaction_finished"]["reason"] == "Reboot"
        assert two.names(evse)[-1] == "SessionFinished"
        assert not two.virtual.journal.open_transactions(evse)


def test_the_flow_and_the_explanation_of_each_evse_are_its_own() -> None:
    """Node-RED's topics by the option connector_id, and evse-daemon explain by the module id."""
    station = VirtualStation(load_text(own_configuration()))
    station.begin()
    station.advance(6)
    station.send(carsim_command(2, "execute_charging_session"), CAR.format(1000))
    station.send(api_command("dummy_token_provider", "provide"), json.dumps(TOKEN).replace("{}", "1"))
    station.send(nodered_command(2, "set_max_current"), "9")
    station.send(nodered_command(1, "disable"), "")
    station.advance(15)
    told = [station.mqtt.payloads(nodered_state(number, "state_string"))[-1] for number in (1, 2)]
    assert told == ["Disabled", "Charging"]
    first, second = station.station.explain()["evses"]
    assert (first["evse"], first["blocks"][0]["source"]) == (FIRST, "LocalAPI")
    assert second["evse"] == SECOND
    assert second["sentence"].startswith("Charging with up to 9.0 A on 3 phases: ")
    assert "Node-RED (evse_manager_2)" in second["sentence"]
    assert {limit["source"] for limit in second["limits"] if limit["kind"] == "node"} == {
        "grid_connection_point/module_config",
        "evse_manager_sink_2/module_config",
    }


def test_an_evse_whose_module_failed_for_good_is_explained_as_that() -> None:
    station = VirtualStation(load_text(own_configuration()))
    station.begin()
    station.advance(6)
    with mock.patch.object(EvseManager, "recover", return_value=False):
        station.station._failed(FIRST, RuntimeError("broken"))
    first, second = station.station.explain()["evses"]
    assert "has failed for good" in first["sentence"]
    assert station.station.explain()["failed_modules"] == [FIRST]
    assert second["sentence"].startswith("Ready")
