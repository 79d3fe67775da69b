"""Tokens that are presented and what their validation says."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types.base import EverestType, Integer, OpenType, Timestamp
from evse_daemon.types.iso15118 import CertificateHashDataInfo, EnergyTransferMode
from evse_daemon.types.text_message import MessageContent

AuthorizationStatus = Literal[
    "Accepted",
    "Blocked",
    "ConcurrentTx",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
    "Unknown",
    "PinRequired",
    "Timeout",
]

CertificateStatus = Literal[
    "Accepted",
    "SignatureError",
    "CertificateExpired",
    "CertificateRevoked",
    "NoCertificateAvailable",
    "CertChainError",
    "ContractCancelled",
]

TokenValidationStatus = Literal[
    "Processing",
    "Accepted",
    "Rejected",
    "TimedOut",
    "UsedToStart",
    "UsedToStop",
    "Withdrawn",
    "UsedToReauthorize",
]
"""TimedOut: accepted, but no connector was chosen in time.

UsedToReauthorize: it matches a running transaction that it is configured not to stop.
"""


class CustomIdToken(EverestType):
    value: Annotated[str, Field(max_length=36)]
    type: Annotated[str, Field(max_length=50)]


IdTokenType = Literal[
    "Central", "eMAID", "MacAddress", "ISO14443", "ISO15693", "KeyCode", "Local", "NoAuthorization"
]


class IdToken(EverestType):
    """The value counts without regard to case."""

    value: Annotated[str, Field(max_length=36)]
    type: IdTokenType
    additional_info: list[CustomIdToken] | None = None


AuthorizationType = Literal["OCPP", "RFID", "Autocharge", "PlugAndCharge", "BankCard"]


class ProvidedIdToken(EverestType):
    """A token as its reader presents it."""

    id_token: IdToken
    authorization_type: AuthorizationType
    request_id: Integer | None = None
    """The remoteStartId of OCPP 2.0.1."""
    parent_id_token: IdToken | None = None
    connectors: list[Annotated[Integer, Field(ge=1)]] | None = None
    """The EVSEs that the token may be used for; absent means all."""
    prevalidated: bool | None = None
    """No validator needs to be asked."""
    certificate: Annotated[str, Field(max_length=5500)] | None = None
    """PEM"""
    iso15118CertificateHashData: (
        Annotated[list[CertificateHashDataInfo], Field(min_length=1, max_length=4)] | None
    ) = None


class TokenValidationStatusMessage(EverestType):
    token: ProvidedIdToken
    status: TokenValidationStatus
    messages: list[MessageContent] | None = None


class ValidationResult(EverestType):
    """The answer of a validator; ``tariff_messages`` may be empty."""

    authorization_status: AuthorizationStatus
    tariff_messages: list[MessageContent]
    certificate_status: CertificateStatus | None = None
    expiry_time: Timestamp | None = None
    parent_id_token: IdToken | None = None
    evse_ids: list[Annotated[Integer, Field(ge=1)]] | None = None
    """The EVSEs that the token is valid for; absent means all."""
    reservation_id: Integer | None = None
    allowed_energy_transfer_modes: Annotated[list[EnergyTransferMode], Field(min_length=1)] | None = None


SelectionAlgorithm = Literal["UserInput", "PlugEvents", "PlugEventsLIFO", "FindFirst"]
"""How Auth picks the EVSE for a token.

PlugEvents takes the car that waits longest, PlugEventsLIFO the newest.
"""


class WithdrawAuthorizationRequest(OpenType):
    """Both given: that token on that EVSE; one given: all that match it; none: everything."""

    evse_id: Integer | None = None
    id_token: IdToken | None = None


WithdrawAuthorizationResult = Literal["Accepted", "AuthorizationNotFound", "EvseNotFound", "Rejected"]


class ValidationResultUpdate(EverestType):
    validation_result: ValidationResult
    connector_id: Integer
