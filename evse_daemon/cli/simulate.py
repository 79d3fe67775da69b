"""``evse-daemon simulate``: a whole charger on this machine."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

from evse_daemon.cli.broker_options import BROKER_VARIABLES, environment_of
from evse_daemon.cli.live_view import LiveView
from evse_daemon.cli.wire import WireRefusedError, over_wire
from evse_daemon.config import ConfigurationError, RunConfig, load
from evse_daemon.config.environment import EXTERNAL_PREFIX
from evse_daemon.exit_codes import ExitCode
from evse_daemon.framework import log as logging_setup
from evse_daemon.framework.bus import Tap
from evse_daemon.mqtt.find_broker import FoundBroker, find_broker
from evse_daemon.mqtt.presence import live_station
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import Topics, carsim_command, service_command
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.process.run_station import run_station
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal

CONFIG = "config-sim.yaml"
"""The built-in configuration, in the package simulators."""

SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"
"""A car that comes, charges for 20 s and leaves."""

DEMO = f"sleep 3;{SESSION};sleep 5"


def simulate(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Runs the simulator; returns the exit status."""
    if arguments.wire is not None and arguments.speed != 1.0:
        print("--wire runs in real time: leave --speed out, or --wire.", file=sys.stderr)
        return ExitCode.USAGE
    environ = environment_of(arguments, environ)
    try:
        if arguments.external_prefix is not None:
            environ = {**environ, EXTERNAL_PREFIX: arguments.external_prefix}
        config = load(arguments.config or _built_in(), environ)
        if arguments.demo:
            config = _with_demo(config)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    log_writer = logging_setup.configure(arguments.log_level, "console")
    view_writer = logging_setup.LineWriter(sys.stdout)
    try:
        with over_wire(arguments.wire, config) as wired:
            return asyncio.run(_simulate(arguments, wired, environ, view_writer))
    except WireRefusedError as error:
        print(error, file=sys.stderr)
        return ExitCode.FAILED
    finally:
        view_writer.close()
        log_writer.close()


def _built_in() -> Path:
    import simulators

    return Path(simulators.__file__).with_name(CONFIG)


def _with_demo(config: RunConfig) -> RunConfig:
    """The configuration with every car driving sessions by itself, for ever."""
    modules = dict(config.modules)
    for module_id, entry in modules.items():
        if entry.cls.__name__ == "EvManager":
            options = entry.options.model_copy(
                update={
                    "auto_enable": True,
                    "auto_exec": True,
                    "auto_exec_infinite": True,
                    "auto_exec_commands": DEMO,
                }
            )
            modules[module_id] = dataclasses.replace(entry, options=options)
    return dataclasses.replace(config, modules=modules)


async def _simulate(
    arguments: argparse.Namespace,
    config: RunConfig,
    environ: Mapping[str, str],
    out: logging_setup.LineWriter,
) -> int:
    topics = Topics(config.settings.mqtt_everest_prefix, config.settings.mqtt_external_prefix)
    explicit = any(environ.get(name) for name in BROKER_VARIABLES) or _names_a_broker(config)
    try:
        broker = await find_broker(config.broker() if explicit else None, prefix=topics.name)
    except BrokerUnreachable as error:
        print(error, file=sys.stderr)
        return ExitCode.BROKER
    try:
        out.write(f"Broker: {broker.description}. Watch with:  {broker.subscribe_hint}")
        for note in [
            *broker.notes,
            *("; ".join(filter(None, (found.message, found.hint))) for found in config.warnings),
        ]:
            out.write(f"  ({note})")
        seen = (
            await live_station(broker.settings, topics.name, topics.status)
            if broker.kind in _SHARED
            else None
        )
        if seen is not None:
            print(
                f"{seen}\nTwo stations cannot share a prefix. Choose another one, for instance:\n"
                f"  --prefix {topics.name}_2 --external-prefix {topics.name}_2_api/",
                file=sys.stderr,
            )
            return ExitCode.STATION_ONLINE
        return await _run(arguments, config, broker, topics, out)
    finally:
        await broker.stop()


_SHARED = ("configured", "running")
"""Kinds of brokers that others may use, too."""


def _names_a_broker(config: RunConfig) -> bool:
    """Whether the configuration itself says which broker to use."""
    return bool(
        {"mqtt_broker_socket_path", "mqtt_broker_host", "mqtt_broker_port"} & config.settings.model_fields_set
    )


async def _run(
    arguments: argparse.Namespace,
    config: RunConfig,
    broker: FoundBroker,
    topics: Topics,
    out: logging_setup.LineWriter,
) -> int:
    views: list[LiveView] = []

    def taps(station: Station) -> list[Tap]:
        views.append(LiveView(station, out))
        return [*views]

    async def started() -> None:
        if not arguments.demo:
            out.write("Plug a car in and charge it:")
            out.write(
                f"  mosquitto_pub{_port(broker.settings)} -t "
                f"'{topics.external_prefix}{carsim_command(1, 'execute_charging_session')}' -m '{SESSION}'"
            )
        for name, topic in _boards(config, topics):
            out.write(f"Break the board {name}:")
            out.write(f"  mosquitto_pub{_port(broker.settings)} -t '{topic}' -m 'rcd 10'")
        out.write("Ctrl-C ends the simulator.")

    try:
        return await run_station(
            config, broker.settings, MemoryJournal(), speed=arguments.speed, taps=taps, started=started
        )
    finally:
        for view in views:
            view.close()


def _boards(config: RunConfig, topics: Topics) -> list[tuple[str, str]]:
    """The simulated boards on wires: the id of each, and the topic that takes faults."""
    return [
        (module_id, f"{topics.external_prefix}{service_command(topics.name, module_id, 'fault')}")
        for module_id, entry in config.modules.items()
        if entry.cls.__name__ == "YetiFirmware"
    ]


def _port(settings: BrokerSettings) -> str:
    """What mosquitto_pub must be told to find the broker."""
    if settings.socket_path is not None:
        return f" --unix {settings.socket_path}"
    host = "" if settings.host in ("localhost", "127.0.0.1") else f" -h {settings.host}"
    return host + ("" if settings.port == 1883 else f" -p {settings.port}")
