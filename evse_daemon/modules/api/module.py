"""API: the topics of everest_api for other programs (EVerest's module API, seed 003)."""

from __future__ import annotations

import json

from evse_daemon.framework.module import Context, Module, RequiresMany, RequiresOptional
from evse_daemon.interfaces.charger_information import ChargerInformation
from evse_daemon.interfaces.error_history import ErrorHistory
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.ocpp import Ocpp
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.api.charger_info import ChargerInfo
from evse_daemon.modules.api.evse import STATE_QOS, EvseApi
from evse_daemon.modules.api.ocpp_topics import OcppTopics
from evse_daemon.modules.api.options import ApiOptions
from evse_daemon.mqtt.topics import API_ACTIVE_ERRORS, API_CONNECTORS
from evse_daemon.types.error_history import ErrorObject, FilterArguments

PERIOD_S = 1.0


class API(Module):
    """What concerns one EVSE is in evse.py; here is what concerns the station."""

    class Options(ApiOptions):
        """See options.py."""

    charger_information = RequiresOptional(ChargerInformation)
    evse_manager = RequiresMany(EvseManager, minimum=1)
    ocpp = RequiresOptional(Ocpp)
    random_delay = RequiresMany(UkRandomDelay)
    error_history = RequiresOptional(ErrorHistory)
    evse_energy_sink = RequiresMany(ExternalEnergyLimits)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, ApiOptions)
        self._options = context.options
        self._evses: list[EvseApi] = []

    def init(self) -> None:
        sinks = {
            sink.mapping.evse: sink for sink in reversed(self.evse_energy_sink) if sink.mapping is not None
        }
        self._evses = [
            EvseApi(
                self,
                self._options,
                client,
                sinks,
                client.mapping.evse if client.mapping is not None else number,
                next((delay for delay in self.random_delay if delay.module_id == client.module_id), None),
            )
            for number, client in enumerate(self.evse_manager, 1)
        ]
        for evse in self._evses:
            evse.init()
        self._ocpp = OcppTopics(self, self.ocpp)
        self._ocpp.init()
        self._info = ChargerInfo(self, self.charger_information, self._options.charger_information_file)

    def ready(self) -> None:
        for evse in self._evses:
            evse.ready()
        self._info.ready()
        self._publish()
        self.every(PERIOD_S, self._publish)

    def _on_active_errors(self, errors: list[ErrorObject]) -> None:
        text = json.dumps(
            ErrorHistory.get_errors.result_to_jsonable(errors), separators=(",", ":"), sort_keys=True
        )
        self.mqtt.publish(API_ACTIVE_ERRORS, text, qos=STATE_QOS, latest=True)

    def _publish(self) -> None:
        for evse in self._evses:
            evse.publish_periodically()
        connectors = json.dumps([evse.evse for evse in self._evses], separators=(",", ":"))
        self.mqtt.publish(API_CONNECTORS, connectors, qos=STATE_QOS, latest=True)
        self._ocpp.publish()
        self._info.publish()
        if self.error_history is not None:
            active = FilterArguments(state_filter="Active")
            self.error_history.call(ErrorHistory.get_errors, active).then(self._on_active_errors)
