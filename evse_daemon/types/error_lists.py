"""EVerest's errors by namespace, each with the description that is published with it and shown to people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

_LINK_LOST = "The device does not answer, or answers wrongly."
_VENDOR_ERROR = "The device reports an error of its maker's own; charging stops."
_VENDOR_WARNING = "The device reports a warning of its maker's own; charging goes on."

ERRORS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ac_rcd": {
            "Selftest": "The residual current monitor failed its self-test and must be replaced.",
            "DC": "The residual current monitor tripped on a DC fault current.",
            "AC": "The residual current monitor tripped on an AC fault current.",
            "MREC2GroundFailure": "The ground fault protection tripped.",
            "VendorError": _VENDOR_ERROR,
            "VendorWarning": _VENDOR_WARNING,
        },
        "connector_lock": {
            "ConnectorLockCapNotCharged": "The capacitor that drives the connector lock did not charge in time.",
            "ConnectorLockUnexpectedOpen": "The connector lock reports open although it was locked.",
            "ConnectorLockUnexpectedClose": "The connector lock reports locked although it was opened.",
            "ConnectorLockFailedLock": "The connector lock did not lock.",
            "ConnectorLockFailedUnlock": "The connector lock did not unlock.",
            "MREC1ConnectorLockFailure": "The plug could not be locked or unlocked.",
            "VendorError": _VENDOR_ERROR,
            "VendorWarning": _VENDOR_WARNING,
        },
        "evse_board_support": {
            "DiodeFault": "The car's control pilot diode is shorted.",
            "VentilationNotAvailable": "The car asks for ventilation (state D), which this charger does not have.",
            "BrownOut": "The supply voltage of the board dropped too low.",
            "EnergyManagement": "An outside energy management failed, so that no power can be supplied.",
            "PermanentFault": "The charger is broken and must be repaired.",
            "MREC2GroundFailure": "The ground fault protection tripped.",
            "MREC3HighTemperature": "The charger is hot and supplies less power.",
            "MREC4OverCurrentFailure": "The over-current protection tripped.",
            "MREC5OverVoltage": "The voltage at the car is too high.",
            "MREC6UnderVoltage": "The voltage at the car is too low.",
            "MREC8EmergencyStop": "The emergency stop button is pressed.",
            "MREC10InvalidVehicleMode": "The car is in a mode in which it cannot charge.",
            "MREC14PilotFault": "The control pilot voltage is outside of every valid state.",
            "MREC15PowerLoss": "The mains supply failed.",
            "MREC17EVSEContactorFault": "The contactor did not open or close, or is welded.",
            "MREC18CableOverTempDerate": "The cable or plug is hot; charging goes on with less power.",
            "MREC19CableOverTempStop": "The cable or plug is too hot; charging stopped.",
            "MREC20PartialInsertion": "The plug is not fully inserted into the car.",
            "MREC23ProximityFault": "The proximity voltage is outside of every valid state.",
            "MREC24ConnectorVoltageHigh": "There is voltage at the plug while the car is not charging.",
            "MREC25BrokenLatch": "The latch of the plug is broken.",
            "MREC26CutCable": "The charging cable has been cut.",
            "TiltDetected": "The charger stands or hangs at a slant.",
            "WaterIngressDetected": "There is water inside the charger.",
            "EnclosureOpen": "The door or cover of the charger is open.",
            "VendorError": _VENDOR_ERROR,
            "VendorWarning": _VENDOR_WARNING,
            "CommunicationFault": "The link to the board is lost or disturbed.",
        },
        "evse_manager": {
            "Internal": "The charging logic failed in a way that it should not.",
            "MREC4OverCurrentFailure": "The car drew more current than it was allowed to.",
            "MREC5OverVoltage": "The output voltage exceeded the car's limit.",
            "MREC9AuthorizationTimeout": "A car was plugged in, but nobody authorized it in time.",
            "PowermeterTransactionStartFailed": "The meter could not start a signed transaction.",
            "Inoperative": "Charging is not possible because of another error.",
            "MREC22ResistanceFault": "The isolation resistance fell too low while charging.",
            "MREC11CableCheckFault": "The isolation test before charging failed.",
            "VoltagePlausibilityFault": "Voltages measured in different places do not agree.",
        },
        "example": {
            "ExampleErrorA": "Example error A.",
            "ExampleErrorB": "Example error B.",
            "ExampleErrorC": "Example error C.",
            "ExampleErrorD": "Example error D.",
        },
        "generic": {
            "CommunicationFault": _LINK_LOST,
            "VendorError": "An error of the maker's own.",
            "VendorWarning": "A warning of the maker's own.",
        },
        "isolation_monitor": {
            "DeviceFault": "The isolation monitor is defective and cannot measure.",
            "CommunicationFault": "The link to the isolation monitor is lost or disturbed.",
            "VendorError": _VENDOR_ERROR,
            "VendorWarning": _VENDOR_WARNING,
        },
        "over_voltage_monitor": {
            "MREC5OverVoltage": "The output voltage was above the limit of IEC 61851-23 for too long.",
            "DeviceFault": "The over-voltage monitor is defective.",
            "CommunicationFault": "The link to the over-voltage monitor is lost or disturbed.",
            "VendorError": _VENDOR_ERROR,
            "VendorWarning": _VENDOR_WARNING,
        },
        "payment_terminal": {
            "TerminalIdNotSet": "The payment terminal has no terminal number.",
            "IncorrectDeviceId": "The payment terminal has another device number than configured.",
            "GenericPaymentTerminalError": "The payment terminal reports an error.",
        },
        "power_supply_DC": {
            "CommunicationFault": "The link to the power supply is lost or disturbed.",
            "HardwareFault": "The power supply reports a defect.",
            "OverTemperature": "The power supply is too hot and switched off.",
            "UnderTemperature": "The power supply is too cold to run.",
            "UnderVoltageAC": "The input voltage of the power supply is too low.",
            "OverVoltageAC": "The input voltage of the power supply is too high.",
            "UnderVoltageDC": "The output voltage of the power supply is too low.",
            "OverVoltageDC": "The output voltage of the power supply is too high.",
            "OverCurrentAC": "The input current of the power supply is too high.",
            "OverCurrentDC": "The output current of the power supply is too high.",
            "VendorError": _VENDOR_ERROR,
            "VendorWarning": _VENDOR_WARNING,
        },
        "powermeter": {
            "CommunicationFault": "The link to the meter is lost or disturbed.",
            "VendorError": "The meter reports an error of its maker's own.",
            "VendorWarning": "The meter reports a warning of its maker's own.",
        },
        "system": {
            "CommunicationFault": _LINK_LOST,
        },
    }
)


def error_types(namespaces: Iterable[str]) -> frozenset[str]:
    """The errors of some namespaces, as ``namespace/Name``."""
    return frozenset(f"{namespace}/{name}" for namespace in namespaces for name in ERRORS[namespace])


def description(type_: str) -> str:
    """The description of an error given as ``namespace/Name``; raises KeyError if there is no such error."""
    namespace, _, name = type_.partition("/")
    return ERRORS[namespace][name]
