"""The topics that belong to no interface: what the daemon says of itself and of its modules."""

from __future__ import annotations

from dataclasses import dataclass

from evse_daemon.mqtt.dialects import DIALECTS, to_json
from evse_daemon.mqtt.topics import Topics

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
    ),
)
