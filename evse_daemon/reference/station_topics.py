"""The topics that belong to no interface: what the daemon says of itself and of its modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evse_daemon.mqtt.dialects import DIALECTS, to_json
from evse_daemon.mqtt.topics import Topics, home_assistant_device, home_assistant_status
from evse_daemon.standalone import config_messages as messages

MODULE, IMPLEMENTATION, NAME, CALLER = "{module}", "{implementation}", "{name}", "{caller}"
PREFIX = "{prefix}"
TOPICS = Topics(PREFIX)
"""The topics with names in braces for what a station decides."""

_DIALECT = DIALECTS["documented"]
_EVEREST = DIALECTS["everest"]


@dataclass(frozen=True, slots=True)
class StationTopic:
    """One topic; its delivery is that of the documented dialect."""

    name: str
    topic: str
    qos: int
    retain: bool
    says: str
    examples: tuple[str, ...]
    by: Literal["station", "module", "client"] = "station"
    """Who publishes it: this daemon, a standalone module, or any client."""


_EXPLANATION = to_json(
    {
        "station": "everest",
        "time": "2026-11-21T17:34:47.505Z",
        "renewed_s": 10.0,
        "failed_modules": [],
        "evses": [
            {
                "evse": "evse_manager",
                "state": "Idle",
                "since": "2026-11-21T17:30:00.000Z",
                "charging": False,
                "sentence": "Ready, not charging: no car is plugged in. Plug a car in.",
                "allowed_A": 32.0,
                "offered_A": 0.0,
                "drawn_A": 0.0,
                "phases": 3,
                "blocks": [],
                "limits": [],
            }
        ],
    }
).decode()

_DEVICE = to_json(
    {
        "device": {"identifiers": ["evse_daemon/everest/evse_manager"], "name": "evse_manager"},
        "origin": {"name": "evse-daemon"},
        "availability_topic": TOPICS.status,
        "components": {},
    }
).decode()

STATION: tuple[StationTopic, ...] = (
    StationTopic(
        "status",
        TOPICS.status,
        1,
        True,
        "whether the daemon is there; `offline` is its last will",
        ("online", "offline"),
    ),
    StationTopic(
        "explain",
        TOPICS.explain,
        1,
        True,
        "why the EVSEs charge no car, or with so little ([explain.md](explain.md)); not in an envelope",
        (_EXPLANATION,),
    ),
    StationTopic(
        "explain_request",
        TOPICS.explain_request,
        1,
        False,
        "asks for that; the payload names where it is answered: up to 64 letters, digits, - and _",
        ("me",),
        by="client",
    ),
    StationTopic(
        "explain_response",
        TOPICS.explain_response(CALLER),
        1,
        False,
        "the answer",
        (_EXPLANATION,),
    ),
    StationTopic(
        "doctor",
        TOPICS.doctor(CALLER),
        2,
        False,
        "what `evse-daemon doctor` says to itself, to see whether and how soon it comes back",
        ("1",),
        by="client",
    ),
    StationTopic(
        "ready",
        TOPICS.ready,
        *_DIALECT.ready_delivery,
        "every module is ready: commands are taken from now on",
        (to_json(_DIALECT.all_ready()).decode(),),
    ),
    StationTopic(
        "module_ready",
        TOPICS.module_ready(MODULE),
        *_DIALECT.ready_delivery,
        "this module is ready",
        (to_json(_DIALECT.module_ready()).decode(),),
    ),
    StationTopic(
        "module_metadata",
        TOPICS.module_metadata(MODULE),
        *_EVEREST.command_delivery,
        "class and interfaces of a module, at its start; only in the dialect `everest`",
        (to_json(_EVEREST.metadata("EnergyNode", {"energy_grid": "energy"})).decode(),),
    ),
    StationTopic(
        "home_assistant_device",
        home_assistant_device("{discovery_prefix}", "{node_id}", "{object_id}"),
        1,
        True,
        "an EVSE as a device, where Home Assistant is switched on ([home-assistant.md](home-assistant.md))",
        (_DEVICE,),
    ),
    StationTopic(
        "home_assistant_status",
        home_assistant_status("{discovery_prefix}"),
        1,
        False,
        "Home Assistant has come",
        ("online",),
        by="client",
    ),
)


_GENERATION = messages.GENERATIONS["ConfigurationRequest"]
_VALUE = messages.Identifier(module_id="serial", parameter="baudrate")


def _retained(name: str, says: str, data: Any, *of: str) -> StationTopic:
    """What a manager tells modules that start; it is cleared when all are ready."""
    example = messages.definition(_GENERATION, data).decode()
    return StationTopic(name, TOPICS.definition(name, *of), 2, True, says, (example,))


MANAGER: tuple[StationTopic, ...] = (
    _retained("interfaces", "the interfaces that modules of the station provide", ["kvs"]),
    _retained(
        "interface_definitions",
        "one interface: variables, commands, errors",
        {"cmds": {}, "errors": {}, "vars": {}},
        NAME,
    ),
    _retained("types", "no types: this daemon validates by itself", []),
    _retained("settings", "EVerest's settings for modules", {"prefix": "/", "validate_schema": False}),
    _retained("manifests", "the manifest of a module class", {"provides": {}, "requires": {}}, NAME),
    _retained("module_names", "the class of each module", {"serial": "SerialCommHub"}),
    StationTopic(
        "config_request",
        TOPICS.config_request,
        2,
        False,
        "a module asks for its configuration, or for a value to be changed",
        (messages.get_module(_GENERATION, "serial").decode(),),
        by="module",
    ),
    StationTopic(
        "config_response",
        TOPICS.config_response(MODULE),
        2,
        False,
        "the answer",
        (messages.was_set(_GENERATION, "Accepted").decode(),),
    ),
    StationTopic(
        "set_request",
        TOPICS.set_request(MODULE),
        2,
        False,
        "a value is changed while the module runs (EVerest 2026.10 and later)",
        (messages.set_request(_GENERATION, _VALUE, "9600").decode(),),
    ),
    StationTopic(
        "set_response",
        TOPICS.set_response(MODULE),
        2,
        False,
        "what the module made of it",
        (messages.was_set(_GENERATION, "RebootRequired").decode(),),
        by="module",
    ),
    StationTopic(
        "shutdown",
        TOPICS.shutdown,
        2,
        False,
        "the modules are to end (EVerest 2026.10 and later)",
        ("true",),
    ),
)
"""What is said only where the run configuration has standalone modules; in the dialect `everest`, which they need."""
