"""What a hub on a serial bus is asked and answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import Integer, OpenType

StatusCodeEnum = Literal["Success", "Error", "Timeout"]

Word = Annotated[Integer, Field(ge=0, le=65535)]
"""The content of one register."""


class Result(OpenType):
    """``value`` is there on success only."""

    status_code: StatusCodeEnum
    value: list[Word] | None = None


class ResultBool(OpenType):
    """``value`` is there on success only."""

    status_code: StatusCodeEnum
    value: list[bool] | None = None


class VectorUint16(OpenType):
    data: list[Word]
