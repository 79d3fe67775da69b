"""Where the broker is and what the topics are called: the options that several commands share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line imports this at every start
    from evse_daemon.mqtt.dialects import DialectName
    from evse_daemon.mqtt.settings import BrokerSettings

BROKER_VARIABLES = (
    "EV_MQTT_BROKER_SOCKET_PATH",
    "EV_MQTT_BROKER_HOST",
    "EV_MQTT_BROKER_PORT",
    "MQTT_SERVER_ADDRESS",
    "MQTT_SERVER_PORT",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A broker and the names of a station on it."""

    broker: BrokerSettings
    everest_prefix: str
    external_prefix: str
    dialect: DialectName


def add_broker_options(command: argparse.ArgumentParser) -> None:
    """The options of a command that looks at a station from outside."""
    command.add_argument("--broker", metavar="HOST[:PORT]", help="the broker (default: localhost:1883)")
    command.add_argument("--socket", metavar="PATH", help="the broker's Unix socket")
    command.add_argument("--prefix", help="everest prefix of the topics (default: everest)")
    command.add_argument(
        "--config",
        type=Path,
        metavar="CONFIG",
        help="take broker, login, TLS and prefix from this run configuration (default: that of the installed daemon, "
        "/etc/evse-daemon/config.yaml, where there is one that you may read and no broker is named)",
    )


def environment_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with what the command line says, which counts more."""
    found = dict(environ)
    if arguments.broker or arguments.socket:
        for name in BROKER_VARIABLES:
            found.pop(name, None)
    if arguments.socket:
        found["EV_MQTT_BROKER_SOCKET_PATH"] = arguments.socket
    elif arguments.broker:
        host, port = _host_and_port(arguments.broker)
        found["EV_MQTT_BROKER_HOST"] = host
        if port:
            found["EV_MQTT_BROKER_PORT"] = port
    if arguments.prefix:
        found["EV_MQTT_EVEREST_PREFIX"] = arguments.prefix
    if getattr(arguments, "dialect", None):
        found["EV_MQTT_DIALECT"] = arguments.dialect
    return found


def place(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Place:
    """The broker and the topics that the command line, the environment and a configuration name.

    Raises:
        ConfigurationError: with every problem that was found.
    """
    from evse_daemon.config import ConfigurationError, DaemonSettings, Settings, load, units
    from evse_daemon.config.document import Item
    from evse_daemon.config.environment import effective_daemon, effective_settings
    from evse_daemon.config.model import broker_settings
    from evse_daemon.config.problems import Report

    environ = environment_of(arguments, environ)
    file = arguments.config
    if file is None and not (arguments.broker or arguments.socket) and os.access(units.DEFAULT, os.R_OK):
        file = units.DEFAULT
    if file is not None:
        config = load(file, environ)
        settings, daemon = config.settings, config.daemon
    else:
        report = Report("command line")
        settings = effective_settings(Settings(), Item({}, 0), environ, report)
        daemon = effective_daemon(DaemonSettings(), environ, report)
        if report.problems:
            raise ConfigurationError(report.problems)
    return Place(
        broker_settings(settings, daemon),
        settings.mqtt_everest_prefix,
        settings.mqtt_external_prefix,
        daemon.mqtt_dialect,
    )


def _host_and_port(text: str) -> tuple[str, str]:
    """``192.0.2.7``, ``broker.example:1883``, ``[2001:db8::7]:1883`` or ``2001:db8::7``."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest.removeprefix(":")
    if text.count(":") > 1:
        return text, ""
    host, _, port = text.partition(":")
    return host, port
