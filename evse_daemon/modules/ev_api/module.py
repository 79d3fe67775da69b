"""EvAPI: what the cars' side says, on the topics of everest_api (EVerest's module EvAPI; reference api.md §4.1).

It takes no commands: those of a simulated car are EvManager's.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from evse_daemon.framework.clock import timestamp
from evse_daemon.framework.module import Context, Module, ModuleOptions, RequiresMany
from evse_daemon.interfaces.ev_manager import EvManager
from evse_daemon.mqtt.topics import API_EV_CONNECTORS, api_var
from evse_daemon.types.board_support_common import BspEvent
from evse_daemon.types.evse_manager import EVInfo

PERIOD_S = 1.0


class EvAPI(Module):
    class Options(ModuleOptions):
        """None."""

    ev_manager = RequiresMany(EvManager, minimum=1)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._states: dict[str, str] = {}
        """The newest event of each car's board; Unknown before the first, and when its module has failed."""

    def init(self) -> None:
        for car in self.ev_manager:
            self._states[car.module_id] = "Unknown"
            car.subscribe(EvManager.bsp_event, partial(self._on_event, car.module_id))
            car.subscribe(EvManager.ev_info, partial(self._on_info, car.module_id))
            car.subscribe_lost(partial(self._on_lost, car.module_id))

    def ready(self) -> None:
        self._publish_all()
        self.every(PERIOD_S, self._publish_all)

    def _on_event(self, car: str, event: BspEvent) -> None:
        self._states[car] = event.event
        self._publish_session_info(car)

    def _on_info(self, car: str, info: EVInfo) -> None:
        self._publish(car, "ev_info", _json(EvManager.ev_info.to_jsonable(info)), qos=0)

    def _on_lost(self, car: str) -> None:
        self._states[car] = "Unknown"

    def _publish_all(self) -> None:
        self.mqtt.publish(
            API_EV_CONNECTORS, json.dumps(list(self._states), separators=(",", ":")), qos=1, latest=True
        )
        for car in self._states:
            self._publish(car, "datetime", timestamp(self.clock.utc()), qos=0)
            self._publish_session_info(car)

    def _publish_session_info(self, car: str) -> None:
        info = {"datetime": timestamp(self.clock.utc()), "state": self._states[car]}
        self._publish(car, "session_info", _json(info), qos=1)

    def _publish(self, car: str, name: str, payload: str, *, qos: int) -> None:
        self.mqtt.publish(api_var(car, name), payload, qos=qos, latest=True)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
