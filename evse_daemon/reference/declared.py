"""All that is declared: interfaces, module classes, and what the source says of them."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
from typing import Any

import evse_daemon.interfaces
from evse_daemon.framework.interface import Command, Interface
from evse_daemon.framework.module import Module
from evse_daemon.framework.registry import find_module_class, module_classes


@functools.cache
def interfaces() -> dict[str, type[Interface]]:
    """Every interface by its name."""
    found: dict[str, type[Interface]] = {}
    for info in pkgutil.iter_modules(evse_daemon.interfaces.__path__):
        module = importlib.import_module(f"evse_daemon.interfaces.{info.name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, Interface)
                and value.__module__ == module.__name__
            ):
                found[value.interface_name] = value
    return dict(sorted(found.items()))


@functools.cache
def classes() -> dict[str, type[Module]]:
    """Every module class by its name."""
    found = {name: find_module_class(name) for name in module_classes()}
    return {name: cls for name, cls in found.items() if cls is not None}


def commands_named(implementation_id: str, name: str) -> list[Command[..., Any]]:
    """The commands that a call may mean.

    Those of the interfaces that our module classes provide under this implementation id; where there is none, those of
    all interfaces: a station of EVerest's own, or of a later version, has other ids.
    """
    provided = [
        declared.interface.commands[name]
        for cls in classes().values()
        for key, declared in cls.provides.items()
        if key == implementation_id and name in declared.interface.commands
    ]
    anywhere = [interface.commands[name] for interface in interfaces().values() if name in interface.commands]
    return list(dict.fromkeys(provided or anywhere))


def attribute_texts(cls: type) -> dict[str, str]:
    """The docstrings below the attributes of a class, its bases' included; Python itself does not keep them."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split(".", maxsplit=1)[0] in {"builtins", "pydantic", "typing"}:
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        except (OSError, TypeError, ValueError):
            continue
        assert isinstance(tree, ast.ClassDef)
        for before, text in zip(tree.body, tree.body[1:], strict=False):
            name = _assigned(before)
            if name and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                found[name] = inspect.cleandoc(str(text.value.value))
    return found


def first_sentence(text: str) -> str:
    """Of a docstring: its first paragraph on one line."""
    return " ".join(text.strip().split("\n\n")[0].split())


def class_text(cls: type[Module]) -> str:
    """What a module class does, in a sentence: its own, or that of its file (``Auth: receives tokens …``)."""
    own = first_sentence(cls.__dict__.get("__doc__") or "")
    if not own or ".py" in own:  # that is for those who read on in the source
        _, _, own = first_sentence(importlib.import_module(cls.__module__).__doc__ or "").partition(": ")
    own = re.sub(r" \(EVerest's module[^)]*\)", "", own)
    return own[:1].upper() + own[1:]


def _assigned(statement: ast.stmt) -> str:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return ""
