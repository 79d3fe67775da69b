"""The topics of everest_api (seed 003)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.framework.bus import Implementation
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.ocpp import Ocpp
from evse_daemon.modules.api.module import API
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import (
    Connector,
    EnableDisableSource,
    EVInfo,
    Evse,
    Limits,
    SessionEvent,
    SessionStarted,
    StopTransactionRequest,
)
from evse_daemon.types.ocpp import ConnectionStatus
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.units import Current, Energy, Frequency, Power, ReactivePower, Voltage
from tests.modules import recordings as golden
from tests.support.harness import World

NOW = "2026-03-04T10:15:00.000Z"
METER = Powermeter(timestamp=NOW, energy_Wh_import=Energy(total=0))
CAPABILITIES = HardwareCapabilities(
    max_current_A_import=32,
    min_current_A_import=6,
    max_phase_count_import=3,
    min_phase_count_import=1,
    max_current_A_export=16,
    min_current_A_export=0,
    max_phase_count_export=3,
    min_phase_count_export=1,
    supports_changing_phases_during_charging=True,
    supports_cp_state_E=False,
    connector_type="IEC62196Type2Cable",
)


class Station:
    def __init__(self, evses: int = 1, *, ready: bool = True, **options: Any) -> None:
        self.world = World()
        names = [f"evse_{number}" for number in range(1, evses + 1)]
        self.evses: list[Implementation[Any]] = [
            self.world.fake(name, evse=EvseManager)["evse"] for name in names
        ]
        for evse in self.evses:
            for command in ("enable_disable", "pause_charging", "resume_charging", "stop_transaction"):
                evse.handle(EvseManager.commands[command], lambda **_: True)
            evse.handle(EvseManager.force_unlock, lambda connector_id: True)
            evse.handle(EvseManager.get_evse, lambda: Evse(id=1, connectors=[Connector(id=1)]))
        self.ocpp = self.world.fake("ocpp", main=Ocpp)["main"]
        self.world.add(
            API,
            "api",
            options,
            connections={"evse_manager": [(name, "evse") for name in names], "ocpp": [("ocpp", "main")]},
        )
        self.world.start()
        if ready:
            for evse in self.evses:
                evse.publish(EvseManager.ready, True)
        self.world.settle()

    def publish(self, var: Any, value: Any) -> None:
        self.evses[0].publish(var, value)
        self.world.settle()

    def texts(self, name: str, evse: str = "evse_1") -> list[str]:
        return self.world.mqtt.payloads(f"everest_api/{evse}/var/{name}")

    def last(self, name: str) -> Any:
        return json.loads(self.texts(name)[-1])

    def command(self, name: str, payload: str = "") -> None:
        self.world.send(f"everest_api/evse_1/cmd/{name}", payload)

    def calls(self, name: str) -> list[dict[str, Any]]:
        return self.world.calls(("evse_1", "evse"), EvseManager.commands[name])


def test_connectors_and_the_time_are_published_each_second() -> None:
    station = Station(evses=2)
    station.world.advance(3)
    assert station.world.mqtt.payloads("everest_api/connectors") == ['["evse_1","evse_2"]'] * 4
    assert station.texts("datetime", "evse_2") == [f"2026-03-04T10:15:0{second}.000Z" for second in range(4)]


def test_nothing_is_retained_and_what_counts_is_sent_with_acknowledgement() -> None:
    station = Station()
    station.publish(EvseManager.powermeter, METER)
    station.publish(EvseManager.limits, Limits(max_current=16, nr_of_phases_available=3))
    station.world.advance(1)
    assert not any(message.retain for message in station.world.mqtt.published)
    qos = {message.topic.rsplit("/", 1)[1]: message.qos for message in station.world.mqtt.published}
    assert qos == {
        "datetime": 0,
        "powermeter": 0,
        "session_info": 1,
        "limits": 1,
        "connectors": 1,
        "connection_status": 1,
    }


def test_session_info_is_published_each_second_and_at_each_event() -> None:
    station = Station()
    assert [json.loads(text)["state"] for text in station.texts("session_info")] == ["Unknown"]
    station.publish(EvseManager.session_event, SessionEvent(uuid="", timestamp=NOW, event="Enabled"))
    station.world.advance(2)
    assert [json.loads(text)["state"] for text in station.texts("session_info")[1:]] == ["Unplugged"] * 3
    assert station.last("session_info")["datetime"] == "2026-03-04T10:15:02.000Z"


def test_an_inoperative_evse_has_a_permanent_fault() -> None:
    station = Station()
    station.evses[0].raise_error("evse_manager/Inoperative", "contactor", sub_type="a")
    station.evses[0].raise_error("evse_manager/Inoperative", "contactor", sub_type="b")
    station.world.advance(1)
    assert station.last("session_info")["permanent_fault"] is True
    station.evses[0].clear_error("evse_manager/Inoperative", "a")
    station.world.advance(1)
    assert station.last("session_info")["permanent_fault"] is True
    station.evses[0].clear_error("evse_manager/Inoperative", "b")
    station.world.advance(1)
    assert station.last("session_info")["permanent_fault"] is False


def test_an_evse_whose_module_has_failed_has_a_permanent_fault_and_takes_no_commands() -> None:
    station = Station()
    station.evses[0].lose()
    station.world.advance(1)
    assert station.last("session_info")["permanent_fault"] is True
    station.command("pause_charging")
    assert station.calls("pause_charging") == []


def test_hardware_capabilities_are_published_when_known_and_each_second() -> None:
    station = Station()
    station.world.advance(1)
    assert station.texts("hardware_capabilities") == []
    station.publish(EvseManager.hw_capabilities, CAPABILITIES)
    station.world.advance(2)
    assert len(station.texts("hardware_capabilities")) == 3
    assert station.last("hardware_capabilities") == {
        "max_phase_count_import": 3,
        "min_phase_count_import": 1,
        "max_phase_count_export": 3,
        "min_phase_count_export": 1,
        "supports_changing_phases_during_charging": True,
        "max_current_A_import": 32.0,
        "min_current_A_import": 6.0,
        "max_current_A_export": 16.0,
        "min_current_A_export": 0.0,
        "connector_type": "IEC62196Type2Cable",
    }
    hot = CAPABILITIES.model_copy(update={"max_plug_temperature_C": 90.004})
    station.publish(EvseManager.hw_capabilities, hot)
    assert station.last("hardware_capabilities")["max_plug_temperature_C"] == 90.0


def test_the_meter_is_published_at_each_reading_with_the_configured_precision() -> None:
    station = Station(powermeter_power_decimal_places=0, powermeter_voltage_round_to=0.5)
    station.publish(
        EvseManager.powermeter,
        Powermeter(
            timestamp=NOW,
            meter_id="12345",
            phase_seq_error=False,
            energy_Wh_import=Energy(total=4611.9541, L1=1537.318),
            energy_Wh_export=Energy(total=0),
            power_W=Power(total=10807.6, L1=3602.5483),
            voltage_V=Voltage(L1=223.574, L2=230.8),
            VAR=ReactivePower(total=1.239),
            current_A=Current(L1=16.1134, N=0.2),
            frequency_Hz=Frequency(L1=50.03734),
        ),
    )
    assert json.loads(station.texts("powermeter")[0]) == {
        "timestamp": NOW,
        "meter_id": "12345",
        "phase_seq_error": False,
        "energy_Wh_import": {"total": 4611.95, "L1": 1537.32},
        "energy_Wh_export": {"total": 0.0},
        "power_W": {"total": 10808.0, "L1": 3603.0},
        "voltage_V": {"L1": 223.5, "L2": 231.0},
        "VAR": {"total": 1.24},
        "current_A": {"L1": 16.11, "N": 0.2},
        "frequency_Hz": {"L1": 50.04},
    }
    station.publish(EvseManager.powermeter, METER)
    assert station.last("powermeter") == {"timestamp": NOW, "energy_Wh_import": {"total": 0.0}}


def test_limits_telemetry_and_the_car_are_published_as_they_come() -> None:
    station = Station()
    station.publish(EvseManager.limits, Limits(max_current=12.344, nr_of_phases_available=3, uuid="evse_1"))
    assert station.last("limits") == {"max_current": 12.34, "nr_of_phases_available": 3, "uuid": "evse_1"}
    telemetry = Telemetry(
        evse_temperature_C=30.729,
        fan_rpm=1500,
        supply_voltage_12V=11.951,
        supply_voltage_minus_12V=-11.942,
        relais_on=True,
    )
    station.publish(EvseManager.telemetry, telemetry)
    assert station.last("telemetry") == {
        "relais_on": True,
        "phase_seq_error": True,
        "temperature": 30.73,
        "fan_rpm": 1500.0,
        "supply_voltage_12V": 11.95,
        "supply_voltage_minus_12V": -11.94,
    }
    station.publish(EvseManager.telemetry, telemetry.model_copy(update={"plug_temperature_C": 41.0}))
    assert station.last("telemetry")["plug_temperature_C"] == 41.0
    station.publish(EvseManager.ev_info, EVInfo(soc=55))
    station.publish(EvseManager.ev_info, EVInfo())
    assert station.texts("ev_info") == ['{"soc":55.0}', "{}"]


def test_bare_texts_are_bare() -> None:
    station = Station()
    station.publish(EvseManager.selected_protocol, "IEC61851-1")
    started = SessionStarted(reason="EVConnected", meter_value=METER, logging_path="logs/1")
    station.publish(
        EvseManager.session_event,
        SessionEvent(uuid="1", timestamp=NOW, event="SessionStarted", session_started=started),
    )
    station.world.advance(1)
    assert station.texts("selected_protocol") == ["IEC61851-1"]
    assert station.texts("logging_path") == ["logs/1"]


def test_the_connection_to_the_csms_is_unknown_until_ocpp_tells() -> None:
    station = Station()
    for connected in (True, False):
        station.ocpp.publish(Ocpp.connection_status, ConnectionStatus(connected=connected))
        station.world.advance(1)
    status = station.world.mqtt.payloads("everest_api/ocpp/var/connection_status")
    assert status == ["unknown", "connected", "disconnected"]


@pytest.mark.parametrize(
    ("command", "payload", "connector", "entry"),
    [
        (
            "enable_disable",
            '{"connector_id": 0, "source": "LocalAPI", "state": "Enable", "priority": 42}',
            0,
            ("LocalAPI", "Enable", 42),
        ),
        ("enable_disable", '{"connector_id": 1, "state": "disable"}', 1, ("LocalAPI", "Disable", 100)),
        (
            "enable_disable",
            '{"source": "LocalKeyLock", "state": "UNASSIGNED", "priority": 0}',
            0,
            ("LocalKeyLock", "Unassigned", 0),
        ),
        ("enable_disable", '{"state": "Disable", "priority": 7.0}', 0, ("LocalAPI", "Disable", 7)),
        ("enable", "1", 1, ("LocalAPI", "Enable", 100)),
        ("disable", " 0\n", 0, ("LocalAPI", "Disable", 100)),
    ],
)
def test_the_evse_is_enabled_and_disabled(
    command: str, payload: str, connector: int, entry: tuple[str, str, int]
) -> None:
    station = Station()
    station.command(command, payload)
    [call] = station.calls("enable_disable")
    source = call["cmd_source"]
    assert isinstance(source, EnableDisableSource)
    assert call["connector_id"] == connector
    assert (source.enable_source, source.enable_state, source.enable_priority) == entry


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "enable",
        "5",
        "true",
        "[]",
        "null",
        '"Enable"',
        "{}",
        '{"connector_id": 0, "source": "LocalAPI", "priority": 42}',
        '{"state": "on"}',
        '{"State": "Disable"}',
        '{"state": null}',
        '{"connector_id": -1}',
        '{"connector_id": true}',
        '{"connector_id": "1"}',
        '{"connector_id": 1.5}',
        '{"priority": 10001}',
        '{"priority": NaN}',
        '{"source": "Me"}',
        "{" * 2000,
    ],
)
def test_what_is_no_order_is_logged_and_changes_nothing(payload: str) -> None:
    station = Station()
    with capture_logs() as logs:
        station.command("enable_disable", payload)
    assert station.calls("enable_disable") == []
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert len(str(logs)) < 1000


@pytest.mark.parametrize("payload", ["", "true", "-1", "1abc", "1.9", "0x10", "{}", "9" * 5000])
@pytest.mark.parametrize("command", ["enable", "disable"])
def test_what_is_no_connector_is_logged_and_changes_nothing(command: str, payload: str) -> None:
    station = Station()
    with capture_logs() as logs:
        station.command(command, payload)
    assert station.calls("enable_disable") == []
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert len(str(logs)) < 1000


@pytest.mark.parametrize("payload", ["", "true", "anything", "\x00"])
def test_charging_is_paused_resumed_and_stopped_whatever_the_payload(payload: str) -> None:
    station = Station()
    for command in ("pause_charging", "resume_charging", "stop_charging"):
        station.command(command, payload)
    assert station.calls("pause_charging") == [{}]
    assert station.calls("resume_charging") == [{}]
    assert station.calls("stop_transaction") == [{"request": StopTransactionRequest(reason="Local")}]


@pytest.mark.parametrize(("payload", "connector"), [("2", 2), ("", 1), ("x", 1), ("0", 1)])
def test_force_unlock_ends_the_transaction_and_unlocks(payload: str, connector: int) -> None:
    station = Station()
    station.command("force_unlock", payload)
    assert station.calls("stop_transaction") == [{"request": StopTransactionRequest(reason="UnlockCommand")}]
    assert station.calls("force_unlock") == [{"connector_id": connector}]


def test_a_command_before_the_evse_is_ready_is_dropped_and_never_made_up_for() -> None:
    station = Station(ready=False)
    with capture_logs() as logs:
        station.command("disable", "0")
    assert [entry["log_level"] for entry in logs] == ["warning"]
    station.publish(EvseManager.ready, True)
    station.world.advance(5)
    assert station.calls("enable_disable") == []
    station.command("disable", "0")
    assert len(station.calls("enable_disable")) == 1


def test_a_command_is_for_its_evse_only() -> None:
    station = Station(evses=2)
    station.world.send("everest_api/evse_2/cmd/pause_charging", "")
    assert station.calls("pause_charging") == []
    assert station.world.calls(("evse_2", "evse"), EvseManager.pause_charging) == [{}]


@pytest.mark.skipif(not golden.runs(), reason="the recordings are not there")
@pytest.mark.parametrize("run", golden.runs())
def test_what_is_published_for_the_recorded_variables_is_what_everest_published(run: str) -> None:
    """Number for number: the recorded readings, limits, telemetry and capabilities give the recorded payloads."""
    station = Station()
    follow: dict[str, tuple[str, Callable[[Any], Any]]] = {
        golden.evse_var("powermeter"): ("powermeter", EvseManager.powermeter.validate_json),
        golden.evse_var("limits"): ("limits", EvseManager.limits.validate_json),
        golden.evse_var("telemetry"): ("telemetry", EvseManager.telemetry.validate_json),
        golden.evse_var("hw_capabilities"): (
            "hardware_capabilities",
            EvseManager.hw_capabilities.validate_json,
        ),
    }
    theirs: dict[str, list[Any]] = {}
    for row in golden.rows(run):
        if row.topic in follow:
            name, read = follow[row.topic]
            station.publish(EvseManager.vars[row.topic.rsplit("/", 1)[1]], read(json.dumps(row.var())))
        name = row.topic.rsplit("/", 1)[1]
        if row.topic == golden.api_var(name) and row.payload.startswith("{"):
            theirs.setdefault(name, []).append(json.loads(row.payload))
    for name in ("powermeter", "limits", "telemetry", "hardware_capabilities"):
        ours = [json.loads(text) for text in station.texts(name)]
        recorded = theirs.get(name, [])
        if name == "telemetry":
            assert all(values.pop("relais_on") is values["phase_seq_error"] for values in ours)
        if name == "hardware_capabilities":
            assert recorded[:1] == ours[:1]
        else:
            # At the end of a recording one side may have one message more.
            count = min(len(ours), len(recorded))
            assert abs(len(ours) - len(recorded)) <= 1
            assert ours[:count] == recorded[:count]
