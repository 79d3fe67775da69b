"""EVerest's interface ``ocpp_1_6_charge_point``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types.ocpp import ConfigurationStatus, GetConfigurationResponse, KeyValue, SecurityEvent


class Ocpp16ChargePoint(Interface, name="ocpp_1_6_charge_point"):
    """The OCPP client in the words of 1.6."""

    is_connected: Var[bool] = var(Kind.STATE)
    configuration_key: Var[KeyValue] = var(Kind.EVENT)
    published_security_event: Var[SecurityEvent] = var(Kind.EVENT, name="security_event")

    @command(timeout_s=10)
    def stop(self) -> bool:
        """Disconnects from the CSMS; messages of this time are not sent later. True if it worked."""

    @command(timeout_s=10)
    def restart(self) -> bool:
        """Connects again after a stop; true if it worked."""

    @command(timeout_s=10)
    def get_configuration_key(self, keys: list[str]) -> GetConfigurationResponse:
        """Reads configuration keys; all where none is named."""

    @command(timeout_s=10)
    def set_configuration_key(self, key: str, value: str) -> ConfigurationStatus:
        """Writes a configuration key."""

    @command(timeout_s=10)
    def monitor_configuration_keys(self, keys: list[str]) -> None:
        """Adds keys whose changes are published as configuration_key."""

    @command(timeout_s=10)
    def security_event(self, type: str, info: str) -> None:  # noqa: A002 -- EVerest's name
        """Reports a security event to the CSMS, later if it is offline."""
