"""Our module classes as manifests in EVerest's format, from the classes themselves (F/schemas/manifest.yaml)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import TypeAdapter

from evse_daemon.everest_api.module import EverestApiModule
from evse_daemon.framework.module import Module, ModuleOptions, is_read_write
from evse_daemon.reference.declared import attribute_texts, class_text, first_sentence
from evse_daemon.reference.external_topics import EXTERNAL
from evse_daemon.reference.schemas import Schema, Schemas

LICENSE = "https://opensource.org/licenses/Apache-2.0"
AUTHORS = ["The authors of evse-daemon"]
_KEYS = ("minimum", "maximum", "minLength", "maxLength", "enum")
WITHOUT_EFFECT = "Without effect here yet."


def manifest(cls: type[Module]) -> dict[str, Any]:
    """The manifest of one module class."""
    texts = attribute_texts(cls)
    found: dict[str, Any] = {"description": class_text(cls)}
    if config := _config(cls.Options):
        found["config"] = config
    provides = {}
    for name, provided in cls.provides.items():
        interface = provided.interface
        text = texts.get(name, interface.__doc__ or "")
        provides[name] = {"interface": interface.interface_name, "description": first_sentence(text)}
        if config := _config(provided.options):
            provides[name]["config"] = config
    if provides:  # EVerest wants no empty one
        found["provides"] = provides
    requires = {
        name: {
            "interface": required.interface.interface_name,
            "min_connections": required.minimum,
            "max_connections": required.maximum,
        }
        for name, required in cls.requires.items()
    }
    if requires:
        found["requires"] = requires
    if issubclass(cls, EverestApiModule) or any(topic.module_class == cls.__name__ for topic in EXTERNAL):
        found["enable_external_mqtt"] = True
    return found | {"metadata": {"license": LICENSE, "authors": AUTHORS}}


def render(cls: type[Module]) -> str:
    """The file of one module class."""
    head = (
        f"# Made from the module class {cls.__name__} by `python -m evse_daemon.reference`; do not edit it.\n"
    )
    return head + yaml.safe_dump(manifest(cls), sort_keys=False, allow_unicode=True, width=110)


def _config(options: type[ModuleOptions]) -> dict[str, Any]:
    schemas = Schemas([(options, TypeAdapter(options))], "{name}")
    schema = schemas.resolve(schemas.of(options))
    texts = attribute_texts(options)
    return {
        name: _option(options, name, schemas.resolve(part), texts)
        for name, part in schema.get("properties", {}).items()
    }


def _option(
    options: type[ModuleOptions], name: str, schema: Schema, texts: Mapping[str, str]
) -> dict[str, Any]:
    field = options.model_fields[name]
    extra = field.json_schema_extra
    parts = [first_sentence(texts.get(name, ""))]
    if isinstance(extra, Mapping) and extra.get("unsupported"):
        parts.append(WITHOUT_EFFECT)
    text = " ".join(part for part in parts if part)
    found: dict[str, Any] = {"description": text or name.replace("_", " "), "type": schema["type"]}
    if not field.is_required():
        found["default"] = field.default
    if is_read_write(options, name):
        found["mutability"] = "ReadWrite"
    if "exclusiveMinimum" in schema and schema["type"] == "integer":
        found["minimum"] = schema["exclusiveMinimum"] + 1
    return found | {key: schema[key] for key in _KEYS if key in schema}
