"""Errors that are or were active, and the filters to ask for them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, OpenType, Timestamp


class ImplementationIdentifier(OpenType):
    module_id: Annotated[str, Field(min_length=2)]
    implementation_id: Annotated[str, Field(min_length=2)]


State = Literal["Active", "ClearedByModule", "ClearedByReboot"]

SeverityFilter = Literal["HIGH_GE", "MEDIUM_GE", "LOW_GE"]


class TimeperiodFilter(OpenType):
    timestamp_from: Timestamp
    timestamp_to: Timestamp


class FilterArguments(OpenType):
    state_filter: State | None = None
    origin_filter: ImplementationIdentifier | None = None
    type_filter: str | None = None
    severity_filter: SeverityFilter | None = None
    timeperiod_filter: TimeperiodFilter | None = None
    handle_filter: str | None = None


Severity = Literal["High", "Medium", "Low"]


class ErrorObject(EverestType):
    type: Annotated[str, Field(min_length=2)]
    description: Annotated[str, Field(min_length=2)]
    message: Annotated[str, Field(min_length=2)]
    severity: Severity
    origin: ImplementationIdentifier
    timestamp: Timestamp
    uuid: Annotated[str, Field(min_length=2)]
    state: State
    sub_type: str | None = None
