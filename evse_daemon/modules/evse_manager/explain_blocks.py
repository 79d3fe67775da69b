"""Everything that keeps a car from charging at present, the most important first, with what to do: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evse_daemon.modules.evse_manager import error_table, guards, latches, pwm
from evse_daemon.modules.evse_manager.events import Cause
from evse_daemon.modules.evse_manager.explain_limits import Limit, Told, smallest
from evse_daemon.modules.evse_manager.state import KernelConfig, State

BlockKind = Literal[
    "failed",
    "starting",
    "ending",
    "error",
    "disabled",
    "no_car",
    "reserved",
    "finished",
    "no_authorization",
    "paused",
    "no_limit",
    "start",
    "lock",
    "phases",
    "contactor",
    "car",
]


@dataclass(frozen=True, slots=True)
class Block:
    """One reason not to charge; times are monotonic."""

    kind: BlockKind
    source: str
    """Who or what: an error's name, a source of the enable table, a reservation."""
    text: str
    remedy: str = ""
    """What a person can do; empty: nothing is needed."""
    priority: int | None = None
    """Of a source of the enable table; the lowest decides."""
    until_s: float | None = None
    """When it ends by itself."""


def blocks(config: KernelConfig, state: State, told: Told, limits: tuple[Limit, ...]) -> tuple[Block, ...]:
    """All of them, the first the one to name where there is room for one only; none while the car has power."""
    return (
        *_of_the_logic(state, told),
        *_errors(state),
        *_disabled(state),
        *_of_the_session(state),
        *_of_the_limits(state, limits),
        *_of_the_start(config, state),
    )


def _of_the_logic(state: State, told: Told) -> list[Block]:
    if told.failed == "off":
        text = "the charging logic has failed too often and stays off"
        return [
            Block(
                "failed", "evse_manager/Internal/Kernel", text, "Restart the daemon; report it with the log."
            )
        ]
    if told.failed == "restarts":
        return [
            Block("failed", "evse_manager/Internal/Kernel", "the charging logic has failed and begins anew")
        ]
    if told.failed == "unread":
        text = "the errors that are latched cannot be read from the store, and the contactor may be welded"
        return [Block("failed", "store", text, "Have the disk checked: is it full?")]
    if guards.closing(state):
        return [Block("ending", "station", "the station is being shut down")]
    if state.charger != "Starting":
        return []
    if state.waiting_for_external_ready:
        remedy = "Call the command external_ready_to_start_charging."
        return [
            Block("starting", "external_ready", "the EVSE waits to be told that charging may begin", remedy)
        ]
    return [Block("starting", "station", "the EVSE is starting")]


def _errors(state: State) -> list[Block]:
    held = {latches.key(cause) for cause in state.held}
    latched = {latches.key(cause) for cause in state.latched}
    active = {latches.key(cause) for cause in state.active}
    found = []
    for cause in state.inoperative:
        row, key = latches.row(cause), latches.key(cause)
        text = row.text
        if cause.description and cause.description.rstrip(".") != row.text.rstrip("."):
            text = f"{row.text.rstrip('.')} ({cause.description.rstrip('.')})."
        if key in latched:
            text += " It lasts until it is cleared by hand."
        elif key in held and key not in active:
            text += " It is over; it counts until the car has left."
        found.append(Block("error", latches.name(cause), text, _remedy(cause, row)))
    return found


def _remedy(cause: Cause, row: error_table.Row) -> str:
    if cause.vendor_id.lower() in ("", "everest"):  # the latter where a driver names none
        return row.remedy
    return f"{row.remedy} Maker's code: {cause.vendor_id}."


def _disabled(state: State) -> list[Block]:
    """Each source that disables, the one that decides first."""
    deciding = state.decided_by
    entries = sorted(
        (entry for entry in state.table.values() if entry.enable_state == "Disable"),
        key=lambda entry: (entry is not deciding and entry != deciding, entry.enable_priority),
    )
    if guards.enabled(state):
        return []
    found = []
    for entry in entries:
        text = f"disabled by {entry.enable_source} (priority {entry.enable_priority})"
        remedy = f"Enable it as {entry.enable_source}, or as another source with a number below {entry.enable_priority}."
        found.append(Block("disabled", entry.enable_source, text, remedy, priority=entry.enable_priority))
    return found


def _of_the_session(state: State) -> list[Block]:
    """The car, the reservation, the authorization, the user."""
    now, found = state.session, []
    plugged = state.pilot.plugged and not now.car_left
    if state.charger == "Disabled":
        return []  # the board is off and tells nothing of a car
    if not plugged:
        found.append(Block("no_car", "", "no car is plugged in", "Plug a car in."))
    if state.reserved and not now.authorized:
        number = f"reservation {state.reservation_id}" if state.reservation_id is not None else ""
        text = f"it is reserved ({number})" if number else "it is reserved"
        found.append(Block("reserved", number, text, "Show the card that has the reservation."))
    over = state.charger in ("Finished", "StoppingCharging") and (now.cancelled or not now.transaction)
    if plugged and over:
        reason = f" (reason {now.stop_reason})" if now.stop_reason is not None else ""
        ended = "has ended" if state.charger == "Finished" else "is being ended"
        text = f"the transaction {ended}{reason}"
        found.append(Block("finished", now.stop_reason or "", text, "Unplug the car and plug it in again."))
    elif plugged and now.id and not now.authorized:
        text = "it was stopped" if now.cancelled else "nobody has authorized it yet"
        remedy = "Unplug the car and plug it in again." if now.cancelled else "Show a card."
        found.append(Block("no_authorization", "", text, remedy))
    if now.paused_by_user and now.transaction:
        text = "it was paused by a command (pause_charging)"
        found.append(Block("paused", "UserPause", text, "Resume it: resume_charging."))
    return found


def _of_the_limits(state: State, limits: tuple[Limit, ...]) -> list[Block]:
    """Only where there is a car: an empty EVSE may be given nothing."""
    if not state.pilot.plugged:
        return []
    if state.capabilities is None:
        text = "the board has not told what it is built for"
        return [Block("no_limit", "board", text, "See whether the board's driver runs.")]
    least = smallest(limits)
    if least is None or pwm.enough(least.current_a):
        return []
    text = f"only {least.current_a:.1f} A of the {pwm.MIN_CURRENT_A:.0f} A that a car needs at least: {least.text}"
    remedy = ""
    if least.kind == "energy" and not least.source:
        remedy = "See whether an EnergyManager and the nodes above this EVSE are configured and run."
    elif least.until_s is not None and least.text.startswith("expired"):
        remedy = "See whether the EnergyManager and the nodes above this EVSE run."
    return [
        Block(
            "no_limit",
            least.source,
            text,
            remedy,
            until_s=least.until_s if least.kind == "random_delay" else None,
        )
    ]


def _of_the_start(config: KernelConfig, state: State) -> list[Block]:
    """Between the authorization and the power."""
    now, pilot, found = state.session, state.pilot, []
    if now.starting is not None:
        what = {"meter": "the billing meter confirms", "commit": "the store keeps"}[now.starting]
        text = f"the start of the transaction waits until {what} it"
        found.append(Block("start", now.starting, text, until_s=now.request_by_s))
    if not (now.transaction and now.authorized) or state.charger == "Finished":
        return found
    if not guards.locked(state, config):
        text = "the connector is not locked"
        text += f": {pilot.lock_error}" if pilot.lock_error else f" (it is {pilot.lock})"
        found.append(Block("lock", "connector_lock", text, until_s=pilot.lock_by_s))
    if not guards.phases_settled(state):
        text = f"the phases are being switched, to {state.phases.wanted}"
        found.append(Block("phases", "", text, until_s=state.phases.answer_by_s))
    if pilot.opens_by_s is not None:
        found.append(Block("contactor", "", "the contactor has yet to open", until_s=pilot.opens_by_s))
    if not guards.car_wants_power(state, config):
        text = f"the car does not ask for power (control pilot {pilot.cp or 'not known'})"
        remedy = "See what the car says: it may be full, or wait for a time that is set in it."
        found.append(Block("car", "control_pilot", text, remedy))
    elif pilot.closes_by_s is not None and not pilot.contactor_closed and pilot.power_commanded:
        found.append(Block("contactor", "", "the contactor has yet to close", until_s=pilot.closes_by_s))
    return found
