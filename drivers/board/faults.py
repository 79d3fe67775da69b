"""Which errors are raised, from the driver's present state alone: a level that was missed is never a stuck error."""

from __future__ import annotations

import re
from collections.abc import Iterator

from drivers.board.state import Fault, Settings, State

UNANSWERED = 3
"""Restarts that a board which sends may leave unanswered before it counts as deaf."""

FIRMWARE = "FirmwareVersion"
"""Sub type of VendorError: this firmware is not one that the driver can rely on."""

RESTARTED = Fault(
    "board_support",
    "evse_board_support/CommunicationFault",
    "The board has restarted by itself: look at its supply if it happens again.",
    "McuToEverest",
)


RESTARTED_FOR_ANOTHER = Fault(
    "board_support",
    "evse_board_support/CommunicationFault",
    "The board is restarted for its other connector, whose errors say why.",
    "McuToEverest",
)


def lost_wire(reason: str) -> Fault:
    return _board(
        "CommunicationFault",
        f"The connection to the board is lost: {reason}{'' if reason.endswith('?') else '.'}",
    )


def lost_board(timeout_s: float) -> Fault:
    return _board(
        "CommunicationFault",
        f"The board was not heard for {timeout_s:g} s: is it powered, and wired to this port at this baud rate?",
        "McuToEverest",
    )


def contradiction(what: str) -> Fault:
    return _board(
        "CommunicationFault",
        f"Reports of the board do not fit together, one may be lost: {what}. It is restarted; look for noise on its cable.",
        "McuToEverest",
    )


def faults(state: State, settings: Settings) -> Iterator[Fault]:
    """All that is wrong now."""
    if state.lost is not None:
        yield state.lost
    if state.flags.heartbeat_timeout:
        yield _board(
            "CommunicationFault",
            "The board misses the keep-alive of its host: is its receive line wired?",
            "EverestToMcu",
        )
    elif state.phase == "resetting" and state.resets >= UNANSWERED and not state.silent:
        yield _board(
            "CommunicationFault",
            f"The board sends but has not answered {state.resets} restarts: is its "
            f"{'reset' if settings.reset_line else 'receive'} line wired?",
            "EverestToMcu",
        )
    if state.unstarted >= UNANSWERED:
        missing = "the state of its control pilot" if state.configured else "that it has its configuration"
        yield _board(
            "CommunicationFault",
            f"The board was restarted {UNANSWERED} times and does not report {missing}: does its firmware belong to "
            "this driver?",
            "McuToEverest",
        )
    yield from _firmware(state, settings)
    yield from _flags(state, settings)
    if state.welded or state.flags.coil_feedback_diverges:
        yield _board(
            "MREC17EVSEContactorFault",
            "The board reports its contactor closed though power-off was commanded: it may be welded, and the "
            "connector live."
            if state.welded
            else "The feedback of the contactor differs from its command.",
        )
    yield from _lock(state)


def _board(name: str, message: str, sub_type: str = "") -> Fault:
    return Fault("board_support", f"evse_board_support/{name}", message, sub_type)


def _flags(state: State, settings: Settings) -> Iterator[Fault]:
    flags = state.flags
    if flags.diode_fault:
        yield _board(
            "DiodeFault", "The diode between the car's control pilot and earth is shorted or missing."
        )
    if flags.rcd_triggered or "rcd_triggered" in state.latched:
        name = settings.rcd_error
        yield Fault(
            "rcd" if name.startswith("ac_rcd/") else "board_support",
            name,
            "The board's residual current monitor has tripped: unplug the car.",
        )
    if flags.rcd_selftest_failed:
        yield Fault("rcd", "ac_rcd/Selftest", "The self-test of the residual current monitor has failed.")
    if flags.ventilation_not_available:
        yield _board("VentilationNotAvailable", "The car asks for ventilation (state D), and there is none.")
    if flags.cp_signal_fault:
        yield _board("MREC14PilotFault", "The board cannot read the control pilot.")
    if flags.over_current:
        yield _board("MREC4OverCurrentFailure", "The board has measured more current than it allows.")
    if flags.pp_signal_fault:
        yield _board("MREC23ProximityFault", "The board cannot read the proximity contact of the cable.")
    if flags.connector_lock_failed or "connector_lock_failed" in state.latched:
        yield Fault(
            "connector_lock",
            "connector_lock/MREC1ConnectorLockFailure",
            "The board reports a failure of the lock's motor: unplug the car.",
        )


def _lock(state: State) -> Iterator[Fault]:
    """What the lock reports against what it was told."""
    wanted = state.wanted.locked
    if not state.reports_lock or wanted is None or state.lock_request is not None or state.phase != "running":
        return
    if state.lock == "undefined" or (state.lock == "locked") == wanted:
        return
    if state.lock_failed:
        name = "ConnectorLockFailedLock" if wanted else "ConnectorLockFailedUnlock"
    else:
        name = "ConnectorLockUnexpectedOpen" if wanted else "ConnectorLockUnexpectedClose"
    was_told = "lock" if wanted else "unlock"
    yield Fault(
        "connector_lock",
        f"connector_lock/{name}",
        f"The lock was told to {was_told} and reports {state.lock!r}.",
    )


def _firmware(state: State, settings: Settings) -> Iterator[Fault]:
    board = state.board
    if board is None:
        return
    major, minor = board.protocol
    if settings.protocol_major is not None and major != settings.protocol_major:
        yield _board(
            "VendorError",
            f"The board's firmware {board.version!r} speaks version {major}.{minor} of the protocol, this driver "
            f"{settings.protocol_major}.x: install the firmware that belongs to it.",
            FIRMWARE,
        )
        return
    oldest = settings.minimum_firmware
    version = re.match(r"\D*(\d{1,6})\.(\d{1,6})", board.version)
    if oldest is None or version is None:
        return
    if (int(version[1]), int(version[2])) < oldest:
        yield _board(
            "VendorError",
            f"The board's firmware {board.version!r} is older than {oldest[0]}.{oldest[1]}, the first that this "
            "driver can rely on: update it.",
            FIRMWARE,
        )
