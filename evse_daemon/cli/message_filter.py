"""Which messages somebody wants to see."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line imports this at every start
    from evse_daemon.mqtt.decoded import Decoded, Kind

KINDS: tuple[Kind, ...] = ("var", "cmd", "result", "error", "other")


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Patterns with ``*``, ``?`` and ``[…]``; of each sort one must fit, and without any everything does."""

    modules: Sequence[str] = ()
    implementations: Sequence[str] = ()
    kinds: Sequence[str] = ()
    names: Sequence[str] = ()

    def wants(self, message: Decoded) -> bool:
        return (
            _fits(message.kind, self.kinds)
            and _fits(message.module_id, self.modules)
            and _fits(message.implementation_id, self.implementations)
            and _fits(message.name, self.names)
        )


def add_filter_options(command: argparse.ArgumentParser, kinds: str) -> None:
    """The options; ``kinds`` says which kinds are taken where none is named."""
    command.add_argument("--module", action="append", default=[], help="only modules of this id or pattern")
    command.add_argument(
        "--implementation", action="append", default=[], help="only implementations of this id or pattern"
    )
    command.add_argument(
        "--kind", action="append", default=[], choices=KINDS, help=f"only messages of this kind ({kinds})"
    )
    command.add_argument(
        "--name", action="append", default=[], help="only this variable, command or error type, or pattern"
    )


def filter_of(arguments: argparse.Namespace, default_kinds: Sequence[str] = ()) -> MessageFilter:
    return MessageFilter(
        modules=arguments.module,
        implementations=arguments.implementation,
        kinds=arguments.kind or default_kinds,
        names=arguments.name,
    )


def _fits(text: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
