"""``everest_api/ocpp/…``: what the module ocpp says of its CSMS (seed 003; reference api.md §1.1)."""

from __future__ import annotations

import json

from evse_daemon.framework.bus import Client
from evse_daemon.framework.module import Module
from evse_daemon.interfaces.ocpp import Ocpp
from evse_daemon.mqtt.topics import API_OCPP_CHARGING_SCHEDULES, API_OCPP_CONNECTION_STATUS
from evse_daemon.types.ocpp import ChargingSchedules, ConnectionStatus

STATE_QOS = 1
UNKNOWN = "unknown"


class OcppTopics:
    """The connection each second, the schedules when they are new.

    Args:
        api: the module.
        client: the module ocpp; None: there is none.
    """

    def __init__(self, api: Module, client: Client[Ocpp] | None) -> None:
        self._api = api
        self._client = client
        self._status = UNKNOWN

    def init(self) -> None:
        if self._client is not None:
            self._client.subscribe(Ocpp.connection_status, self._connection)
            self._client.subscribe(Ocpp.charging_schedules, self._schedules)
            self._client.subscribe_lost(self._lost)

    def publish(self) -> None:
        self._api.mqtt.publish(API_OCPP_CONNECTION_STATUS, self._status, qos=STATE_QOS, latest=True)

    def _connection(self, status: ConnectionStatus) -> None:
        self._status = "connected" if status.connected else "disconnected"

    def _lost(self) -> None:
        self._status = UNKNOWN

    def _schedules(self, schedules: ChargingSchedules) -> None:
        found = Ocpp.charging_schedules.to_jsonable(schedules)
        text = json.dumps(found, separators=(",", ":"), sort_keys=True)
        self._api.mqtt.publish(API_OCPP_CHARGING_SCHEDULES, text, qos=STATE_QOS, latest=True)
