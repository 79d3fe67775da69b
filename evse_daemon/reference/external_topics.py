"""The topics outside the module tree: who uses them, with which payloads. A test holds them against the modules.

Names in braces stand for what a station decides: ``evse`` is the module id of an EvseManager, ``ev`` that of an
EvManager, ``board`` that of a YetiSimulator, ``module`` that of another module, ``connector_id`` the option of that name, ``station`` the everest prefix. The external prefix comes before all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter

from evse_daemon.modules.api import payloads, session_info
from evse_daemon.modules.api.options import ApiOptions
from evse_daemon.mqtt.external import SUBSCRIPTION_QOS
from evse_daemon.mqtt.topics import (
    API_ACTIVE_ERRORS,
    API_CONNECTORS,
    API_EV_CONNECTORS,
    API_INFO,
    API_OCPP_CHARGING_SCHEDULES,
    API_OCPP_CONNECTION_STATUS,
    api_command,
    api_var,
    carsim_command,
    carsim_enable_of_yocto,
    carsim_error,
    external_of_board,
    external_powermeter,
    external_powermeter_json,
    nodered_command,
    nodered_powermeter,
    nodered_powermeter_json,
    nodered_state,
    service_command,
    service_response,
)
from evse_daemon.reference.examples import TIME, Examples
from evse_daemon.reference.schemas import Schemas
from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.error_history import ErrorObject
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import EVInfo, Limits
from evse_daemon.types.powermeter import Powermeter

EVSE, CAR, MODULE = "{evse}", "{ev}", "{module}"
CONNECTOR_ID, STATION, BOARD = "{connector_id}", "{station}", "{board}"


@dataclass(frozen=True, slots=True)
class ExternalTopic:
    """One topic outside the module tree."""

    module_class: str
    """Whose modules publish or hear it."""
    topic: str
    by: Literal["station", "client"]
    """Who publishes it."""
    qos: int
    """Of what the station publishes; of its subscription, where clients publish."""
    payload: str
    """What is in it, in a few words."""
    example: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.topic.rpartition("/")[2]


def _example(type_: type[BaseModel]) -> Any:
    adapter = TypeAdapter(type_)
    schemas = Schemas([(type_, adapter)], "{name}")
    return adapter.validate_python(Examples(schemas).of(schemas.of(type_), type_.__name__), strict=False)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _published(name: str, qos: int, payload: str, example: str) -> ExternalTopic:
    return ExternalTopic("API", api_var(EVSE, name), "station", qos, payload, example)


def _commanded(name: str, payload: str, example: str) -> ExternalTopic:
    return ExternalTopic("API", api_command(EVSE, name), "client", SUBSCRIPTION_QOS, payload, example)


def _of_car(name: str, qos: int, payload: str, example: str) -> ExternalTopic:
    return ExternalTopic("EvAPI", api_var(CAR, name), "station", qos, payload, example)


def _car(name: str, payload: str, example: str) -> ExternalTopic:
    topic = carsim_command(CONNECTOR_ID, name)
    return ExternalTopic("EvManager", topic, "client", SUBSCRIPTION_QOS, payload, example)


def _flow(name: str, payload: str, example: str) -> ExternalTopic:
    topic = nodered_state(CONNECTOR_ID, name)
    return ExternalTopic("EvseManager", topic, "station", 0 if name == "temperature" else 1, payload, example)


def _flow_meter(name: str, payload: str, example: str) -> ExternalTopic:
    return ExternalTopic(
        "EvseManager", nodered_powermeter(CONNECTOR_ID, name), "station", 0, payload, example
    )


def _flow_wants(name: str, payload: str, example: str) -> ExternalTopic:
    topic = nodered_command(CONNECTOR_ID, name)
    return ExternalTopic("EvseManager", topic, "client", SUBSCRIPTION_QOS, payload, example)


_ROUNDING = ApiOptions()
_SCRIPT = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"

EXTERNAL: tuple[ExternalTopic, ...] = (
    ExternalTopic("API", API_CONNECTORS, "station", 1, "module ids of the EvseManagers", '["evse_manager"]'),
    ExternalTopic(
        "API", API_OCPP_CONNECTION_STATUS, "station", 1, "connected, disconnected or unknown", "unknown"
    ),
    ExternalTopic(
        "API", API_OCPP_CHARGING_SCHEDULES, "station", 1, "the schedules of the CSMS, when they are new",
        _json({"schedules": []}),
    ),
    ExternalTopic(
        "API", API_INFO, "station", 1,
        "make and model: of the module charger_information, or the file of the option charger_information_file",
        _json({"firmware_version": "1.2", "model": "Wallbox", "vendor": "ACME"}),
    ),
    ExternalTopic(
        "API", API_ACTIVE_ERRORS, "station", 1, "the errors that are active; where error_history is connected",
        _json([_example(ErrorObject).model_dump(exclude_none=True)]),
    ),
    _published(
        "session_info", 1, "state and energy of the session",
        _json(session_info.payload(session_info.SessionInfo(), 0.0, TIME, permanent_fault=False)),
    ),
    _published("limits", 1, "phases and current (A) that are allowed", _json(payloads.limits(_ROUNDING, _example(Limits)))),
    _published("powermeter", 0, "a reading of the meter", _json(payloads.powermeter(_ROUNDING, _example(Powermeter)))),
    _published("telemetry", 0, "temperatures (°C), fan, supply voltages (V)", _json({**payloads.telemetry(_ROUNDING, _example(Telemetry)), "rcd_current": 0.1})),
    _published(
        "hardware_capabilities", 1, "phases and currents (A) of the hardware",
        _json(payloads.hardware_capabilities(_ROUNDING, _example(HardwareCapabilities))),
    ),
    _published("ev_info", 0, "what the car has told of itself", _json(_example(EVInfo).model_dump(exclude_none=True))),
    _published("selected_protocol", 1, "how car and charger talk", "IEC61851-1"),
    _published("logging_path", 1, "folder of the session's log files", "/tmp/everest_session_log"),  # noqa: S108
    _published("datetime", 0, "time of the station", TIME),
    _commanded(
        "enable_disable", "the wish of one source to enable or disable",
        _json({"connector_id": 0, "source": "LocalAPI", "state": "disable", "priority": 42}),
    ),
    _commanded("enable", "number of a connector, 0 for the EVSE", "0"),
    _commanded("disable", "number of a connector, 0 for the EVSE", "0"),
    _commanded("pause_charging", "anything", ""),
    _commanded("resume_charging", "anything", ""),
    _commanded("stop_charging", "anything", ""),
    _commanded("force_unlock", "number of a connector; 1 where there is none", "1"),
    _commanded("set_limit_amps", "A per phase for the energy management; 0 stops", "10"),
    _commanded("set_limit_watts", "W of all phases for the energy management; 0 stops", "7000"),
    _commanded("set_limit_amps_phases", "both: A on 1 or 3 phases", _json({"amps": 8.0, "phases": 3})),
    _commanded("uk_random_delay", "enable, disable or cancel", "enable"),
    _commanded("uk_random_delay_set_max_duration_s", "the longest delay (s)", "600"),
    ExternalTopic("EvAPI", API_EV_CONNECTORS, "station", 1, "module ids of the cars' EvManagers", '["ev_manager"]'),
    _of_car("session_info", 1, "the newest event of the car's board", _json({"datetime": TIME, "state": "C"})),
    _of_car("ev_info", 0, "what the car tells of itself", _json({"battery_capacity": 60000.0, "soc": 30.0})),
    _of_car("datetime", 0, "time of the station", TIME),
    ExternalTopic(
        "DummyTokenProviderManual", api_command(MODULE, "provide"), "client", SUBSCRIPTION_QOS,
        "a token (ProvidedIdToken); the option mqtt_topic names another topic",
        _json(_example(ProvidedIdToken).model_dump(exclude_none=True)),
    ),
    ExternalTopic(
        "EvseManager", api_var(EVSE, "hlc_log"), "station", 0, "a line of the session's log",
        _json({"iso15118": False, "msg": "PWM 53.3 %", "origin": "EVSE", "target": "CAR"}),
    ),
    ExternalTopic(
        "EvseManager", service_command(STATION, EVSE, "clear_latched_error"), "client", SUBSCRIPTION_QOS,
        "the exact name of a latched error ([commands.md](commands.md))", "evse_manager/Internal/ContactorWelded",
    ),
    ExternalTopic(
        "EvseManager", service_response(STATION, EVSE, "clear_latched_error"), "station", 1,
        "what became of it", _json({"error": "evse_manager/Internal/ContactorWelded", "cleared": True, "reason": ""}),
    ),
    _flow("state_string", "the charger's state by EVerest's name; again each 5 s, as the next three", "Wait for Auth"),
    _flow("state", "the charger's state by EVerest's number", "2"),
    _flow("max_current", "A per phase that are allowed", "16.00000"),
    _flow("max_watt", "W that the energy management allows, where it limits them", "11040.00000"),
    _flow("temperature", "°C inside the charger", "30.72925"),
    _flow_meter("totalKw", "kW of all phases, where it changed or after 5 s, as the next five", "3.7"),
    _flow_meter("totalKWattHr", "kWh that the meter has counted", "4.61195"),
    _flow_meter("totalExportKWattHr", "kWh that were fed back", "0.00000"),
    _flow_meter("phaseSeqError", "true: the phases turn the wrong way", "false"),
    _flow_meter("time_stamp", "the meter's time", TIME),
    ExternalTopic(
        "EvseManager", nodered_powermeter_json(CONNECTOR_ID), "station", 0, "the whole reading",
        _json(_example(Powermeter).model_dump(exclude_none=True)),
    ),
    _flow_wants("enable", "anything; as everest_api's enable with 0", ""),
    _flow_wants("disable", "anything; as everest_api's disable with 0", ""),
    _flow_wants("pause_charging", "anything", "3a5423dc1feed224"),
    _flow_wants("resume_charging", "anything", "3a5423dc1feed224"),
    _flow_wants("set_max_current", "A per phase that the EVSE asks the energy management for at most; 0 stops", "16.5"),
    _flow_wants("set_max_watt", "W of all phases, in the same way", "7360"),
    _flow_wants("switch_three_phases_while_charging", "true: up to three phases, false: one", "true"),
    _car("enable", "whether the car is simulated", "true"),
    ExternalTopic(
        "EvManager", carsim_enable_of_yocto(CONNECTOR_ID), "client", SUBSCRIPTION_QOS,
        "the same, as EVerest's flow for its Yocto image sends it", "true",
    ),
    _car("execute_charging_session", "what the car does, from plug-in to unplug", _SCRIPT),
    _car("modify_charging_session", "what the car does from now on", "pause;sleep 10;unplug"),
    *(
        ExternalTopic("YetiSimulator", topic, "station", 0, payload, example)
        for topic, payload, example in (
            (external_powermeter("vrmsL1"), "V on L1; EVerest's old topics, of all simulated boards", "230.00000"),
            (external_powermeter("phaseSeqError"), "always false", "false"),
            (external_powermeter("time_stamp"), "seconds since 1970", "1795249266"),
            (external_powermeter("tempL1"), "°C", "25.00000"),
            (external_powermeter("totalKw"), "kW of all phases", "10.51500"),
            (external_powermeter("totalKWattHr"), "kWh", "0.01800"),
            (external_powermeter_json(), "all of it", _json([{"irmsL1": 15.9, "time_stamp": 1795249266, "vrmsL1": 220.5}])),
            (external_of_board(BOARD, "tempL1"), "°C; of one board", "25.00000"),
            (external_of_board(BOARD, "totalKw"), "kW of all phases", "10.51500"),
            (external_of_board(BOARD, "totalKWattHr"), "kWh", "0.01800"),
        )
    ),
    ExternalTopic(
        "YetiSimulator", carsim_error(CONNECTOR_ID), "client", SUBSCRIPTION_QOS,
        "an error of the board to raise or clear", _json({"error_type": "DiodeFault", "raise": "true"}),
    ),
    ExternalTopic(
        "YetiFirmware", carsim_error(CONNECTOR_ID), "client", SUBSCRIPTION_QOS,
        "as of YetiSimulator, of those that a Yeti reports", _json({"error_type": "DiodeFault", "raise": "true"}),
    ),
    ExternalTopic(
        "YetiFirmware", service_command(STATION, MODULE, "fault"), "client", SUBSCRIPTION_QOS,
        "what goes wrong from now on ([simulated-board.md](simulated-board.md))", "weld on;hang 3",
    ),
)  # fmt: skip
