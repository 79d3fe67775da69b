"""EVerest's interface ``kvs``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.framework.interface import Interface, command
from evse_daemon.types.base import JsonValue


class Kvs(Interface, name="kvs"):
    """A store of values by key."""

    @command(timeout_s=10)
    def store(self, key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]*$")], value: JsonValue) -> None:
        """Stores a value under this key."""

    @command(timeout_s=10)
    def load(self, key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")]) -> JsonValue:
        """The value under this key, null where there is none."""

    @command(timeout_s=10)
    def delete(self, key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")]) -> None:
        """Removes the value under this key."""

    @command(timeout_s=10)
    def exists(self, key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")]) -> bool:
        """Whether a value is stored under this key."""
