"""What a kernel that failed hands to the one that begins in its place (design rule 9)."""

from __future__ import annotations

from evse_daemon.modules.evse_manager import faults, phase_switch, random_delay
from evse_daemon.modules.evse_manager.state import Session, State


def after_failure(before: State, told_session: str) -> State:
    """What is known of the outside, what was commanded by people, and what must outlast a failure; power is off.

    Args:
        before: the state that the failed kernel left.
        told_session: the session whose start was announced and whose end was not; Boot ends it. Empty: none.
    """
    passing = faults.passing(before)
    unstored = tuple(commit for commit in before.unstored_ends if commit.retried)
    state = State(
        table=before.table,
        decided_by=before.decided_by,
        capabilities=before.capabilities,
        causes=before.causes,
        own_errors=tuple(cause for cause in before.own_errors if cause not in passing),
        cable_limit_a=before.cable_limit_a,
        meter=before.meter,
        last_request_id=before.last_request_id,
        close_by_s=before.close_by_s,
        unstored_ends=unstored,
        # What was asked of the store may be lost with the lane: it is asked again, which does no harm.
        retry_store_s=0.0 if unstored else None,
        phases=phase_switch.after_failure(before.phases),
        externally_ready=before.externally_ready,
        delay=random_delay.after_restart(before.delay),
        reserved=before.reserved and not before.session.authorized,
        reservation_id=None if before.session.authorized else before.reservation_id,
        held=before.held,
        car_left=before.car_left,
        latched=before.latched,
        latch_request_id=before.latch_request_id,
        retry_latch_s=0.0 if before.latch_request_id is not None else before.retry_latch_s,
        meter_watch=before.meter_watch,
    )
    state.session = Session(id=told_session)
    state.pilot.contactor_closed = before.pilot.contactor_closed
    return state
