"""Measured values by phase, each signed by the meter."""

from __future__ import annotations

from evse_daemon.types.base import EverestType, Timestamp


class SignedMeterValue(EverestType):
    """What a meter signed, as text."""

    signed_meter_data: str
    signing_method: str
    encoding_method: str
    public_key: str | None = None
    timestamp: Timestamp | None = None


class Current(EverestType):
    DC: SignedMeterValue | None = None
    L1: SignedMeterValue | None = None
    L2: SignedMeterValue | None = None
    L3: SignedMeterValue | None = None
    N: SignedMeterValue | None = None


class Voltage(EverestType):
    DC: SignedMeterValue | None = None
    L1: SignedMeterValue | None = None
    L2: SignedMeterValue | None = None
    L3: SignedMeterValue | None = None


class Frequency(EverestType):
    L1: SignedMeterValue | None = None
    L2: SignedMeterValue | None = None
    L3: SignedMeterValue | None = None


class Power(EverestType):
    total: SignedMeterValue | None = None
    L1: SignedMeterValue | None = None
    L2: SignedMeterValue | None = None
    L3: SignedMeterValue | None = None


class Energy(EverestType):
    total: SignedMeterValue | None = None
    L1: SignedMeterValue | None = None
    L2: SignedMeterValue | None = None
    L3: SignedMeterValue | None = None


class ReactivePower(EverestType):
    total: SignedMeterValue | None = None
    L1: SignedMeterValue | None = None
    L2: SignedMeterValue | None = None
    L3: SignedMeterValue | None = None
