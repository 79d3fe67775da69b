"""What a service technician may command over MQTT (docs/commands.md)."""

from __future__ import annotations

import json

from evse_daemon.framework.module import Message
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.modules.evse_manager import events, latches
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.mqtt.topics import service_command, service_response

CLEAR_LATCHED_ERROR = "clear_latched_error"

LONGEST_NAME = 200


class ServiceCommands:
    """Clears latched errors of one EVSE, each by its exact name, so that none is cleared by a habit."""

    def __init__(self, evse: EvseShell) -> None:
        self._evse = evse
        self._seldom = RateLimitedLog(evse.log, now=evse.clock.now_s)
        context = evse.context
        self._topic = service_command(context.station, context.module_id, CLEAR_LATCHED_ERROR)
        self._response = service_response(context.station, context.module_id, CLEAR_LATCHED_ERROR)

    def register(self) -> None:
        self._evse.mqtt.subscribe(self._topic, self._evse.context.inbox, self._clear)

    def _clear(self, message: Message) -> None:
        name = message.payload.strip()
        refusal = latches.refusal(self._evse.state, name)
        if refusal is None:
            self._evse.feed(events.ClearLatched(name))
            self._evse.log.warning("the service has cleared a latched error", error=name)
        else:
            self._seldom.warning(
                "refused", "a latched error is not cleared", error=name[:LONGEST_NAME], reason=refusal
            )
        answer = {"error": name[:LONGEST_NAME], "cleared": refusal is None, "reason": refusal or ""}
        self._evse.mqtt.publish(self._response, json.dumps(answer), qos=1)
