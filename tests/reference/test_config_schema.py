"""The JSON schema of run configurations, held against what check-config accepts and refuses."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from evse_daemon.config import ConfigurationError, load, load_text
from evse_daemon.config.document import parse
from evse_daemon.config.problems import Report
from evse_daemon.framework.module import ModuleOptions
from evse_daemon.reference.config_schema import render, schema
from evse_daemon.reference.declared import classes
from tests.config.everest import configurations
from tests.system.processes import PROGRAM, ROOT, clean_environment

LINE = "# yaml-language-server: $schema=/usr/share/evse-daemon/config.schema.json\n"
EXAMPLES = sorted([*ROOT.glob("config/*.yaml"), ROOT / "simulators/config-sim.yaml"])


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    made = schema()
    Draft7Validator.check_schema(made)
    return Draft7Validator(made)


def refused(validator: Draft7Validator, text: str) -> list[str]:
    document = parse(text, Report("test"))
    assert document is not None
    return [
        f"{'/'.join(map(str, error.path))}: {error.message[:150]}"
        for error in validator.iter_errors(document.plain())
    ]


def loads(text: str) -> bool:
    try:
        load_text(text)
    except ConfigurationError:
        return False
    return True


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_fit_and_name_it(validator: Draft7Validator, path: Path) -> None:
    text = path.read_text("utf-8")
    assert refused(validator, text) == []
    assert text.startswith(LINE)


@pytest.mark.parametrize("path", configurations())
def test_of_everests_configurations_those_that_load_fit(validator: Draft7Validator, path: Path) -> None:
    try:
        load(path, {})
    except ConfigurationError:
        assert path.name not in {
            "config-sil-ac.yaml",
            "config-sil-ac-limits.yaml",
            "config-sil-two-evse-ac.yaml",
        }
        return
    assert refused(validator, path.read_text("utf-8")) == []


STATION = """
settings: {mqtt_broker_host: localhost, mqtt_broker_port: 1883}
daemon:
  mqtt_dialect: everest
  log_level: info
  external_limits: {sink: {MaxReceiveTimeSec: 60}}
  broker: {user: me, password_file: pw, tls: {ca_file: ca.pem}}
active_modules:
  evse_manager:
    module: EvseManager
    config_module: {connector_id: 1, charge_mode: AC, soft_over_current_timeout_ms: 7000}
    connections: {bsp: [{module_id: board, implementation_id: board_support}]}
    mapping: {module: {evse: 1}, implementations: {evse: {evse: 1, connector: 1}}}
    telemetry: {id: 1}
  board:
    module: YetiDriver
    config_module: {serial_port: /dev/ttyUSB0, baud_rate: 115200}
  hub:
    module: ModbusTcpHub
    config_implementation: {main: {host: meter, port: 502}}
  sink:
    module: EnergyNode
    config_module: {fuse_limit_A: 32}
    connections: {energy_consumer: [{module_id: evse_manager, implementation_id: energy_grid}]}
"""


def changed(old: str, new: str) -> str:
    assert old in STATION
    return STATION.replace(old, new)


ACCEPTED = {
    "as it is": STATION,
    "a number without fraction": changed("connector_id: 1,", "connector_id: 1.0,"),
    "the short form of connections": changed(
        "[{module_id: board, implementation_id: board_support}]", "board"
    ),
    "config for config_module": changed(
        "config_module: {serial_port: /dev/ttyUSB0,", "config: {serial_port: /dev/ttyUSB0,"
    ),
    "keys with nothing after them": changed("telemetry: {id: 1}", "telemetry:\n    standalone:\n    config:"),
    "implementations with nothing after them": changed(
        "baud_rate: 115200}", "baud_rate: 115200}\n    config_implementation: {rcd: , powermeter: {}}"
    ),
    "sections with nothing after them": STATION + "x-module-layout:\n",
    "further keys of a place": changed("{module: {evse: 1}", "{module: {evse: 1, further: x}"),
}

REFUSED = {
    "an unknown section": STATION + "setings: {}\n",
    "no modules": "settings: {}\n",
    "no module": "active_modules: {}\n",
    "nothing as modules": "active_modules:\n",
    "an unknown setting": changed("mqtt_broker_port", "mqtt_broker_prot"),
    "a setting of the wrong type": changed("mqtt_broker_port: 1883", "mqtt_broker_port: '1883'"),
    "a setting out of range": changed("mqtt_broker_port: 1883", "mqtt_broker_port: 70000"),
    "an unknown dialect": changed("mqtt_dialect: everest", "mqtt_dialect: evrest"),
    "an unknown key of the login": changed("user: me", "usr: me"),
    "an unknown key of TLS": changed("ca_file: ca.pem", "ca: ca.pem"),
    "a limit source out of range": changed("MaxReceiveTimeSec: 60", "MaxReceiveTimeSec: -1"),
    "an unknown class": changed("module: YetiDriver", "module: YetiDrivr"),
    "no class": changed("    module: YetiDriver\n", ""),
    "a class of the wrong type": changed("module: YetiDriver", "module: [YetiDriver]"),
    "an id that is none": changed("  hub:", "  h/b:"),
    "an unknown key of a module": changed("    telemetry:", "    telemtry:"),
    "an unknown option": changed("baud_rate", "baud_rat"),
    "an option out of range": changed("115200", "115"),
    "an integer out of range": changed("timeout_ms: 7000", "timeout_ms: 10"),
    "an option of the wrong type": changed("serial_port: /dev/ttyUSB0", "serial_port: 7"),
    "a truth for a number": changed("connector_id: 1,", "connector_id: true,"),
    "a fraction for an integer": changed("connector_id: 1,", "connector_id: 1.5,"),
    "a choice that is none": changed("charge_mode: AC", "charge_mode: ACDC"),
    "an option that is required": changed("connector_id: 1, ", ""),
    "no options where one is required": changed("    config_module: {fuse_limit_A: 32}\n", ""),
    "nothing as options where one is required": changed(
        "config_module: {fuse_limit_A: 32}", "config_module:"
    ),
    "an option of an implementation that is required": changed("host: meter, ", ""),
    "an implementation that is required": changed(
        "    config_implementation: {main: {host: meter, port: 502}}\n", ""
    ),
    "an unknown implementation": changed("{main: {host", "{man: {host"),
    "both names of the options": changed(
        "    config_module: {fuse_limit_A: 32}",
        "    config: {fuse_limit_A: 32}\n    config_module: {fuse_limit_A: 32}",
    ),
    "an unknown requirement": changed("connections: {bsp:", "connections: {bps: [], bsp:"),
    "a connection that is required": changed("[{module_id: board, implementation_id: board_support}]", "[]"),
    "connections that are required": changed(
        "    connections: {bsp: [{module_id: board, implementation_id: board_support}]}\n", ""
    ),
    "too many connections": changed("[{module_id: board,", "[board, {module_id: board,"),
    "half a connection": changed(
        "{module_id: board, implementation_id: board_support}", "{module_id: board}"
    ),
    "an unknown key of a connection": changed(
        "implementation_id: board_support", "implementaton_id: board_support"
    ),
    "a connection that is no list": changed(
        "[{module_id: board, implementation_id: board_support}]",
        "{module_id: board, implementation_id: board_support}",
    ),
    "a negative EVSE": changed("module: {evse: 1}", "module: {evse: -1}"),
    "no EVSE": changed("module: {evse: 1}", "module: {}"),
    "telemetry without a number": changed("telemetry: {id: 1}", "telemetry: {}"),
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_what_check_config_accepts_fits(validator: Draft7Validator, text: str) -> None:
    assert loads(text)
    assert refused(validator, text) == []


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_check_config_refuses_for_its_shape_does_not_fit(validator: Draft7Validator, text: str) -> None:
    assert not loads(text)
    assert refused(validator, text) != []


def test_a_mistake_is_found_where_it_is(validator: Draft7Validator) -> None:
    assert refused(validator, changed("baud_rate", "baud_rat")) == [
        "active_modules/board/config_module: Additional properties are not allowed ('baud_rat' was unexpected)"
    ]


def test_a_standalone_module_may_be_of_any_class(validator: Draft7Validator) -> None:
    assert (
        refused(validator, "active_modules: {a: {module: Theirs, standalone: true, config_module: {x: 1}}}")
        == []
    )


@pytest.mark.parametrize("name", classes())
def test_every_default_of_every_class_is_one_that_fits(validator: Draft7Validator, name: str) -> None:
    """What is left out could as well be written."""
    cls = classes()[name]
    definitions = validator.schema["definitions"]
    blocks = definitions[f"class.{name}"]["properties"]["config_implementation"]["properties"]
    parts: list[tuple[dict[str, Any], type[ModuleOptions]]] = [
        (definitions[f"options.{name}"], cls.Options),
        *((blocks[key], each.options) for key, each in cls.provides.items()),
    ]
    for part, model in parts:
        given = {key: field.default for key, field in model.model_fields.items() if not field.is_required()}
        wrong = [
            error.message
            for error in Draft7Validator(part | {"required": []}).iter_errors(json.loads(json.dumps(given)))
        ]
        assert wrong == []
        assert part["properties"].keys() == model.model_fields.keys()


def test_what_it_says_is_of_the_declarations() -> None:
    made = schema()
    assert {name.removeprefix("class.") for name in made["definitions"] if name.startswith("class.")} == set(
        classes()
    )
    port = made["definitions"]["options.YetiDriver"]["properties"]["serial_port"]
    assert port["default"] == "/dev/ttyUSB0"
    assert "/dev/serial/by-id" in port["description"]
    assert (
        "Without effect"
        in made["definitions"]["options.EvseManager"]["properties"]["enable_autocharge"]["description"]
    )
    assert made["definitions"]["BrokerLogin"]["properties"].keys() == {"user", "password_file", "tls"}
    references = set(re.findall(r'"\$ref": "#/definitions/([^"]+)"', render()))
    assert references <= made["definitions"].keys()


def test_the_command_prints_the_file_of_the_package() -> None:
    done = subprocess.run(
        [*PROGRAM, "schema"], env=clean_environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (ROOT / "docs/config.schema.json").read_text("utf-8")
    rules = (ROOT / "debian/rules").read_text("utf-8")
    path = LINE.partition("=")[2].strip()
    assert f"docs/config.schema.json debian/evse-daemon{path}\n" in rules
