"""What Home Assistant is told of one EVSE: a device with its entities (MQTT device discovery), pure.

The rules are Home Assistant's: https://www.home-assistant.io/integrations/mqtt/ (discovery payload, availability) and
the pages of its platforms sensor.mqtt, binary_sensor.mqtt, switch.mqtt, number.mqtt, button.mqtt; units and state
classes of each device class in https://developers.home-assistant.io/docs/core/entity/sensor/.

There is a device for each EVSE and none for the station: most stations are one EVSE, for which two devices would be one
too many; and Home Assistant accepts ``via_device`` only of a device that it knows already (its
helpers/device_registry.py), while retained messages come in any order.

An error of the EVSE is a state; what makes an entity unavailable is that the daemon is not there (its last will), or
that a value which is told again and again has not come for some time.
"""

from __future__ import annotations

from typing import Any

from evse_daemon import __version__
from evse_daemon.home_assistant.evses import Evse
from evse_daemon.home_assistant.templates import STATE_LENGTH, object_of_evse, of_evse, on_off, value
from evse_daemon.modules.api.repeated import STALE_S
from evse_daemon.modules.api.session_info import STATE_AFTER
from evse_daemon.mqtt.explain_topic import RENEWED_S
from evse_daemon.mqtt.topics import Topics, api_command, api_var
from evse_daemon.types.evse_board_support import HardwareCapabilities

STATES = sorted({"Unknown", "FinishedEVSE", *STATE_AFTER.values()})
"""What session_info may say."""

BEFORE_THE_BOARD_HAS_TOLD = (32.0, 3)
"""The most ampere and phases."""

ENABLE_PRIORITY = 100
"""As of the API's commands enable and disable: above a CSMS, below a key switch that has a smaller number."""

QOS = 1

MOST_PHASES = 3

Component = dict[str, Any]
Components = dict[str, Component]


def device(
    evse: Evse, topics: Topics, capabilities: HardwareCapabilities | None, *, commands: bool
) -> dict[str, Any]:
    """The discovery payload of an EVSE.

    Args:
        evse: what is connected to it.
        topics: names of everything.
        capabilities: what its board is built for; None: it has not told.
        commands: also what changes something.
    """
    identifier = f"evse_daemon/{topics.name}/{evse.module_id}"
    most_a, phases = BEFORE_THE_BOARD_HAS_TOLD
    if capabilities is not None:
        most_a, phases = capabilities.max_current_A_import, capabilities.max_phase_count_import
    entities = _Entities(evse.module_id, topics)
    components = entities.readings()
    components |= _if(evse.metered, entities.of_the_meter())
    for number in range(1, MOST_PHASES + 1):
        components |= _if(evse.metered and number <= phases, entities.of_a_phase(number))
    components |= _if(commands, entities.commands())
    limited = evse.limited_at is not None and most_a > 0  # a number has to have a range
    components |= _if(commands and limited, entities.limit(evse.limited_at or "", most_a))
    return {
        "device": {
            "identifiers": [identifier],
            "name": evse.module_id if topics.name == Topics().name else f"{topics.name} {evse.module_id}",
            "manufacturer": "evse-daemon",
            "model": "EVSE",
            "sw_version": __version__,
        },
        "origin": {"name": "evse-daemon", "sw_version": __version__},
        "availability_topic": topics.status,
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": QOS,
        "components": {
            key: {**component, "unique_id": f"{identifier}/{key}"} if len(component) > 1 else component
            for key, component in components.items()
        },
    }


def _if(there: bool, components: Components) -> Components:
    """Entities that there are; or what removes them where Home Assistant knows them from before.

    One that is left out of the payload stays: to remove it takes its platform alone
    (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload).
    """
    if there:
        return components
    return {key: {"platform": component["platform"]} for key, component in components.items()}


class _Entities:
    """The entities of one EVSE, by a key that never changes."""

    def __init__(self, evse: str, topics: Topics) -> None:
        self._evse = evse
        self._topics = topics

    def readings(self) -> Components:
        """What is shown."""
        problems = "e.blocks | selectattr('kind', 'in', ['error', 'failed']) | list"
        return {
            "state": self._said(
                "sensor", "State", "session_info", value("state"), device_class="enum", options=STATES
            ),
            "reason": self._explained(
                "sensor",
                "Reason",
                f"e.sentence[:{STATE_LENGTH}]",
                attributes="{'sentence': e.sentence, 'reasons': e.blocks | map(attribute='text') | list}",
            ),
            # A board that is switched off tells nothing of a car, nor does an EVSE that has failed or not begun.
            "car_connected": self._explained(
                "binary_sensor",
                "Car connected",
                "none if e.state in ('Starting', 'Disabled') or 'failed' in e.blocks | map(attribute='kind') else "
                + on_off("e.blocks | selectattr('kind', 'eq', 'no_car') | list | length == 0"),
                device_class="plug",
            ),
            "charging": self._explained(
                "binary_sensor", "Charging", on_off("e.charging"), device_class="battery_charging"
            ),
            "problem": self._explained(
                "binary_sensor",
                "Problem",
                on_off(f"{problems} | length > 0"),
                attributes=f"{{'errors': {problems} | map(attribute='source') | list, "
                f"'texts': {problems} | map(attribute='text') | list, "
                f"'remedies': {problems} | map(attribute='remedy') | list}}",
                device_class="problem",
            ),
            "allowed_current": self._explained("sensor", "Allowed current", _known("allowed_A"), **_CURRENT),
            "offered_current": self._explained(
                "sensor", "Offered current", _known("offered_A"), **_CURRENT, entity_category="diagnostic"
            ),
            "temperature": self._measured(
                "Temperature", "telemetry", ("temperature",), "°C", entity_category="diagnostic"
            ),
        }

    def of_the_meter(self) -> Components:
        """What all phases together take."""
        # The meter's own counter: it has no value before the first reading, and what it had last is still true when
        # the meter is lost.
        return {
            "power": self._measured("Power", "powermeter", ("power_W", "total"), "W"),
            "energy": self._counted("Energy", "powermeter", ("energy_Wh_import", "total")),
            "session_energy": self._counted("Session energy", "session_info", ("charged_energy_wh",)),
        }

    def of_a_phase(self, number: int) -> Components:
        """What a phase takes."""
        phase = f"L{number}"
        return {
            f"current_l{number}": self._measured(f"Current {phase}", "powermeter", ("current_A", phase), "A"),
            f"voltage_l{number}": self._measured(
                f"Voltage {phase}", "powermeter", ("voltage_V", phase), "V", entity_category="diagnostic"
            ),
        }

    def commands(self) -> Components:
        """What changes something; nothing here can clear an error that waits for the service."""
        return {
            "enabled": {
                "platform": "switch",
                "name": "Enabled",
                "icon": "mdi:ev-station",
                "state_topic": self._topic("session_info"),
                # Enabled is also what nobody has a wish about: Unassigned.
                "value_template": f"{{% if value_json is mapping and {_SOURCE} is mapping and value_json.state != 'Unknown' %}}"
                f"{{{{ 'OFF' if {_SOURCE}.state == 'Disable' else 'ON' }}}}{{% else %}}None{{% endif %}}",
                "state_on": "ON",
                "state_off": "OFF",
                "command_topic": self._command("enable_disable"),
                "payload_on": _enable_disable("Enable"),
                "payload_off": _enable_disable("Disable"),
            },
            "pause": self._button("Pause charging", "pause_charging", "mdi:pause"),
            "resume": self._button("Resume charging", "resume_charging", "mdi:play"),
            "stop": self._button("Stop charging", "stop_charging", "mdi:stop", enabled_by_default=False),
            "unlock": self._button(
                "Stop and unlock",
                "force_unlock",
                "mdi:lock-open",
                payload_press="1",
                enabled_by_default=False,
            ),
        }

    def limit(self, node: str, most_a: float) -> Components:
        """The limit of the public API; a node of the energy tree says what was set, or that nobody does so any more.

        From 0, which stops: a value out of the range that somebody else has set would be refused, and an old one shown.
        """
        sources = [f"{node}: API_module", f"{node}/SafeCurrent"]
        limits = f"e.limits | selectattr('source', 'in', {sources}) | map(attribute='current_A') | list"
        number = self._explained(
            "number",
            "Current limit",
            f"({limits} + [{most_a:g}]) | min",
            command_topic=self._command("set_limit_amps"),
            min=0,
            max=most_a,
            step=1,
            mode="slider",
            device_class="current",
            unit_of_measurement="A",
        )
        return {"current_limit": number}

    def _said(self, platform: str, name: str, variable: str, template: str, **more: Any) -> Component:
        """By the public API each second."""
        return {
            "platform": platform,
            "name": name,
            "state_topic": self._topic(variable),
            "value_template": template,
            "expire_after": int(3 * STALE_S),
            **more,
        }

    def _measured(self, name: str, variable: str, path: tuple[str, ...], unit: str, **more: Any) -> Component:
        """By a meter or the board; the API repeats a reading for STALE_S."""
        component = self._said("sensor", name, variable, value(*path))
        return component | {
            "device_class": _DEVICE_CLASSES[unit],
            "unit_of_measurement": unit,
            "state_class": "measurement",
            "expire_after": int(STALE_S),
            **more,
        }

    def _counted(self, name: str, variable: str, path: tuple[str, ...]) -> Component:
        """A counter of Wh that may begin anew at 0 and falls at no other time."""
        return {
            "platform": "sensor",
            "name": name,
            "state_topic": self._topic(variable),
            "value_template": value(*path, per=1000),
            "device_class": "energy",
            "unit_of_measurement": "kWh",
            "state_class": "total_increasing",
            "suggested_display_precision": 2,
        }

    def _explained(
        self, platform: str, name: str, expression: str, *, attributes: str = "", **more: Any
    ) -> Component:
        """By the station's explanation: retained, and renewed each RENEWED_S."""
        evse, topic = self._evse, self._topics.explain
        component = {
            "platform": platform,
            "name": name,
            "state_topic": topic,
            "value_template": of_evse(evse, expression),
            **more,
        }
        if attributes:
            component["json_attributes_topic"] = topic
            component["json_attributes_template"] = object_of_evse(evse, attributes)
        if platform != "number":  # it knows no expiry
            component["expire_after"] = int(3 * RENEWED_S)
        return component

    def _button(self, name: str, command: str, icon: str, **more: Any) -> Component:
        return {
            "platform": "button",
            "name": name,
            "icon": icon,
            "command_topic": self._command(command),
            **more,
        }

    def _topic(self, variable: str) -> str:
        return self._topics.external_prefix + api_var(self._evse, variable)

    def _command(self, name: str) -> str:
        return self._topics.external_prefix + api_command(self._evse, name)


_CURRENT = {"device_class": "current", "unit_of_measurement": "A", "state_class": "measurement"}
_SOURCE = "value_json.active_enable_disable_source"
_DEVICE_CLASSES = {"W": "power", "A": "current", "V": "voltage", "°C": "temperature"}


def _known(key: str) -> str:
    """A module that has failed for good explains itself without numbers."""
    return f"e.{key} if e.{key} is defined else none"


def _enable_disable(state: str) -> str:
    return f'{{"connector_id": 0, "source": "LocalAPI", "priority": {ENABLE_PRIORITY}, "state": "{state}"}}'
