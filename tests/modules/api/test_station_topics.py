"""Topics of the station and what is repeated each second: info, ocpp, limits, powermeter, telemetry (seed 003)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.charger_information import ChargerInformation
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.ocpp import Ocpp
from evse_daemon.modules.api import payloads
from evse_daemon.modules.api.module import API
from evse_daemon.modules.api.options import ApiOptions
from evse_daemon.modules.evse_manager.module import EvseManager as EvseManagerModule
from evse_daemon.modules.evse_manager.residual_current import TelemetryWithResidualCurrent
from evse_daemon.types.charger_information import ChargerInformation as Information
from evse_daemon.types.evse_board_support import Telemetry
from evse_daemon.types.evse_manager import Connector, Evse, Limits
from evse_daemon.types.ocpp import ChargingSchedules, ConnectionStatus
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Energy
from tests.support.harness import World

TELEMETRY = Telemetry(
    evse_temperature_C=30, fan_rpm=0, supply_voltage_12V=12, supply_voltage_minus_12V=-12, relais_on=False
)


class Station:
    """One EVSE, OCPP, and whoever knows make and model."""

    def __init__(self, *, knows: bool = True, file: str = "") -> None:
        self.world = World()
        self.evse = self.world.fake("evse", evse=EvseManager)["evse"]
        self.evse.handle(EvseManager.get_evse, lambda: Evse(id=1, connectors=[Connector(id=1)]))
        self.ocpp = self.world.fake("ocpp", main=Ocpp)["main"]
        self.charger = self.world.fake("charger", main=ChargerInformation)["main"]
        if knows:
            self.charger.handle(ChargerInformation.get_charger_information, self.information)
        connections: dict[str, Any] = {"evse_manager": [("evse", "evse")], "ocpp": [("ocpp", "main")]}
        if not file:
            connections["charger_information"] = [("charger", "main")]
        self.world.add(API, "api", {"charger_information_file": file}, connections=connections)
        self.world.start()
        self.evse.publish(EvseManager.ready, True)
        self.world.settle()

    def information(self) -> Information:
        return Information(vendor="ACME", model="Wallbox", firmware_version="1.2")

    def texts(self, topic: str) -> list[str]:
        return self.world.mqtt.payloads(f"everest_api/{topic}")


def test_make_and_model_are_published_each_second() -> None:
    station = Station()
    station.world.advance(3)
    assert (
        station.texts("info/var/info") == ['{"firmware_version":"1.2","model":"Wallbox","vendor":"ACME"}'] * 3
    )


def test_who_cannot_tell_make_and_model_is_asked_again() -> None:
    station = Station(knows=False)
    station.world.advance(5)
    assert station.texts("info/var/info") == []
    station.charger.handle(ChargerInformation.get_charger_information, station.information)
    station.world.advance(31)
    assert json.loads(station.texts("info/var/info")[-1])["vendor"] == "ACME"


def test_a_file_tells_make_and_model_too(tmp_path: Path) -> None:
    file = tmp_path / "charger_info.yaml"
    file.write_text("model_name: Wallbox\npcb_serial_number: '0012'\nmade: 2026-01-02\n", "utf-8")
    station = Station(file=str(file))
    assert station.texts("info/var/info") == [
        '{"made":"2026-01-02","model_name":"Wallbox","pcb_serial_number":"0012"}'
    ]


@pytest.mark.parametrize("content", [None, "[1, 2]", "a: [", "a: .nan", "\x00"])
def test_a_file_that_cannot_be_used_is_named_in_the_log(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "charger_info.yaml"
    if content is not None:
        file.write_text(content, "utf-8")
    with capture_logs() as logs:
        station = Station(file=str(file))
        station.world.advance(2)
    assert station.texts("info/var/info") == []
    [line] = [line for line in logs if line["log_level"] == "error"]
    assert line["file"] == str(file)
    assert line["reason"]


def test_the_csms_connection_is_unknown_again_when_ocpp_has_failed() -> None:
    station = Station()
    station.ocpp.publish(Ocpp.connection_status, ConnectionStatus(connected=True))
    station.world.advance(1)
    station.ocpp.lose()
    station.world.advance(1)
    assert station.texts("ocpp/var/connection_status") == ["unknown", "connected", "unknown"]


def test_charging_schedules_are_published_when_they_are_new() -> None:
    station = Station()
    station.ocpp.publish(Ocpp.charging_schedules, ChargingSchedules(schedules=[]))
    station.world.advance(5)
    assert station.texts("ocpp/var/charging_schedules") == ['{"schedules":[]}']


@pytest.mark.parametrize(
    ("name", "var", "value"),
    [
        ("limits", EvseManager.limits, Limits(max_current=16, nr_of_phases_available=3, uuid="evse")),
        ("telemetry", EvseManager.telemetry, TELEMETRY),
        (
            "powermeter",
            EvseManager.powermeter,
            Powermeter(timestamp="2026-03-04T10:15:00.000Z", energy_Wh_import=Energy(total=1)),
        ),
    ],
)
def test_each_second_as_the_seed_says_but_nothing_stale(name: str, var: Any, value: Any) -> None:
    station = Station()
    station.world.advance(0.5)
    station.evse.publish(var, value)
    station.world.advance(5)
    told = station.texts(f"evse/var/{name}")
    assert len(told) == 5
    assert len(set(told)) == 1
    station.world.advance(60)
    assert len(station.texts(f"evse/var/{name}")) <= 11, "what is older than 10 s looks like new"
    for _ in range(4):  # who speaks more often is not repeated
        station.evse.publish(var, value)
        station.world.advance(0.5)
    assert len(station.texts(f"evse/var/{name}")) <= 11 + 4


def test_of_an_evse_that_has_failed_nothing_is_repeated() -> None:
    station = Station()
    station.evse.publish(EvseManager.limits, Limits(max_current=16, nr_of_phases_available=3, uuid="evse"))
    station.world.settle()
    station.evse.lose()
    station.world.advance(5)
    assert len(station.texts("evse/var/limits")) == 1


def test_the_residual_current_is_told_with_telemetry_while_it_is_fresh_and_not_on_everests_tree() -> None:
    world = World()
    fakes = world.fake("board", board_support=EvseBoardSupport, rcd=AcRcd)
    world.add(
        EvseManagerModule,
        "evse",
        {"connector_id": 1},
        connections={"bsp": [("board", "board_support")], "ac_rcd": [("board", "rcd")]},
    )
    world.add(API, "api", {}, connections={"evse_manager": [("evse", "evse")]})
    world.start()

    def told() -> Any:
        fakes["board_support"].publish(EvseBoardSupport.telemetry, TELEMETRY)
        world.settle()
        return json.loads(world.mqtt.payloads("everest_api/evse/var/telemetry")[-1])

    assert "rcd_current" not in told()
    fakes["rcd"].publish(AcRcd.rcd_current_mA, 0.0991784930229187)
    assert told()["rcd_current"] == 0.0991784930229187
    on_the_tree = EvseManager.telemetry.to_jsonable(
        world.published(("evse", "evse"), EvseManager.telemetry)[-1]
    )
    assert on_the_tree == EvseManager.telemetry.to_jsonable(TELEMETRY)
    world.advance(6)
    assert "rcd_current" not in told()


def test_a_residual_current_that_is_no_number_is_left_out() -> None:
    broken = TelemetryWithResidualCurrent.model_construct(**dict(TELEMETRY), rcd_current_mA=float("nan"))
    assert "rcd_current" not in payloads.telemetry(ApiOptions(), broken)
