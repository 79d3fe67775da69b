"""Meter readings and transactions signed by the meter (OCMF)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evse_daemon.types import units, units_signed
from evse_daemon.types.base import EverestType, Timestamp
from evse_daemon.types.temperature import Temperature

OCMFUserIdentificationStatus = Literal["ASSIGNED", "NOT_ASSIGNED"]

OCMFIdentificationLevel = Literal[
    "NONE",
    "HEARSAY",
    "TRUSTED",
    "VERIFIED",
    "CERTIFIED",
    "SECURE",
    "MISMATCH",
    "INVALID",
    "OUTDATED",
    "UNKNOWN",
]

OCMFIdentificationFlags = Literal[
    "RFID_NONE",
    "RFID_PLAIN",
    "RFID_RELATED",
    "RFID_PSK",
    "OCPP_NONE",
    "OCPP_RS",
    "OCPP_AUTH",
    "OCPP_RS_TLS",
    "OCPP_AUTH_TLS",
    "OCPP_CACHE",
    "OCPP_WHITELIST",
    "OCPP_CERTIFIED",
    "ISO15118_NONE",
    "ISO15118_PNC",
    "PLMN_NONE",
    "PLMN_RING",
    "PLMN_SMS",
]

OCMFIdentificationType = Literal[
    "NONE",
    "DENIED",
    "UNDEFINED",
    "ISO14443",
    "ISO15693",
    "EMAID",
    "EVCCID",
    "EVCOID",
    "ISO7812",
    "CARD_TXN_NR",
    "CENTRAL",
    "CENTRAL_1",
    "CENTRAL_2",
    "LOCAL",
    "LOCAL_1",
    "LOCAL_2",
    "PHONE_NUMBER",
    "KEY_CODE",
]


class TransactionReq(EverestType):
    """What the meter signs when a transaction starts."""

    evse_id: str
    transaction_id: str
    identification_status: OCMFUserIdentificationStatus
    identification_flags: Annotated[list[OCMFIdentificationFlags], Field(max_length=4)]
    identification_type: OCMFIdentificationType
    identification_level: OCMFIdentificationLevel | None = None
    identification_data: str | None = None
    tariff_text: Annotated[str, Field(max_length=250)] | None = None


TransactionRequestStatus = Literal["OK", "NOT_SUPPORTED", "UNEXPECTED_ERROR"]


class TransactionStartResponse(EverestType):
    status: TransactionRequestStatus
    error: str | None = None
    transaction_min_stop_time: Timestamp | None = None
    transaction_max_stop_time: Timestamp | None = None
    signed_meter_value: units_signed.SignedMeterValue | None = None


class TransactionStopResponse(EverestType):
    status: TransactionRequestStatus
    start_signed_meter_value: units_signed.SignedMeterValue | None = None
    signed_meter_value: units_signed.SignedMeterValue | None = None
    error: str | None = None


class Powermeter(EverestType):
    """A reading; power is positive towards the car."""

    timestamp: Timestamp
    energy_Wh_import: units.Energy
    meter_id: str | None = None
    phase_seq_error: bool | None = None
    """The phases turn the wrong way."""
    energy_Wh_export: units.Energy | None = None
    power_W: units.Power | None = None
    voltage_V: units.Voltage | None = None
    VAR: units.ReactivePower | None = None
    current_A: units.Current | None = None
    frequency_Hz: units.Frequency | None = None
    energy_Wh_import_signed: units_signed.Energy | None = None
    energy_Wh_export_signed: units_signed.Energy | None = None
    power_W_signed: units_signed.Power | None = None
    voltage_V_signed: units_signed.Voltage | None = None
    VAR_signed: units_signed.ReactivePower | None = None
    current_A_signed: units_signed.Current | None = None
    frequency_Hz_signed: units_signed.Frequency | None = None
    signed_meter_value: units_signed.SignedMeterValue | None = None
    temperatures: list[Temperature] | None = None
