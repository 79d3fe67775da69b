"""What each error means for charging, as data: whether it prevents it, how long, and what a person can do about it.

The types are EVerest's; which of them prevent charging follows EvseManager/ErrorHandling.cpp:160-319. The texts are
for the person in front of the charger; docs/errors.md is made from this table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from evse_daemon.framework.errors import Severity
from evse_daemon.types.error_lists import description

Latch = Literal["none", "unplug", "service"]
"""How long an error prevents charging: until it clears at its source, until the car has left, or until somebody from
the service has cleared it by hand. The last survives a restart and keeps the connector locked."""

RESUMES = 3
"""How often charging goes on by itself within one session after an error of one type has cleared."""

RESUMES_OF_SUPPLY = 10
"""As RESUMES, for what comes and goes without harm: the mains, a link, an energy management."""


@dataclass(frozen=True, slots=True)
class Row:
    """One type of error, or one sub type of it."""

    type: str
    text: str
    """What has happened."""
    remedy: str
    """What a person can do."""
    sub_type: str = ""
    severity: Severity = "High"
    """Where the kernel raises it; others say it with each error."""
    blocks: bool = True
    """It prevents charging."""
    latch: Latch = "none"
    resumes: int = RESUMES
    """Automatic resumes within one session; then it counts until the car has left."""


def _row(type_: str, remedy: str, **behaviour: object) -> Row:
    return Row(type_, description(type_), remedy, **behaviour)  # type: ignore[arg-type]  # fields of Row, below


def _warning(type_: str, remedy: str) -> Row:
    return _row(type_, remedy, severity="Low", blocks=False)


def _internal(sub_type: str, text: str, remedy: str, latch: Latch = "unplug", **behaviour: object) -> Row:
    return Row("evse_manager/Internal", text, remedy, sub_type, latch=latch, **behaviour)  # type: ignore[arg-type]


CALL_SERVICE = "Do not use the charger, and have it repaired."
REPLUG = "Unplug the car and plug it in again; if it happens again, have the charger checked."
WAIT = "Wait: charging goes on when it is over."
ASK_THE_MAKER = "See the maker's code in the description of the error."
RESET_RCD = (
    "Unplug the car. If it happens again with another car, have the installation checked by an electrician."
)
CLEAR_BY_COMMAND = (
    "Do not use the charger. A technician checks and replaces the contactor, then clears the error by the command "
    "in docs/commands.md."
)

ROWS: tuple[Row, ...] = (
    _row("evse_board_support/DiodeFault", "Unplug the car. If other cars charge, this car is defective."),
    _row("evse_board_support/VentilationNotAvailable", "Charge the car where there is ventilation."),
    _row(
        "evse_board_support/BrownOut",
        "Wait; if it lasts, have the supply checked.",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _row("evse_board_support/EnergyManagement", WAIT, resumes=RESUMES_OF_SUPPLY),
    _row("evse_board_support/PermanentFault", CALL_SERVICE, latch="unplug"),
    _row("evse_board_support/MREC2GroundFailure", RESET_RCD),
    _warning(
        "evse_board_support/MREC3HighTemperature", "Nothing; shade and clean the charger if it happens often."
    ),
    _row("evse_board_support/MREC4OverCurrentFailure", REPLUG),
    _row(
        "evse_board_support/MREC5OverVoltage",
        "Wait; if it lasts, have the supply checked.",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _row(
        "evse_board_support/MREC6UnderVoltage",
        "Wait; if it lasts, have the supply checked.",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _row("evse_board_support/MREC8EmergencyStop", "Remove the danger, then release the button."),
    _row(
        "evse_board_support/MREC10InvalidVehicleMode",
        "Switch the car off, then unplug it and plug it in again.",
    ),
    _row(
        "evse_board_support/MREC14PilotFault",
        "Unplug the car and look for dirt, water or damage at plug and cable.",
    ),
    _row("evse_board_support/MREC15PowerLoss", WAIT, resumes=RESUMES_OF_SUPPLY),
    _row("evse_board_support/MREC17EVSEContactorFault", CLEAR_BY_COMMAND, latch="service"),
    _warning(
        "evse_board_support/MREC18CableOverTempDerate", "Push the plug in fully and keep the cable unrolled."
    ),
    _row(
        "evse_board_support/MREC19CableOverTempStop",
        "Let the cable cool down. Look at the plug's contacts for burns.",
    ),
    _row("evse_board_support/MREC20PartialInsertion", "Push the plug fully into the car."),
    _row("evse_board_support/MREC23ProximityFault", "Push the plug in fully; try another cable."),
    _row("evse_board_support/MREC24ConnectorVoltageHigh", CALL_SERVICE),
    _row("evse_board_support/MREC25BrokenLatch", "Have the plug or the cable replaced."),
    _row("evse_board_support/MREC26CutCable", CALL_SERVICE, latch="unplug"),
    _row("evse_board_support/TiltDetected", "Look whether the charger has been hit, and set it upright."),
    _row("evse_board_support/WaterIngressDetected", CALL_SERVICE, latch="unplug"),
    _row("evse_board_support/EnclosureOpen", "Close the door or cover of the charger."),
    _row("evse_board_support/VendorError", ASK_THE_MAKER),
    _warning("evse_board_support/VendorWarning", ASK_THE_MAKER),
    _row(
        "evse_board_support/CommunicationFault",
        "Wait; if it lasts, have the cable to the board and its supply checked.",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _row("ac_rcd/Selftest", CALL_SERVICE, latch="unplug"),
    _row("ac_rcd/DC", RESET_RCD),
    _row("ac_rcd/AC", RESET_RCD),
    _row("ac_rcd/MREC2GroundFailure", RESET_RCD),
    _row("ac_rcd/VendorError", ASK_THE_MAKER),
    _warning("ac_rcd/VendorWarning", ASK_THE_MAKER),
    _row("connector_lock/ConnectorLockCapNotCharged", "Wait a minute, then plug in again."),
    _row("connector_lock/ConnectorLockUnexpectedOpen", "Push the plug in fully and plug in again."),
    _row(
        "connector_lock/ConnectorLockUnexpectedClose",
        "Pull and push the plug a little, so that the bolt is free.",
    ),
    _row("connector_lock/ConnectorLockFailedLock", "Push the plug in fully; look for dirt in the socket."),
    _row(
        "connector_lock/ConnectorLockFailedUnlock", "Take the strain off the cable, then end charging again."
    ),
    _row("connector_lock/MREC1ConnectorLockFailure", "Push the plug in fully; look for dirt in the socket."),
    _row("connector_lock/VendorError", ASK_THE_MAKER),
    _warning("connector_lock/VendorWarning", ASK_THE_MAKER),
    _row(
        "powermeter/CommunicationFault",
        "Wait; if it lasts, have the cable to the meter checked.",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _row("powermeter/VendorError", ASK_THE_MAKER),
    _warning("powermeter/VendorWarning", ASK_THE_MAKER),
    Row(
        "evse_manager/Internal",
        description("evse_manager/Internal"),
        "Unplug the car and plug it in again; report it with the log.",
        latch="unplug",
    ),
    _internal(
        "ContactorWelded",
        "The contactor did not open: it may be welded, and the connector live.",
        CLEAR_BY_COMMAND,
        "service",
    ),
    _internal("ContactorNotClosed", "The contactor did not close.", REPLUG),
    _internal(
        "ConnectorLock",
        "The connector lock did not do what it was told.",
        "Push the plug in fully and plug in again.",
    ),
    _internal("Board", "The board refused a command.", REPLUG),
    _internal(
        "StoreStart",
        "The start of the transaction could not be stored.",
        "Have the disk checked: is it full?",
    ),
    _internal(
        "StoreEnd",
        "The end of a transaction could not be stored; it is tried again.",
        "Have the disk checked: is it full?",
        "none",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _internal("Kernel", "The charging logic failed and begins anew.", "Report it with the log.", "none"),
    _internal(
        "Powermeter",
        "The billing meter sends no new values.",
        "Wait; if it lasts, have the meter and the cable to it checked.",
        "none",
        severity="Medium",
        resumes=RESUMES_OF_SUPPLY,
    ),
    _internal(
        "PowermeterFrozen",
        "The billing meter does not count the energy that flows.",
        "Have the meter checked.",
        severity="Medium",
    ),
    _row(
        "evse_manager/MREC4OverCurrentFailure",
        "Unplug the car. If other cars charge, this car is defective.",
        latch="unplug",
    ),
    _row("evse_manager/MREC5OverVoltage", REPLUG, latch="unplug"),
    _row(
        "evse_manager/MREC9AuthorizationTimeout",
        "Unplug the car, plug it in again and show the card within a minute.",
        severity="Medium",
        latch="unplug",
    ),
    _row("evse_manager/PowermeterTransactionStartFailed", REPLUG, severity="Medium", latch="unplug"),
    _row("evse_manager/Inoperative", "See the error that it names.", blocks=False),
    _row("evse_manager/MREC22ResistanceFault", RESET_RCD, severity="Medium", latch="unplug"),
    _row("evse_manager/MREC11CableCheckFault", RESET_RCD, severity="Medium", latch="unplug"),
    _row("evse_manager/VoltagePlausibilityFault", REPLUG, latch="unplug"),
)
"""Every type of the interfaces that an EVSE is made of, and what the kernel tells apart by sub type."""

_BY_KEY = {(row.type, row.sub_type): row for row in ROWS}


def lookup(type_: str, sub_type: str = "") -> Row:
    """The row of a sub type if it has one, else of its type; an error that nobody knows prevents charging."""
    found = _BY_KEY.get((type_, sub_type)) or _BY_KEY.get((type_, ""))
    if found is not None:
        return found
    return Row(type_, "The device reports an error that this charger does not know.", ASK_THE_MAKER)


def as_markdown(rows: Iterable[Row] = ROWS) -> str:
    """The table for people: docs/errors.md."""
    lines = [
        "| error | prevents charging | resumes by itself | what has happened | what to do |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        name = f"{row.type}, {row.sub_type}" if row.sub_type else row.type
        until = {
            "none": "until it clears",
            "unplug": "until the car has left",
            "service": "until cleared by hand",
        }
        resumes = f"{row.resumes} times a session" if row.blocks and row.latch == "none" else ""
        blocks = until[row.latch] if row.blocks else "no"
        lines.append(f"| `{name}` | {blocks} | {resumes} | {row.text} | {row.remedy} |")
    return "\n".join(lines) + "\n"
