"""The generated documents are current, whole and true: held against the declarations, the modules and EVerest's files."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config import load
from evse_daemon.framework.module import Module
from evse_daemon.mqtt import topics as topics_module
from evse_daemon.mqtt.topics import API_OCPP_CHARGING_SCHEDULES, Topics
from evse_daemon.reference import asyncapi
from evse_daemon.reference.__main__ import documents, main
from evse_daemon.reference.declared import attribute_texts, classes, interfaces
from evse_daemon.reference.examples import Examples
from evse_daemon.reference.external_topics import EXTERNAL
from evse_daemon.reference.manifests import manifest
from evse_daemon.reference.schemas import Schemas, adapters_of
from evse_daemon.types.error_lists import error_types
from tests.support.memory_wire import over_memory
from tests.support.virtual_station import VirtualStation

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MANIFESTS = ROOT.parent / "shared" / "everest" / "manifests"
COMMAND = "python -m evse_daemon.reference"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return documents()


def test_the_documents_are_current(made: dict[str, str]) -> None:
    stale = [name for name, text in made.items() if not same(DOCS / name, text)]
    assert stale == [], f"make them anew: {COMMAND}"
    kept = {f"manifests/{file.name}" for file in (DOCS / "manifests").iterdir()}
    assert kept == {name for name in made if name.startswith("manifests/")}, COMMAND


def same(file: Path, text: str) -> bool:
    return file.exists() and file.read_text("utf-8") == text


def test_the_command_writes_them_and_removes_the_manifests_of_classes_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "Gone.yaml").write_text("")
    main(tmp_path)
    written = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert written == set(documents())


# The page.


def test_every_topic_that_has_a_name_is_on_the_page(made: dict[str, str]) -> None:
    """Each function of topics.py that some module uses; who adds one adds it to the lists of the reference."""
    page = made["topics.md"]
    own = Topics("{prefix}")
    unused = {"nodered_state", "nodered_command", "nodered_powermeter"}
    described: dict[str, object] = dict(vars(own))
    described |= {
        name: value(*(f"{{{argument}}}" for argument in inspect.signature(value).parameters))
        for name, value in inspect.getmembers(own, inspect.ismethod)
        if not name.startswith("_") and name != "parse"
    }
    described |= {
        name: value(*(f"{{{argument}}}" for argument in inspect.signature(value).parameters))
        for name, value in vars(topics_module).items()
        if inspect.isfunction(value) and value.__module__ == topics_module.__name__
    }
    no_topics = {"name", "prefix", "external_prefix"}
    for name, topic in described.items():
        if name in unused | no_topics or not isinstance(topic, str) or "+" in topic:  # filters are no topics
            continue
        shape = re.escape(re.sub(r"\{\w+\}", "{}", topic)).replace(r"\{\}", r"[\w{}/]+")
        assert re.search(f"`{shape}`", page), f"{name}: {topic}"


def test_every_part_of_every_interface_is_on_the_page(made: dict[str, str]) -> None:
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", made["topics.md"], re.MULTILINE | re.DOTALL))
    for name, interface in interfaces().items():
        for part in (*interface.vars, *interface.commands):
            assert f"| `{part}` |" in sections[name], f"{name}.{part}"
        for error in error_types(interface.error_namespaces):
            assert f"`{error}`" in sections[name]


def test_its_links_lead_somewhere(made: dict[str, str]) -> None:
    page = made["topics.md"]
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in titles
        else:
            assert (DOCS / target).exists(), target


def test_examples_are_what_the_declarations_take() -> None:
    """The declarations judge them as they judge what comes from a broker."""
    examples = Examples(Schemas(adapters_of(list(interfaces().values())), "{name}"))
    for interface in interfaces().values():
        for variable in interface.vars.values():
            variable.validate_json(json.dumps(examples.of_var(variable)))
        for command in interface.commands.values():
            given = examples.of_arguments(command)
            command.validate_arguments({name: json.dumps(value) for name, value in given.items()})
            command.result.validate_json(json.dumps(examples.of_result(command)))


def test_what_the_source_says_of_an_attribute_is_found() -> None:
    class Base:
        inherited: int = 1
        """Of the base."""

    class Some(Base):
        plain = 1
        """Of plain."""
        silent: int = 2
        annotated: int = 3
        """Two
        lines."""

    assert attribute_texts(Some) == {
        "inherited": "Of the base.",
        "plain": "Of plain.",
        "annotated": "Two\nlines.",
    }


# Topics outside the tree, against a station that runs.


EV_API = """
  ev_api:
    module: EvAPI
    connections:
      ev_manager:
        - module_id: ev_manager
          implementation_id: ev_manager
"""


def of_the_simulator(topic: str, module: str = "dummy_token_provider") -> str:
    names = {
        "evse": "evse_manager",
        "ev": "ev_manager",
        "board": "yeti_driver",
        "module": module,
        "connector_id": "1",
        "station": "everest",
    }
    return topic.format(**names)


def test_the_topics_for_other_programs_are_those_of_the_modules(tmp_path: Path) -> None:
    """A whole session of the simulator: what is heard and published is declared, and the reverse."""
    text = (ROOT / "simulators" / "config-sim.yaml").read_text("utf-8")
    config = tmp_path / "config.yaml"
    logged = f"connector_id: 1\n      session_logging: true\n      session_logging_path: {tmp_path}"
    document = yaml.safe_load(text.replace("connector_id: 1", logged, 1) + EV_API)
    modules = document["active_modules"]
    history = {"error_history": {"database_path": str(tmp_path / "errors.db")}}
    modules["error_history"] = {"module": "ErrorHistory", "config_implementation": history}
    place = {"module_id": "error_history", "implementation_id": "error_history"}
    modules["api"]["connections"]["error_history"] = [place]
    information = tmp_path / "charger_info.yaml"
    information.write_text("{vendor: ACME, model: Wallbox, firmware_version: '1.2'}", "utf-8")
    modules["api"]["config_module"] = {"charger_information_file": str(information)}
    config.write_text(yaml.safe_dump(document), "utf-8")
    station = VirtualStation(load(config, {}))
    station.begin()
    heard = [topic for topic, _, _ in station.mqtt._subscriptions]
    clients = [topic for topic in EXTERNAL if topic.by == "client" and topic.module_class != "YetiFirmware"]
    assert sorted(heard) == sorted(of_the_simulator(topic.topic) for topic in clients)

    station.advance(2)
    by_name = {topic.name: topic for topic in EXTERNAL}
    for name in ("execute_charging_session", "clear_latched_error", "set_max_watt"):
        station.send(of_the_simulator(by_name[name].topic), by_name[name].example)
    station.advance(60)
    declared = {of_the_simulator(topic.topic): topic for topic in EXTERNAL if topic.by == "station"}
    seen = {}
    for message in station.mqtt.published:
        topic = declared[message.topic]
        assert (message.qos, message.retain) == (topic.qos, False), message.topic
        seen[message.topic] = (topic, message.payload)
    assert set(declared) - set(seen) == {API_OCPP_CHARGING_SCHEDULES}, "the simulator has no OCPP"
    for topic, payload in seen.values():
        if topic.example.startswith("{") and topic.name != "ev_info":  # of which nothing is required
            assert json.loads(payload).keys() >= json.loads(topic.example).keys(), topic.topic


def test_the_topics_of_a_board_on_a_wire_are_declared() -> None:
    config = load(ROOT / "simulators" / "config-sim.yaml", {})
    heard = {topic for topic, _, _ in VirtualStation(over_memory(config)).mqtt._subscriptions}
    of_others = {topic for topic, _, _ in VirtualStation(config).mqtt._subscriptions}
    ours = [topic for topic in EXTERNAL if topic.module_class == "YetiFirmware"]
    declared = {of_the_simulator(topic.topic, "yeti_driver_firmware") for topic in ours}
    assert declared <= heard
    assert heard - of_others == declared - of_others


# Manifests.


@pytest.mark.parametrize("cls", classes().values(), ids=classes())
def test_a_manifest_is_everests_with_less_required(cls: type[Module]) -> None:
    """The same options, defaults and bounds, the same implementations; required is nothing that EVerest's does not."""
    file = MANIFESTS / f"{cls.__name__}.yaml"
    if not file.exists():
        pytest.skip(f"NOT TESTED: EVerest's manifest is not at {file}")
    theirs: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    ours = manifest(cls)
    assert ours.get("enable_external_mqtt", False) == theirs.get("enable_external_mqtt", False)
    same_options(ours.get("config", {}), theirs.get("config", {}))
    assert ours.get("provides", {}).keys() == theirs.get("provides", {}).keys()
    for name, provided in theirs.get("provides", {}).items():
        assert ours["provides"][name]["interface"] == provided["interface"]
        same_options(ours["provides"][name].get("config", {}), provided.get("config", {}))
    for name, required in ours.get("requires", {}).items():
        given = theirs["requires"][name]
        assert required["interface"] == given["interface"]
        assert required["min_connections"] == given.get("min_connections", 1)
        assert required["max_connections"] == given.get("max_connections", 1)


OWN_OPTIONS = {"board_watches_host", "link_timeout_s", "lock_time_s"}
"""What our drivers can be set to beyond EVerest's; each has a default, so that EVerest's configurations load."""


def same_options(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert ours.keys() - OWN_OPTIONS == theirs.keys()
    assert all("default" in ours[name] for name in OWN_OPTIONS & ours.keys())
    for name, option in theirs.items():
        assert (ours[name]["type"], ours[name].get("default")) == (option["type"], option.get("default")), (
            name
        )
        for key in {"minimum", "maximum"} & option.keys():  # ours may set bounds where EVerest has none
            assert ours[name].get(key) == option[key], f"{name}: {key}"
        if "enum" in option:
            assert set(ours[name]["enum"]) == set(option["enum"]), name


def test_every_manifest_is_one_that_everest_reads() -> None:
    """What its schema of manifests demands (F/schemas/manifest.yaml)."""
    for name, cls in classes().items():
        found = yaml.safe_load((DOCS / "manifests" / f"{name}.yaml").read_text("utf-8"))
        assert found == json.loads(json.dumps(manifest(cls)))
        assert {"description", "metadata"} <= found.keys()
        assert all(found[part] for part in ("config", "provides", "requires") if part in found)
        assert found["metadata"].keys() == {"license", "authors"}
        configs = [
            found.get("config", {}),
            *(part.get("config", {}) for part in found.get("provides", {}).values()),
        ]
        for config in configs:
            for option in config.values():
                assert option["type"] in {"string", "integer", "number", "boolean"}
                assert option["description"]


# AsyncAPI.

NAMED = {"propertyNames": {"pattern": r"^[A-Za-z0-9._-]+$"}}
REF = {
    "type": "object",
    "required": ["$ref"],
    "properties": {"$ref": {"type": "string"}},
    "additionalProperties": False,
}
STRUCTURE: dict[str, Any] = {
    # The parts of AsyncAPI 3.0's own schema that the document uses.
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "additionalProperties": False,
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "defaultContentType": {"type": "string"},
        "servers": {"additionalProperties": {"type": "object", "required": ["host", "protocol"]}},
        "channels": {
            **NAMED,
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "additionalProperties": False,
                "properties": {
                    "address": {"type": "string", "pattern": "^[^?#]+$"},
                    "description": {"type": "string", "minLength": 1},
                    "messages": {**NAMED, "minProperties": 1, "additionalProperties": REF},
                    "parameters": {"additionalProperties": {"anyOf": [REF, {"$ref": "#/$defs/parameter"}]}},
                },
            },
        },
        "operations": {
            **NAMED,
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel"],
                "additionalProperties": False,
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REF,
                    "messages": {"type": "array", "items": REF, "minItems": 1},
                    "reply": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {"channel": REF, "messages": {"type": "array", "items": REF}},
                    },
                    "bindings": {
                        "properties": {
                            "mqtt": {
                                "required": ["qos", "retain", "bindingVersion"],
                                "properties": {"qos": {"enum": [0, 1, 2]}, "retain": {"type": "boolean"}},
                            }
                        }
                    },
                },
            },
        },
        "components": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "messages": {
                    **NAMED,
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["payload", "examples"],
                        "properties": {
                            "name": {"type": "string"},
                            "contentType": {"type": "string"},
                            "payload": {"type": "object"},
                            "examples": {"type": "array", "items": {"required": ["payload"]}, "minItems": 1},
                        },
                    },
                },
                "parameters": {"additionalProperties": {"$ref": "#/$defs/parameter"}},
                "schemas": {**NAMED, "additionalProperties": {"type": "object"}},
            },
        },
    },
    "$defs": {
        "parameter": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "description": {"type": "string"},
                "default": {"type": "string"},
                "enum": {"type": "array", "items": {"type": "string"}},
                "location": {"type": "string", "pattern": r"^\$message\.(header|payload)#(/[^/]+)*$"},
            },
        }
    },
}


@pytest.fixture(scope="module")
def document(made: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(made["asyncapi.yaml"])
    return found


def test_the_document_has_the_structure_of_asyncapi_3(document: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(STRUCTURE)
    problems = [
        f"{'/'.join(map(str, error.path))}: {error.message[:200]}"
        for error in Draft202012Validator(STRUCTURE).iter_errors(document)
    ]
    assert problems == []


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    def check(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                found: Any = document
                for step in part["$ref"].removeprefix("#/").split("/"):
                    found = found[step]
            for item in part.values():
                check(item)
        elif isinstance(part, list):
            for item in part:
                check(item)

    check(document)


def test_parameters_are_those_of_the_addresses_and_no_address_is_there_twice(
    document: dict[str, Any],
) -> None:
    addresses = []
    for channel, found in document["channels"].items():
        names = set(re.findall(r"\{(\w+)\}", found["address"]))
        assert names == set(found["parameters"]), channel
        addresses.append((channel.partition(".")[0], found["address"]))
    assert len(addresses) == len(set(addresses))


def test_operations_use_the_messages_of_their_channels(document: dict[str, Any]) -> None:
    for name, operation in document["operations"].items():
        for part in (operation, operation.get("reply")):
            if part is None:
                continue
            channel = part["channel"]["$ref"]
            assert all(message["$ref"].startswith(f"{channel}/messages/") for message in part["messages"]), (
                name
            )


def test_every_example_of_the_document_fits_its_schema(document: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator

    schemas = {"components": {"schemas": document["components"]["schemas"]}}
    for name, message in document["components"]["messages"].items():
        validator = Draft202012Validator({**message["payload"], **schemas})
        for example in message["examples"]:
            problem = next(iter(validator.iter_errors(example["payload"])), None)
            assert problem is None, f"{name}: {problem}"


def test_every_implementation_of_our_classes_has_its_channels(document: dict[str, Any]) -> None:
    for name, cls in classes().items():
        for key, provided in cls.provides.items():
            for variable in provided.interface.vars.values():
                operation = document["operations"][f"{name}.{key}.var.{variable.name}"]
                binding = operation["bindings"]["mqtt"]
                assert (operation["action"], binding["qos"], binding["retain"]) == (
                    "send",
                    variable.qos,
                    variable.retain,
                )
            for command in provided.interface.commands:
                assert "reply" in document["operations"][f"{name}.{key}.cmd.{command}"]


def test_the_document_is_made_without_looking_at_the_clock() -> None:
    assert asyncapi.render() == asyncapi.render()
