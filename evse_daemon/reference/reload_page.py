"""docs/reload.md: which options a running station takes over, from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from evse_daemon.config.model import DaemonSettings
from evse_daemon.framework.module import is_read_write
from evse_daemon.reference.declared import attribute_texts, classes, first_sentence

MADE = (
    "<!-- Made by python -m evse_daemon.reference from evse_daemon/reference/ and the declared options. -->"
)

INTRODUCTION = Path(__file__).with_name("reload.md")


def render() -> str:
    """The page."""
    lines = [MADE, "", INTRODUCTION.read_text("utf-8"), "| Of | Option | |", "| --- | --- | --- |"]
    lines += _rows("`daemon:`", DaemonSettings)
    for name, cls in classes().items():
        lines += _rows(f"`{name}`", cls.Options)
        for implementation_id, provided in cls.provides.items():
            lines += _rows(f"`{name}`, implementation `{implementation_id}`", provided.options)
    return "\n".join([*lines, "", "Every other option, connection and module needs a restart.", ""])


def _rows(owner: str, model: type[BaseModel]) -> Iterator[str]:
    texts = attribute_texts(model)
    for name in model.model_fields:
        if is_read_write(model, name):
            yield f"| {owner} | `{name}` | {first_sentence(texts.get(name, ''))} |"
