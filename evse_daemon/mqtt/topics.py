"""Every topic there is; no topic is written by hand anywhere else.

The module tree is under the everest prefix (F/lib/config.cpp: ``{prefix}modules/{id}/impl/{impl}/…``). Topics for
other programs (everest_api, everest_external) are given without the external prefix: ExternalMqtt puts it before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFINITIONS = ("interfaces", "types", "settings", "schemas", "module_names")
"""What a manager retains in one topic each while modules start; others have a topic for each name."""

TopicKind = Literal["var", "cmd", "response", "error"]


@dataclass(frozen=True, slots=True)
class TreeTopic:
    """A topic of the module tree, taken apart."""

    kind: TopicKind
    module_id: str
    implementation_id: str
    name: str
    caller: str = ""
    """Of a response: who called."""


class Topics:
    """The topics of one station."""

    def __init__(self, everest_prefix: str = "everest", external_prefix: str = "") -> None:
        self.name = everest_prefix.strip("/")
        """The everest prefix without slash: the station's name on a shared broker."""
        self.prefix = self.name + "/"
        self.external_prefix = external_prefix
        self.ready = f"{self.prefix}ready"
        self.shutdown = f"{self.prefix}shutdown"
        self.status = f"evse_daemon/{self.name}/status"
        self.explain = f"evse_daemon/{self.name}/explain"
        self.explain_request = f"evse_daemon/{self.name}/cmd/explain"
        self.all_commands = f"{self.prefix}modules/+/impl/+/cmd/+"
        self.whole_station = (f"{self.prefix}#", f"evse_daemon/{self.name}/#")
        """Filters of all that belongs to the station, but for what is below the external prefix."""
        self.can_be_retained: tuple[str, ...] = (
            self.ready, self.module_ready("+"), self.var("+", "+", "+"), self.explain,
        )  # fmt: skip
        """Filters of the topics on which a run of this daemon may leave retained messages behind."""
        self.config_request = f"{self.prefix}config/request"
        self.definitions = (
            *(f"{self.prefix}{name}" for name in DEFINITIONS),
            *(
                f"{self.prefix}{name}/+"
                for name in ("interface_definitions", "type_definitions", "manifests")
            ),
        )
        """Filters of what a manager retains while standalone modules start."""

    def explain_response(self, reply: str) -> str:
        """Where a request is answered; its payload is ``reply``."""
        return f"{self.explain_request}/response/{reply}"

    def doctor(self, visitor: str) -> str:
        """Where ``evse-daemon doctor`` says something to itself, to see what comes back; nobody else listens."""
        return f"evse_daemon/{self.name}/doctor/{visitor}"

    def definition(self, *names: str) -> str:
        """What a manager tells all modules that start: ``interfaces``, or ``manifests`` of a class."""
        return self.prefix + "/".join(names)

    def config_response(self, module_id: str) -> str:
        return f"{self.prefix}modules/{module_id}/response"

    def set_request(self, module_id: str) -> str:
        return f"{self.prefix}modules/{module_id}/config/set_request"

    def set_response(self, module_id: str) -> str:
        return f"{self.prefix}modules/{module_id}/config/set_response"

    def said_by(self, module_id: str) -> tuple[str, ...]:
        """Filters of all that a module of another process says."""
        module = f"{self.prefix}modules/{module_id}"
        return (
            f"{module}/impl/+/var/+",
            f"{module}/impl/+/error/+/+",
            f"{module}/impl/+/cmd/+/response/+",
            self.module_ready(module_id),
            self.set_response(module_id),
        )

    @property
    def energy_requests(self) -> str:
        """A filter of what every EvseManager publishes each second."""
        return self.var("+", "+", "energy_flow_request")

    def commands_of(self, module_id: str) -> str:
        """A filter of the commands of one module."""
        return f"{self.prefix}modules/{module_id}/impl/+/cmd/+"

    def module_ready(self, module_id: str) -> str:
        return f"{self.prefix}modules/{module_id}/ready"

    def module_metadata(self, module_id: str) -> str:
        return f"{self.prefix}modules/{module_id}/metadata"

    def var(self, module_id: str, implementation_id: str, name: str) -> str:
        return f"{self.prefix}modules/{module_id}/impl/{implementation_id}/var/{name}"

    def command(self, module_id: str, implementation_id: str, name: str) -> str:
        return f"{self.prefix}modules/{module_id}/impl/{implementation_id}/cmd/{name}"

    def response(self, module_id: str, implementation_id: str, name: str, caller: str) -> str:
        return f"{self.command(module_id, implementation_id, name)}/response/{caller}"

    def error(self, module_id: str, implementation_id: str, type_: str) -> str:
        return f"{self.prefix}modules/{module_id}/impl/{implementation_id}/error/{type_}"

    def parse(self, topic: str) -> TreeTopic | None:
        """A topic of the module tree in its parts; None for any other."""
        if not topic.startswith(self.prefix):
            return None
        parts = topic[len(self.prefix) :].split("/")
        match parts:
            case ["modules", module_id, "impl", implementation_id, "var", name]:
                return TreeTopic("var", module_id, implementation_id, name)
            case ["modules", module_id, "impl", implementation_id, "cmd", name]:
                return TreeTopic("cmd", module_id, implementation_id, name)
            case ["modules", module_id, "impl", implementation_id, "cmd", name, "response", caller]:
                return TreeTopic("response", module_id, implementation_id, name, caller)
            case ["modules", module_id, "impl", implementation_id, "error", namespace, name]:
                return TreeTopic("error", module_id, implementation_id, f"{namespace}/{name}")
        return None


# The public API (seed 003; EVerest's modules/API/API). `evse` is the module id of the EvseManager.

API_CONNECTORS = "everest_api/connectors"
API_EV_CONNECTORS = "everest_api/ev_connectors"
API_ACTIVE_ERRORS = "everest_api/errors/var/active_errors"
API_INFO = "everest_api/info/var/info"
API_OCPP_CHARGING_SCHEDULES = "everest_api/ocpp/var/charging_schedules"
API_OCPP_CONNECTION_STATUS = "everest_api/ocpp/var/connection_status"


def api_var(evse: str, name: str) -> str:
    return f"everest_api/{evse}/var/{name}"


def service_command(station: str, evse: str, name: str) -> str:
    """A command for the service technician: of this daemon alone, so not in EVerest's tree."""
    return f"evse_daemon/{station}/{evse}/cmd/{name}"


def service_response(station: str, evse: str, name: str) -> str:
    return f"{service_command(station, evse, name)}/response"


def api_command(evse: str, name: str) -> str:
    return f"everest_api/{evse}/cmd/{name}"


# EVerest's API of the newer kind, EVerestAPI (reference api.md §2): one module class for each interface that another
# program may provide or use. `kind` is the name of the module class without _API.

EVEREST_API_DISCOVER = "everest_api/discover"
EVEREST_API_READY_BEACON = "everest_api/ready_beacon"


def everest_api_query(kind: str) -> str:
    return f"everest_api/query-modules/{kind}"


def everest_api_said(kind: str, module: str, name: str) -> str:
    """What the station says to the program."""
    return f"everest_api/1/{kind}/{module}/e2m/{name}"


def everest_api_heard(kind: str, module: str, name: str) -> str:
    """What the program says to the station."""
    return f"everest_api/1/{kind}/{module}/m2e/{name}"


def everest_api_get(kind: str, module: str, name: str) -> str:
    """Where the program asks for the latest value of a variable."""
    return everest_api_heard(kind, module, f"{name}/get")


def everest_api_reply(kind: str, module: str, request_id: str) -> str:
    """Where the program replies to a request of the station; ``+`` in the place of the id is a filter."""
    return everest_api_heard(kind, module, f"reply/{request_id}")


# What EVerest's Node-RED flows use (EvManager, EvseManager). `number` is the option
# connector_id of the module.


def carsim_command(number: int | str, name: str) -> str:
    return f"everest_external/nodered/{number}/carsim/cmd/{name}"


def carsim_enable_of_yocto(number: int | str) -> str:
    """As EVerest's flow for the Yocto image names it; EVerest hears it nowhere."""
    return f"everest_external/nodered/carsim/{number}/cmd/enable"


def carsim_error(number: int | str) -> str:
    return f"everest_external/nodered/{number}/carsim/error"


def nodered_state(number: int | str, name: str) -> str:
    return f"everest_external/nodered/{number}/state/{name}"


def nodered_command(number: int | str, name: str) -> str:
    return f"everest_external/nodered/{number}/cmd/{name}"


def nodered_powermeter(number: int | str, name: str) -> str:
    return f"everest_external/nodered/{number}/powermeter/{name}"


def nodered_powermeter_json(number: int | str) -> str:
    return f"everest_external/nodered/{number}/powermeter_json"


# EVerest's oldest topics, of its simulated board; they begin with a slash.


def external_powermeter(name: str) -> str:
    return f"/external/powermeter/{name}"


def external_powermeter_json() -> str:
    return "/external/powermeter_json"


def external_of_board(board: str, name: str) -> str:
    return f"/external/{board}/powermeter/{name}"


# Home Assistant's MQTT discovery (its components/mqtt/discovery.py, TOPIC_MATCHER).


def home_assistant_device(discovery_prefix: str, node_id: str, object_id: str) -> str:
    """Where a device is announced; the two ids are of letters, digits, ``_`` and ``-``. ``+`` makes a filter."""
    return f"{discovery_prefix}/device/{node_id}/{object_id}/config"


def home_assistant_status(discovery_prefix: str) -> str:
    """Where Home Assistant says that it has come: its birth message."""
    return f"{discovery_prefix}/status"
