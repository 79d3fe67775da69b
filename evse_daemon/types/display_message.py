"""Messages on the charger's display."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, Integer, OpenType, Timestamp
from evse_daemon.types.text_message import MessageContent

IdentifierType = Literal["IdToken", "SessionId", "TransactionId"]

MessagePriorityEnum = Literal["AlwaysFront", "InFront", "NormalCycle"]

MessageStateEnum = Literal["Charging", "Faulted", "Idle", "Unavailable", "Suspending", "Discharging"]

DisplayMessageStatusEnum = Literal[
    "Accepted",
    "NotSupportedMessageFormat",
    "Rejected",
    "NotSupportedPriority",
    "NotSupportedState",
    "UnknownTransaction",
]

ClearMessageResponseEnum = Literal["Accepted", "Unknown"]


class DisplayMessage(EverestType):
    message: MessageContent
    id: Integer | None = None
    priority: MessagePriorityEnum | None = None
    state: MessageStateEnum | None = None
    timestamp_from: Timestamp | None = None
    timestamp_to: Timestamp | None = None
    identifier_id: Annotated[str, Field(max_length=36)] | None = None
    identifier_type: IdentifierType | None = None
    qr_code: str | None = None


class SetDisplayMessageResponse(OpenType):
    status: DisplayMessageStatusEnum
    status_info: str | None = None


class GetDisplayMessageRequest(OpenType):
    id: list[Integer] | None = None
    priority: MessagePriorityEnum | None = None
    state: MessageStateEnum | None = None


class GetDisplayMessageResponse(OpenType):
    status_info: str | None = None
    messages: list[DisplayMessage] | None = None


class ClearDisplayMessageRequest(OpenType):
    id: Integer


class ClearDisplayMessageResponse(OpenType):
    status: ClearMessageResponseEnum
    status_info: str | None = None
