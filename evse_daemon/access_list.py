"""An access list for Mosquitto (acl_file) from a run configuration: who may say what on a station's topics.

Nobody but the daemon writes what the station says; monitors read; operators call the public API; the service may clear
latched errors. Programs that are part of a station (EVerest's API, standalone modules) have a user each.
"""

from __future__ import annotations

from collections.abc import Iterator

from evse_daemon.config.model import ModuleConfig, RunConfig
from evse_daemon.everest_api.module import EverestApiModule
from evse_daemon.home_assistant import ids
from evse_daemon.home_assistant.evses import evses
from evse_daemon.interfaces.ev_manager import EvManager
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.mqtt import topics as t

DAEMON, MONITOR, OPERATOR, SERVICE = "evse-daemon", "monitor", "operator", "service"
HOME_ASSISTANT = "home-assistant"
"""The users; the daemon's is the configuration's, where it names one."""

ANY = "+"
FOR_PROGRAMS = ("everest_api/#", "everest_external/#")

Rules = list[tuple[str, str]]
"""``read``, ``write`` or ``readwrite``, and a filter."""


def access_list(config: RunConfig) -> str:
    """The text of the file."""
    users = _users(config)
    made_by = f"# Made by: evse-daemon broker-acl {config.file}"
    blocks = [
        f"{made_by}\n# Users: mosquitto_passwd /etc/mosquitto/passwd NAME. Whoever is not named here may do nothing."
    ]
    for user, why, rules in users:
        lines = [f"topic {access} {topic}" for access, topic in rules]
        blocks.append("\n".join([f"# {why}", f"user {user}", *lines]))
    return "\n\n".join(blocks) + "\n"


def _users(config: RunConfig) -> list[tuple[str, str, Rules]]:
    topics = t.Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
    outside = topics.external_prefix
    everything = [*topics.whole_station, *(outside + topic for topic in FOR_PROGRAMS)]
    reads: Rules = [("read", topic) for topic in everything]
    explained: Rules = [("write", topics.explain_request)]
    calls: Rules = [("write", outside + topic) for topic in _public(config)]
    latches: Rules = [
        ("write", t.service_command(topics.name, module_id, ANY))
        for module_id in _having(config, EvseManager)
    ]
    # Also where it is switched off: what was announced before is looked for and taken back, whatever the prefix was.
    announced = ids.device_topic(ANY, topics.name, ANY)
    home_assistant = config.daemon.home_assistant
    birth = t.home_assistant_status(home_assistant.discovery_prefix)
    found = [
        (
            config.daemon.broker.user or DAEMON,
            "The station itself.",
            [
                *(("readwrite", topic) for topic in (*everything, announced)),
                *([("read", birth)] if home_assistant.enabled else []),
            ],
        ),
        (MONITOR, "Sees everything, and changes nothing.", reads),
        (OPERATOR, "Calls the public API.", [*reads, *explained, *calls]),
        (SERVICE, "Also clears errors that wait for the service.", [*reads, *explained, *calls, *latches]),
    ]
    if home_assistant.enabled:
        every = ("readwrite", f"{home_assistant.discovery_prefix}/#")
        used = evses(config.modules) if home_assistant.commands else ()
        presses: Rules = [("write", outside + t.api_command(evse.module_id, ANY)) for evse in used]
        why = "Home Assistant, which also clears the announcement of a device that is deleted there."
        found.append((HOME_ASSISTANT, why, [*reads, *presses, every]))
    for module_id, entry in config.modules.items():
        if entry.standalone:
            found.append(
                (f"module-{module_id}", "A standalone module.", _standalone(topics, module_id, entry))
            )
        elif issubclass(entry.cls, EverestApiModule):
            kind = entry.cls.api_type
            rules: Rules = [
                ("read", outside + FOR_PROGRAMS[0]),
                ("read", topics.status),
                ("write", outside + t.EVEREST_API_DISCOVER),
                ("write", outside + t.everest_api_query(kind)),
                ("write", outside + t.everest_api_heard(kind, module_id, "#")),
            ]
            found.append((f"module-{module_id}", f"The program behind {module_id}.", rules))
    return found


def _public(config: RunConfig) -> Iterator[str]:
    for module_id in _having(config, EvseManager):
        yield t.api_command(module_id, ANY)
    yield t.nodered_command(ANY, ANY)
    if any(_having(config, EvManager)):  # simulated cars
        yield t.carsim_command(ANY, ANY)


def _having(config: RunConfig, interface: type) -> Iterator[str]:
    for module_id, entry in config.modules.items():
        if any(provided.interface is interface for provided in entry.cls.provides.values()):
            yield module_id


def _standalone(topics: t.Topics, module_id: str, entry: ModuleConfig) -> Rules:
    peers = sorted({target.module_id for targets in entry.connections.values() for target in targets})
    return [
        ("read", topics.whole_station[0]),
        ("write", topics.config_request),
        *(("write", topic) for topic in topics.said_by(module_id)),
        *(("write", topics.commands_of(peer)) for peer in peers),
    ]
