"""The way of a token: presented, validated, given to an EVSE or used to stop a transaction.

The rules are those of EVerest's Auth (reference evse-manager.md §9.1); where one is deliberately another, a comment
says so. Each wait on the way has a deadline.
"""

from __future__ import annotations

from dataclasses import replace

from evse_daemon.modules.auth.state import (
    Announce,
    Authorize,
    Identifier,
    Note,
    Process,
    Stop,
    Validate,
    Withdraw,
)
from evse_daemon.modules.auth.tokens import same_token, same_value, with_place
from evse_daemon.modules.auth.work import Work
from evse_daemon.types.authorization import AuthorizationStatus, IdToken, ProvidedIdToken, ValidationResult
from evse_daemon.types.evse_manager import StopTransactionReason

# A token is presented.


def presented(work: Work, token: ProvidedIdToken) -> None:
    evses = _referenced(work, token)
    if _in_process(work, token, evses):
        work.do(Note("the token is in process already", token))
        return
    work.do(Announce(token, "Processing"))
    if token.authorization_type == "RFID":
        for index in evses:
            evse = work.evses[index]
            if evse.transaction_active and evse.identifier and _opens(evse.identifier, token):
                _stop_or_reauthorize(work, work.new_process(token, evses), index)
                return
    may_stop = work.settings.master_pass_group_id or any(
        evse.identifier and evse.identifier.parent for evse in (work.evses[index] for index in evses)
    )
    if not evses or (not may_stop and not work.available(evses)):
        work.do(Announce(token, "Rejected"), Note("no EVSE is available for the token", token))
        return
    process_id = work.new_process(token, evses)
    if token.prevalidated:
        result = ValidationResult(
            authorization_status="Accepted", tariff_messages=[], parent_id_token=token.parent_id_token
        )
        validated(work, process_id, work.processes[process_id], result)
    else:
        work.do(Validate(process_id, 0, token))


def _referenced(work: Work, token: ProvidedIdToken) -> tuple[int, ...]:
    """The EVSEs that a token may be for, in the order of their numbers."""
    known = [index for index, evse in enumerate(work.evses) if evse.referable]
    known.sort(key=work.evse_id)
    if token.connectors is None:
        return tuple(known)
    numbers = {evse.evse_id for evse in work.evses}
    for number in token.connectors:
        if number not in numbers:
            work.do(Note("the token names an EVSE that there is none of", token, number))
    return tuple(index for index in known if work.evse_id(index) in token.connectors)


def _in_process(work: Work, token: ProvidedIdToken, evses: tuple[int, ...]) -> bool:
    if any(same_value(process.token.id_token, token.id_token) for process in work.processes.values()):
        return True
    return any(
        evse.identifier is not None
        and not evse.transaction_active
        and same_token(evse.identifier.token.id_token, token.id_token)
        for evse in (work.evses[index] for index in evses)
    )


def _opens(identifier: Identifier, token: ProvidedIdToken) -> bool:
    """Whether a token ends the transaction that another began, as itself or as its parent."""
    if same_value(identifier.token.id_token, token.id_token):
        return True
    return identifier.parent is not None and same_value(identifier.parent, token.id_token)


# A validator has answered.


def validated(work: Work, process_id: int, process: Process, result: ValidationResult | None) -> None:
    """Acts on the first answer that leads anywhere, else asks the next validator.

    EVerest asks all of them before it acts on any; so a slow one there delays a token that another knows.
    """
    if result is None:
        result = ValidationResult(authorization_status="Unknown", tariff_messages=[])
    if result.authorization_status == "Accepted":
        refusal = _use(work, process_id, process, result)
        if refusal is None:
            return
        result = result.model_copy(update={"authorization_status": refusal})
    following = process.validator + 1
    if following < work.settings.validators and not process.token.prevalidated:
        deadline_s = work.now_s + work.settings.validation_timeout_s
        work.processes[process_id] = replace(
            process, validator=following, deadline_s=deadline_s, result=result
        )
        work.do(Validate(process_id, following, process.token))
        return
    if process.token.connectors is not None:
        # Plug & Charge: the car waits for this EVSE's answer, a refusal too.
        for index in process.evses:
            work.do(Authorize(index, process.token, result))
    work.finish(process_id, "Rejected")


def _use(
    work: Work, process_id: int, process: Process, result: ValidationResult
) -> AuthorizationStatus | None:
    """Acts on an accepted token; says why where it cannot be used here.

    A master pass stops transactions also while an EVSE is free, as the option's description promises; EVerest then
    refuses it unless prioritize_authorization_over_stopping_transaction is off.
    """
    parent = result.parent_id_token
    group = work.settings.master_pass_group_id
    is_master = bool(group) and parent is not None and parent.value.casefold() == group.casefold()
    evses = tuple(index for index in process.evses if work.evses[index].referable)
    available = work.available(evses)
    if is_master:
        _stop_all(work, process_id, evses)
        return None
    if parent is not None and not (work.settings.prioritize_authorization and available):
        for index in evses:
            identifier = work.evses[index].identifier
            if identifier is None or identifier.parent is None or not same_value(identifier.parent, parent):
                continue
            if work.evses[index].transaction_active:
                _stop_or_reauthorize(work, process_id, index)
            else:
                # Its group has been given this EVSE already. EVerest leaves it at Processing for ever.
                work.finish(process_id, "Rejected")
            return None
    if not available:
        work.finish(process_id, "Rejected")
        return None
    permitted = [
        index
        for index in evses
        if work.evses[index].identifier is None
        and (result.evse_ids is None or work.evses[index].evse_id in result.evse_ids)
    ]
    if not permitted:
        return "NotAtThisLocation"
    announced = process.token.model_copy(update={"parent_id_token": parent or process.token.parent_id_token})
    work.do(Announce(announced, "Accepted", tuple(result.tariff_messages)))
    waiting = replace(
        process,
        phase="selecting",
        evses=tuple(permitted),
        result=result,
        deadline_s=work.now_s + work.settings.connection_timeout_s,
    )
    work.processes[process_id] = waiting
    select(work, process_id, waiting, result)
    return None


# An EVSE is chosen.


def select(work: Work, process_id: int, process: Process, result: ValidationResult) -> None:
    """Gives the token to an EVSE, or leaves it waiting for a car to be plugged in.

    Where there is only one EVSE to choose, nothing is waited for.
    """
    candidates = work.available(process.evses)
    waiting = [index for index in work.plug_ins if index in candidates]
    chosen: int | None = None
    if work.settings.selection == "PlugEventsLIFO" and waiting:
        chosen = waiting[-1]
    elif waiting:
        chosen = waiting[0]
    elif candidates and (work.settings.selection == "FindFirst" or len(process.evses) == 1):
        chosen = candidates[0]
    if chosen is None:
        return
    token = with_place(process.token, work.evse_id(chosen), result.parent_id_token)
    _give(work, chosen, Identifier(token, result.parent_id_token))
    work.processes[process_id] = replace(
        process,
        phase="authorizing",
        token=token,
        pending=frozenset({chosen}),
        deadline_s=work.now_s + work.settings.request_timeout_s,
    )
    work.do(Authorize(chosen, token, result, process_id))


def _give(work: Work, index: int, identifier: Identifier) -> None:
    starts = not work.evses[index].transaction_active
    ends_s = work.now_s + work.settings.connection_timeout_s if starts else None
    work.change(index, identifier=identifier, authorization_ends_s=ends_s, plug_in_ends_s=None)


def answered(work: Work, process_id: int, index: int, accepted: bool) -> None:
    process = work.processes.get(process_id)
    if process is None or index not in process.pending:
        return
    if process.phase == "authorizing":
        if accepted:
            if work.evses[index].identifier is None and process.result is not None:
                # A session ended before the EVSE took the token: it is authorized for the next car.
                _give(work, index, Identifier(process.token, process.result.parent_id_token))
            work.finish(process_id, "UsedToStart")
        else:
            work.change(index, identifier=None, authorization_ends_s=None)
            work.do(Withdraw(index))
            work.finish(process_id, "Rejected")
        return
    process = replace(
        process,
        pending=process.pending - {index},
        stopped=(*process.stopped, index) if accepted else process.stopped,
    )
    work.processes[process_id] = process
    if not process.pending:
        _stopping_done(work, process_id, process)


# A token stops a transaction.


def _stop_or_reauthorize(work: Work, process_id: int, index: int) -> None:
    process = work.processes[process_id]
    identifier = work.evses[index].identifier
    parent = identifier.parent if identifier else None
    if work.settings.stop_on_reswipe:
        _stop(work, process_id, (index,), "Local", parent)
    else:
        place = with_place(process.token, work.evse_id(index), parent)
        work.processes[process_id] = replace(process, token=place)
        work.finish(process_id, "UsedToReauthorize")


def _stop_all(work: Work, process_id: int, evses: tuple[int, ...]) -> None:
    active = tuple(index for index in evses if work.evses[index].transaction_active)
    if active:
        _stop(work, process_id, active, "MasterPass", None)
    else:
        work.finish(process_id, "Rejected")


def _stop(
    work: Work,
    process_id: int,
    evses: tuple[int, ...],
    reason: StopTransactionReason,
    parent: IdToken | None,
) -> None:
    process = work.processes[process_id]
    work.do(*(Stop(index, reason, process.token, process_id) for index in evses))
    token = process.token.model_copy(update={"parent_id_token": parent or process.token.parent_id_token})
    work.processes[process_id] = replace(
        process,
        phase="stopping",
        token=token,
        pending=frozenset(evses),
        deadline_s=work.now_s + work.settings.request_timeout_s,
    )


def _stopping_done(work: Work, process_id: int, process: Process) -> None:
    if not process.stopped:
        # Nothing was left to stop: the transaction ended by itself meanwhile.
        work.finish(process_id, "Rejected")
        return
    numbers = [work.evse_id(index) for index in process.stopped]
    token = process.token.model_copy(update={"connectors": numbers})
    work.processes[process_id] = replace(process, token=token)
    work.finish(process_id, "UsedToStop")
