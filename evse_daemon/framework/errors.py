"""Errors that modules raise and clear, as EVerest's error framework has them (F/lib/error/error_manager_impl.cpp)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

Severity = Literal["High", "Medium", "Low"]
ErrorState = Literal["Active", "ClearedByModule", "ClearedByReboot"]


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where in the station something stands; no EVSE means the station itself."""

    evse: int
    connector: int | None = None


@dataclass(frozen=True, slots=True)
class Error:
    """One error, raised or cleared; the clear carries the uuid and time of the raise."""

    type: str
    message: str
    severity: Severity
    module_id: str
    implementation_id: str
    timestamp: str
    sub_type: str = ""
    description: str = ""
    state: ErrorState = "Active"
    vendor_id: str = "everest"
    """EVerest's default (F/include/utils/error/error.hpp)."""
    mapping: Mapping | None = None
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def active(self) -> bool:
        return self.state == "Active"


class ErrorManager:
    """The active errors of one implementation; an active (type, sub_type) cannot be raised again."""

    def __init__(self, allowed: frozenset[str], changed: Callable[[Error], None]) -> None:
        self._allowed = allowed
        self._changed = changed
        self._active: dict[tuple[str, str], Error] = {}

    def raise_error(self, error: Error) -> bool:
        """Raises an error; False where it is active already.

        Raises:
            ValueError: the interface does not declare this type.
        """
        if error.type not in self._allowed:
            raise ValueError(
                f"{error.module_id}/{error.implementation_id} may not raise {error.type}: its interface does not declare it"
            )
        key = (error.type, error.sub_type)
        if key in self._active:
            return False
        self._active[key] = error
        self._changed(error)
        return True

    def clear_error(self, type_: str, sub_type: str = "") -> bool:
        """Clears one error; False where it is not active."""
        error = self._active.pop((type_, sub_type), None)
        if error is None:
            return False
        self._changed(replace(error, state="ClearedByModule"))
        return True

    def clear_all(self, type_: str | None = None) -> None:
        """Clears every active error, or every sub type of one type."""
        for key in [key for key in self._active if type_ in (None, key[0])]:
            self.clear_error(*key)

    def allows(self, type_: str) -> bool:
        """Whether the interface declares this type."""
        return type_ in self._allowed

    def is_active(self, type_: str, sub_type: str = "") -> bool:
        return (type_, sub_type) in self._active

    @property
    def active(self) -> tuple[Error, ...]:
        """The active errors, oldest first."""
        return tuple(self._active.values())
