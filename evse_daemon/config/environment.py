"""What the environment overrides (seed 000, reference everest-framework §2).

Precedence, the strongest first: ``EV_MQTT_…``, ``MQTT_SERVER_…``, the file, the default. A socket path or host in the
environment replaces both of the file; ``EV_MQTT_BROKER_SOCKET_PATH`` also replaces ``MQTT_SERVER_ADDRESS``. An empty
variable counts as not set, except EV_MQTT_EXTERNAL_PREFIX: EVerest's manager sets it empty to say that there is none.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from evse_daemon.config.document import Item
from evse_daemon.config.model import DaemonSettings, MqttDialect, Settings
from evse_daemon.config.problems import Report, suggestion

SOCKET_PATH = "EV_MQTT_BROKER_SOCKET_PATH"
HOST = "EV_MQTT_BROKER_HOST"
PORT = "EV_MQTT_BROKER_PORT"
EVEREST_PREFIX = "EV_MQTT_EVEREST_PREFIX"
EXTERNAL_PREFIX = "EV_MQTT_EXTERNAL_PREFIX"
SERVER_ADDRESS = "MQTT_SERVER_ADDRESS"
SERVER_PORT = "MQTT_SERVER_PORT"
DIALECT = "EV_MQTT_DIALECT"


def effective_settings(
    settings: Settings, item: Item, environ: Mapping[str, str], report: Report
) -> Settings:
    """The settings of the file with what the environment overrides; what is wrong is reported."""
    changed = _broker(settings, item, environ, report)
    prefixes = {"mqtt_everest_prefix": EVEREST_PREFIX, "mqtt_external_prefix": EXTERNAL_PREFIX}
    for name, variable in prefixes.items():
        value = environ.get(variable)
        if value is not None and (value or variable == EXTERNAL_PREFIX):
            changed[name] = value
        else:
            value = getattr(settings, name)
            variable = ""  # noqa: PLW2901 - the file is to blame, not the variable
        wrong = _wrong_prefix(value)
        if wrong:
            _blame(report, item, name, variable, f"{value!r} cannot be a topic prefix: {wrong}")
    result = settings.model_copy(update=changed)
    prefix = result.mqtt_everest_prefix.strip("/")
    if not prefix:
        _blame(
            report, item, "mqtt_everest_prefix", "", "the everest prefix is empty", "the default is `everest`"
        )
    elif prefix == result.mqtt_external_prefix.strip("/"):
        variable = EXTERNAL_PREFIX if EXTERNAL_PREFIX in environ else ""
        message = f"the external prefix is the same as the everest prefix ({prefix})"
        _blame(
            report, item, "mqtt_external_prefix", variable, message, "the two trees would mix: choose another"
        )
    return result.model_copy(update={"mqtt_everest_prefix": prefix})


def effective_daemon(daemon: DaemonSettings, environ: Mapping[str, str], report: Report) -> DaemonSettings:
    """The daemon's settings with what the environment overrides; what is wrong is reported."""
    dialect = environ.get(DIALECT)
    if not dialect:
        return daemon
    known = typing.get_args(MqttDialect)
    if dialect not in known:
        report.environment(DIALECT, f"{dialect!r} is no dialect", suggestion(dialect, known, "dialects"))
        return daemon
    return daemon.model_copy(update={"mqtt_dialect": dialect})


def _broker(settings: Settings, item: Item, environ: Mapping[str, str], report: Report) -> dict[str, Any]:
    socket_path = environ.get(SOCKET_PATH)
    host = environ.get(HOST)
    if socket_path and host:
        report.environment(SOCKET_PATH, f"given together with {HOST}", "unset one of them")
    if not socket_path and not host:
        host = environ.get(SERVER_ADDRESS)
    given = settings.model_fields_set
    if (
        "mqtt_broker_host" in given
        and settings.mqtt_broker_socket_path is not None
        and not socket_path
        and not host
    ):
        _blame(
            report, item, "mqtt_broker_socket_path", "", "mqtt_broker_socket_path and mqtt_broker_host are both given",
            "remove one of them",
        )  # fmt: skip
    changed: dict[str, Any] = {}
    if socket_path:
        changed["mqtt_broker_socket_path"] = socket_path
    elif host:
        changed["mqtt_broker_socket_path"] = None
        changed["mqtt_broker_host"] = host
    variable = PORT if environ.get(PORT) else SERVER_PORT
    port = environ.get(variable)
    if port:
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
            report.environment(variable, f"{port[:20]!r} is no port number", "ports are 1 to 65535")
        else:
            changed["mqtt_broker_port"] = int(port)
            if changed.get("mqtt_broker_socket_path", settings.mqtt_broker_socket_path) is not None:
                report.warning(
                    None, variable, f"{variable} has no effect: the broker is reached over a unix socket"
                )
    return changed


def _wrong_prefix(prefix: str) -> str:
    if any(wildcard in prefix for wildcard in "+#"):
        return "+ and # are wildcards"
    if prefix.startswith("$"):
        return "topics that begin with $ belong to the broker"
    if not prefix.isprintable():
        return "it has characters that cannot be printed"
    return ""


def _blame(report: Report, item: Item, name: str, variable: str, message: str, hint: str = "") -> None:
    if variable:
        report.environment(variable, message, hint)
        return
    place = item.mapping.get(name, item)
    report.problem(place.line, f"settings.{name}", message, hint)
