"""Network interfaces that a CSMS configures."""

from __future__ import annotations

from typing import Literal

from evse_daemon.types.base import EverestType, Integer

InterfaceClass = Literal[
    "Wired0", "Wired1", "Wired2", "Wired3", "Wireless0", "Wireless1", "Wireless2", "Wireless3", "Any"
]

ApnAuthentication = Literal["CHAP", "NONE", "PAP", "AUTO"]


class APN(EverestType):
    apn: str
    apn_user_name: str | None = None
    apn_password: str | None = None
    sim_pin: str | None = None
    preferred_network: str | None = None
    use_only_preferred_network: bool | None = None
    apn_authentication: ApnAuthentication | None = None


VpnType = Literal["IKEv2", "IPSec", "L2TP", "PPTP", "Other"]


class VPN(EverestType):
    server: str
    type: VpnType
    user: str | None = None
    group: str | None = None
    password: str | None = None
    key: str | None = None


class ConfigureNetworkRequest(EverestType):
    request_id: Integer
    interface: InterfaceClass
    interface_name: str | None = None
    apn: APN | None = None
    vpn: VPN | None = None


ConfigureNetworkStatusEnum = Literal["Ready", "Processing", "Failed", "Rejected", "NotSupported"]

ConfigureNetworkFinalStatusEnum = Literal["Ready", "Failed"]


class ConfigureNetworkResponse(EverestType):
    status: ConfigureNetworkStatusEnum
    interface_address: str | None = None


class ConfigureNetworkStatus(EverestType):
    request_id: Integer
    status: ConfigureNetworkFinalStatusEnum
    interface_address: str | None = None
