"""Make and model of the charger."""

from __future__ import annotations

from evse_daemon.types.base import EverestType


class ChargerInformation(EverestType):
    vendor: str
    model: str
    chargepoint_serial: str | None = None
    chargebox_serial: str | None = None
    friendly_name: str | None = None
    manufacturer: str | None = None
    manufacturer_url: str | None = None
    model_url: str | None = None
    model_number: str | None = None
    model_revision: str | None = None
    board_revision: str | None = None
    firmware_version: str | None = None
