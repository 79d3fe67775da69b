"""The topics of EVerest's Node-RED flows for one EVSE (reference api.md §4.2, §4.4).

``{connector_id}`` in a topic is the option of that name. Numbers are texts with a fixed number of decimals, as
EVerest's are. Nothing is retained; a flow that comes later sees the states within REPEAT_S. What it is told at each
reading of the meter it is told again only where it has changed, at the latest after REPEAT_S.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from evse_daemon.framework.bus import Client
from evse_daemon.framework.module import Message
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.api import commands
from evse_daemon.modules.evse_manager.commands import CommandHandlers
from evse_daemon.modules.evse_manager.local_limits import LocalLimits, Sliders
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.modules.evse_manager.state import ChargerState
from evse_daemon.mqtt.dialects import to_json
from evse_daemon.mqtt.topics import (
    nodered_command,
    nodered_powermeter,
    nodered_powermeter_json,
    nodered_state,
)
from evse_daemon.types.evse_board_support import Telemetry
from evse_daemon.types.evse_manager import EnableDisableSource, EnableState, Limits
from evse_daemon.types.powermeter import Powermeter

REPEAT_S = 5.0

STATES: dict[ChargerState, tuple[str, int]] = {
    "Disabled": ("Disabled", 0),
    "Idle": ("Idle", 1),
    "WaitingForAuthentication": ("Wait for Auth", 2),
    "PrepareCharging": ("PrepareCharging", 3),
    "Charging": ("Charging", 4),
    "ChargingPausedEV": ("Car Paused", 5),
    "ChargingPausedEVSE": ("EVSE Paused", 6),
    "StoppingCharging": ("StoppingCharging", 7),
    "Finished": ("Finished", 8),
    "T_step_EF": ("T_step_EF", 9),
    "SwitchPhases": ("SwitchPhases", 11),
}
"""EVerest's names and numbers (Charger.cpp:1878-1917); before the EVSE is ready it tells none."""

STATE_QOS, TELEMETRY_QOS = 1, 0


class NodeRed:
    """Tells a flow what goes on, and does what its buttons and sliders say.

    Args:
        evse: which EVSE.
        sliders: what its sliders allow.
        kernel: carries out what its buttons say.
        request_energy: has the energy management look at this EVSE now.
    """

    def __init__(
        self, evse: EvseShell, sliders: Sliders, kernel: CommandHandlers, request_energy: Callable[[], None]
    ) -> None:
        self._evse = evse
        self._sliders = sliders
        self._kernel = kernel
        self._request_energy = request_energy
        self._number = evse.options.connector_id
        self._charger: ChargerState | None = None
        self._told: dict[str, tuple[str, float]] = {}
        """The newest payload of each topic, and when it was told."""
        self._states: dict[str, str] = {}
        """What is repeated."""
        self._seldom = RateLimitedLog(evse.log, now=evse.clock.now_s)

    def register(self) -> None:
        """Subscribes, in ``init`` of the module."""
        evse = self._evse
        told = Client(evse.evse, evse.context.inbox)
        told.subscribe(Interface.limits, self._limits)
        told.subscribe(Interface.telemetry, self._telemetry)
        for name, handler in {
            "enable": self._enable,
            "disable": self._disable,
            "pause_charging": self._pause,
            "resume_charging": self._resume,
            "switch_three_phases_while_charging": self._phases,
            "set_max_current": self._set_max_current,
            "set_max_watt": self._set_max_watt,
        }.items():
            self._command(name, handler)

    def repeat(self) -> None:
        """The states once more, for a flow that has come since."""
        for topic, payload in self._states.items():
            self._publish(topic, payload, STATE_QOS)

    # What goes on.

    def charger(self, state: ChargerState) -> None:
        """The charger is in this state."""
        if state == self._charger or state not in STATES:
            return
        self._charger = state
        name, number = STATES[state]
        self._state("state_string", name)
        self._state("state", str(number))

    def max_watt(self, power_w: float) -> None:
        """The energy management limits the power of all phases."""
        if math.isfinite(power_w):
            self._state("max_watt", f"{power_w:.5f}")

    def powermeter(self, value: Powermeter) -> None:
        """A reading of the billing meter."""
        found: dict[str, str] = {}
        if value.phase_seq_error is not None:
            found["phaseSeqError"] = "true" if value.phase_seq_error else "false"
        found["time_stamp"] = value.timestamp
        if value.power_W is not None and math.isfinite(value.power_W.total):
            found["totalKw"] = f"{value.power_W.total / 1000:.1f}"
        if math.isfinite(value.energy_Wh_import.total):
            found["totalKWattHr"] = f"{value.energy_Wh_import.total / 1000:.5f}"
        if value.energy_Wh_export is not None and math.isfinite(value.energy_Wh_export.total):
            found["totalExportKWattHr"] = f"{value.energy_Wh_export.total / 1000:.5f}"
        for name, payload in found.items():
            self._changed(nodered_powermeter(self._number, name), payload)
        try:
            text = to_json(Interface.powermeter.to_jsonable(value)).decode()
        except ValueError:
            return  # a number that JSON has not; the gateway tells of it
        self._changed(nodered_powermeter_json(self._number), text)

    def _telemetry(self, telemetry: Telemetry) -> None:
        self._changed(nodered_state(self._number, "temperature"), f"{telemetry.evse_temperature_C:.5f}")

    def _limits(self, limits: Limits) -> None:
        if math.isfinite(limits.max_current):
            self._state("max_current", f"{limits.max_current:.5f}")

    def _state(self, name: str, payload: str) -> None:
        topic = nodered_state(self._number, name)
        if self._states.get(topic) != payload:
            self._states[topic] = payload
            self._publish(topic, payload, STATE_QOS)

    def _changed(self, topic: str, payload: str) -> None:
        now_s = self._evse.clock.now_s()
        told, at_s = self._told.get(topic, ("", -REPEAT_S))
        if payload != told or now_s - at_s >= REPEAT_S:
            self._told[topic] = (payload, now_s)
            self._publish(topic, payload, TELEMETRY_QOS)

    def _publish(self, topic: str, payload: str, qos: int) -> None:
        self._evse.mqtt.publish(topic, payload, qos=qos, latest=True, volatile=qos == TELEMETRY_QOS)

    # What the flow wants.

    def _command(self, name: str, handler: Callable[[str], None]) -> None:
        def received(message: Message) -> None:
            try:
                handler(message.payload)
            except commands.PayloadError as error:
                self._seldom.warning(
                    name, "not understood: command ignored", topic=message.topic, problem=str(error)
                )

        topic = nodered_command(self._number, name)
        self._evse.mqtt.subscribe(topic, self._evse.context.inbox, received)

    def _enable(self, _payload: str) -> None:
        self._enable_disable("Enable")

    def _disable(self, _payload: str) -> None:
        self._enable_disable("Disable")

    def _enable_disable(self, state: EnableState) -> None:
        entry = EnableDisableSource(
            enable_source="LocalAPI", enable_state=state, enable_priority=commands.LEGACY_PRIORITY
        )
        self._kernel.enable_disable(0, entry)

    def _pause(self, _payload: str) -> None:
        """A button without payload sends the id of its node: any payload will do."""
        self._kernel.pause_charging()

    def _resume(self, _payload: str) -> None:
        self._kernel.resume_charging()

    def _phases(self, payload: str) -> None:
        """EVerest switches at once, under load too; here the energy management is asked for one phase."""
        wanted: dict[str, Literal[1, 3]] = {"true": 3, "false": 1}
        if payload.strip() not in wanted:
            raise commands.PayloadError(f"expected true or false (given: {payload[:60]!r})")
        self._limit(replace(self._sliders.limits, phases=wanted[payload.strip()]))

    def _set_max_current(self, payload: str) -> None:
        """A per phase. EVerest has no subscriber since 2025-09; below 0 is feeding back, so nothing is drawn."""
        self._limit(replace(self._sliders.limits, current_a=max(0.0, commands.limit(payload, "A"))))

    def _set_max_watt(self, payload: str) -> None:
        """W of all phases."""
        self._limit(replace(self._sliders.limits, power_w=max(0.0, commands.limit(payload, "W"))))

    def _limit(self, local: LocalLimits) -> None:
        self._sliders.at_s = self._evse.clock.now_s()
        if local != self._sliders.limits:
            self._sliders.limits = local
            self._request_energy()
