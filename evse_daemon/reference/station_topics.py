"""The topics that belong to no interface: what the daemon says of itself and of its modules."""

from __future__ import annotations

from dataclasses import dataclass

from evse_daemon.mqtt.dialects import DIALECTS, to_json
from evse_daemon.mqtt.topics import Topics
from evse_daemon.standalone import config_messages
from evse_daemon.standalone.config_messages import GENERATIONS, Identifier

MODULE, IMPLEMENTATION, NAME, CALLER = "{module}", "{implementation}", "{name}", "{caller}"
PREFIX = "{prefix}"
TOPICS = Topics(PREFIX)
"""The topics with names in braces for what a station decides."""

_DIALECT = DIALECTS["documented"]
_EVEREST = DIALECTS["everest"]
_GENERATION = GENERATIONS["ConfigurationRequest"]


@dataclass(frozen=True, slots=True)
class StationTopic:
    """One topic; its delivery is that of the documented dialect."""

    name: str
    topic: str
    qos: int
    retain: bool
    says: str
    examples: tuple[str, ...]
    everest_only: bool = False
    """The documented dialect does not have it."""


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
        everest_only=True,
    ),
    StationTopic(
        "definition",
        TOPICS.definition("module_names"),
        2,
        True,
        "with [standalone modules](standalone.md), until all are ready: also `interfaces`, "
        "`interface_definitions/…`, `manifests/…`, `types`, `settings`",
        (config_messages.definition(_GENERATION, {"auth": "Auth"}).decode(),),
        everest_only=True,
    ),
    StationTopic(
        "config_request",
        TOPICS.config_request,
        2,
        False,
        "a standalone module asks its manager",
        (config_messages.get_module(_GENERATION, "auth").decode(),),
        everest_only=True,
    ),
    StationTopic(
        "config_response",
        TOPICS.config_response(MODULE),
        2,
        False,
        "the manager's answer",
        (config_messages.was_set(_GENERATION, "Accepted").decode(),),
        everest_only=True,
    ),
    StationTopic(
        "set_request",
        TOPICS.set_request(MODULE),
        2,
        False,
        "the manager tells a running module of a changed value",
        (config_messages.set_request(_GENERATION, Identifier("auth", "connection_timeout"), "30").decode(),),
        everest_only=True,
    ),
    StationTopic(
        "set_response",
        TOPICS.set_response(MODULE),
        2,
        False,
        "what the module makes of it",
        (config_messages.was_set(_GENERATION, "Accepted").decode(),),
        everest_only=True,
    ),
    StationTopic(
        "shutdown",
        TOPICS.shutdown,
        2,
        False,
        "the station ends: standalone modules end too; only with `config_messages: ConfigurationRequest`",
        ("true",),
        everest_only=True,
    ),
)
