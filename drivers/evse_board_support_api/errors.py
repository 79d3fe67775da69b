"""The errors that the program of a board may raise: which of the module's implementations each belongs to.

EVerest's API names them without their namespace (reference api.md §2.3).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.types.base import OpenType
from evse_daemon.types.error_lists import ERRORS

MAX_ACTIVE = 100
"""Errors that may be active; sub types are the program's own words, there is no end of them."""

_OF_RCD = ("Selftest", "DC", "AC")
_SHARED = ("VendorError", "VendorWarning")


class ApiError(OpenType):
    """An error as the program names it."""

    type: Annotated[str, Field(max_length=100)]
    sub_type: Annotated[str, Field(max_length=200)] = ""
    message: Annotated[str, Field(max_length=2000)] = ""


PLACES: dict[str, tuple[str, str]] = (
    {name: ("main", f"evse_board_support/{name}") for name in ERRORS["evse_board_support"]}
    | {name: ("rcd", f"ac_rcd/{name}") for name in _OF_RCD}
    | {
        name: ("connector_lock", f"connector_lock/{name}")
        for name in ERRORS["connector_lock"]
        if name not in _SHARED
    }
)
"""By the program's name of an error: implementation and type."""
