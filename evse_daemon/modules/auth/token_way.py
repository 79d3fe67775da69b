"""The way of a token: presented, validated, given to an EVSE or used to stop a transaction.

The rules are those of EVerest's Auth (reference evse-manager.md §9.1); where one is deliberately another, a comment
says so. Each wait on the way has a deadline.
"""

from __future__ import annotations

from dataclasses import replace

from evse_daemon.modules.auth.effects import Announce, Authorize, Note, Stop, Validate, Withdraw
from evse_daemon.modules.auth.reservation_table import Held
from evse_daemon.modules.auth.reserved_evses import hopeless, is_reserved, usable
from evse_daemon.modules.auth.reserving import give_back, use
from evse_daemon.modules.auth.state import Identifier, Process
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
            if evse.transaction_active and evse.identifier and _opens(evse.identifier, token.id_token):
                _stop_or_reauthorize(work, work.new_process(token, evses), index)
                return
    may_stop = work.settings.master_pass_group_id or any(
        evse.identifier and evse.identifier.parent for evse in (work.evses[index] for index in evses)
    )
    if not evses or (not may_stop and not work.available(evses)):
        work.do(Announce(token, "Rejected"), Note("no EVSE is available for the token", token))
        return
    if not may_stop and hopeless(work, evses, token):
        work.do(Announce(token, "Rejected"), Note("all EVSEs are reserved for others than the token", token))
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


def _opens(identifier: Identifier, token: IdToken) -> bool:
    """Whether a token ends the transaction that another began, as itself or as its parent."""
    if same_value(identifier.token.id_token, token):
        return True
    return identifier.parent is not None and same_value(identifier.parent, token)


# A validator has answered.


def validated(work: Work, process_id: int, process: Process, result: ValidationResult | None) -> None:
    """Acts on the first acceptance that leads anywhere; asks the next validator as long as one may.

    EVerest asks all of them before it acts on any: a slow one there delays a token that another knows. Here the others
    are waited for only where one of them may name a group whose transaction is to be stopped rather than begun.
    """
    if result is None:
        result = ValidationResult(authorization_status="Unknown", tariff_messages=[])
    process = replace(process, answers=(*process.answers, result))
    work.processes[process_id] = process
    accepted = result.authorization_status == "Accepted"
    if accepted and _stop_by_group(work, process_id, process, result):
        return
    more = len(process.answers) < work.settings.validators and not process.token.prevalidated
    refused: ValidationResult | None = None
    if not more or (accepted and not _another_may_stop(work, process)):
        for answer in process.answers:
            if answer.authorization_status != "Accepted":
                continue
            refusal = _start(work, process_id, process, answer)
            if refusal is None:
                return
            refused = answer.model_copy(update={"authorization_status": refusal})
    if more:
        deadline_s = work.now_s + work.settings.validation_timeout_s
        asked = len(process.answers)
        work.processes[process_id] = replace(process, validator=asked, deadline_s=deadline_s)
        work.do(Validate(process_id, asked, process.token))
        return
    _reject(work, process_id, process, refused)


def _reject(work: Work, process_id: int, process: Process, refused: ValidationResult | None) -> None:
    """No validator's answer lets the token charge; ``refused`` is an acceptance that cannot be used here and now."""
    if process.token.connectors is not None:
        # Plug & Charge: the car waits for this EVSE's answer, a refusal too.
        told: tuple[int, ...] = process.evses
    else:
        cars = [index for index in work.plug_ins if index in process.evses]
        told = tuple((cars or work.available(process.evses))[:1]) if refused is not None else ()
    result = refused or process.answers[-1]
    for index in told:
        work.do(Authorize(index, process.token, result))
    work.finish(process_id, "Rejected")


def _stop_by_group(work: Work, process_id: int, process: Process, result: ValidationResult) -> bool:
    """Stops what the token's group stops, or may not begin beside; False where it is for none of that.

    A master pass stops transactions also while an EVSE is free, as the option's description promises; EVerest then
    refuses it unless prioritize_authorization_over_stopping_transaction is off.
    """
    parent = result.parent_id_token
    if parent is None:
        return False
    group = work.settings.master_pass_group_id
    evses = tuple(index for index in process.evses if work.evses[index].referable)
    if group and parent.value.casefold() == group.casefold():
        _stop_all(work, process_id, evses, parent)
        return True
    if not _stops_before_it_starts(work, evses):
        return False
    theirs = [index for index in evses if _of_group(work, index, parent)]
    active = [index for index in theirs if work.evses[index].transaction_active]
    if active:
        _stop_or_reauthorize(work, process_id, active[0])
    elif theirs:
        # Its group has been given this EVSE already. EVerest leaves it at Processing for ever.
        work.finish(process_id, "Rejected")
    return bool(theirs)


def _stops_before_it_starts(work: Work, evses: tuple[int, ...]) -> bool:
    return not work.settings.prioritize_authorization or not work.available(evses)


def _another_may_stop(work: Work, process: Process) -> bool:
    """A later validator may know of a group, and there is something that a group could stop."""
    if not _stops_before_it_starts(work, process.evses):
        return False
    known = (work.evses[index] for index in process.evses)
    return any(
        evse.transaction_active
        and evse.identifier is not None
        and (evse.identifier.parent is not None or bool(work.settings.master_pass_group_id))
        for evse in known
    )


def _of_group(work: Work, index: int, parent: IdToken) -> bool:
    """An EVSE was given to a group, or to the token that it is named for."""
    identifier = work.evses[index].identifier
    return identifier is not None and _opens(identifier, parent)


def _start(
    work: Work, process_id: int, process: Process, result: ValidationResult
) -> AuthorizationStatus | None:
    """Gives an accepted token a place, or lets it wait for one; says why where it may have none."""
    parent = result.parent_id_token
    if not work.available(process.evses):
        work.finish(process_id, "Rejected")
        return None
    permitted = tuple(
        index
        for index in process.evses
        if work.evses[index].referable
        and work.evses[index].identifier is None
        and (result.evse_ids is None or work.evses[index].evse_id in result.evse_ids)
    )
    if not permitted:
        return "NotAtThisLocation"
    open_to_it = _usable(work, permitted, process.token, parent)
    cars = [index for index in work.plug_ins if index in work.available(permitted)]
    if not open_to_it or (cars and not set(cars).intersection(open_to_it)):
        # With its car before an EVSE that is reserved for others, a driver is not given another EVSE.
        return "NotAtThisTime"
    announced = process.token.model_copy(update={"parent_id_token": parent or process.token.parent_id_token})
    work.do(Announce(announced, "Accepted", tuple(result.tariff_messages)))
    waiting = replace(
        process,
        phase="selecting",
        evses=permitted,
        result=result,
        deadline_s=work.now_s + work.settings.connection_timeout_s,
    )
    work.processes[process_id] = waiting
    select(work, process_id, waiting, result)
    return None


# An EVSE is chosen.


def select(work: Work, process_id: int, process: Process, result: ValidationResult) -> None:
    """Gives the token to an EVSE, or leaves it waiting for a car to be plugged in.

    Where there is only one EVSE to choose, nothing is waited for. An EVSE that is reserved for this token comes first,
    one that is reserved for others never (EVerest chooses first, and refuses the token if it has chosen wrongly).
    """
    candidates = _usable(work, process.evses, process.token, result.parent_id_token)
    waiting = [index for index in work.plug_ins if index in candidates]
    if work.settings.selection == "PlugEventsLIFO":
        waiting.reverse()
    if not waiting and (work.settings.selection == "FindFirst" or len(process.evses) == 1):
        waiting = list(candidates)
    if not waiting:
        return
    own = [index for index in waiting if is_reserved(work, index)]
    chosen = (own or waiting)[0]
    reservation = candidates[chosen]
    use(work, chosen, reservation)
    if reservation is not None:
        result = result.model_copy(update={"reservation_id": reservation.reservation_id})
    token = with_place(process.token, work.evse_id(chosen), result.parent_id_token)
    _give(work, chosen, Identifier(token, result.parent_id_token))
    work.processes[process_id] = replace(
        process,
        phase="authorizing",
        token=token,
        result=result,
        used=reservation,
        pending=frozenset({chosen}),
        deadline_s=work.now_s + work.settings.request_timeout_s,
    )
    work.do(Authorize(chosen, token, result, process_id))


def _usable(
    work: Work, evses: tuple[int, ...], token: ProvidedIdToken, parent: IdToken | None
) -> dict[int, Held | None]:
    """The EVSEs where the token may start a session now, and the reservation that it uses up there."""
    return usable(work, work.available(evses), token, _value(parent))


def _value(token: IdToken | None) -> str | None:
    return None if token is None else token.value


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
            give_back(work, index, process.used)
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


def _stop_all(work: Work, process_id: int, evses: tuple[int, ...], group: IdToken) -> None:
    active = tuple(index for index in evses if work.evses[index].transaction_active)
    if active:
        _stop(work, process_id, active, "MasterPass", group)
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
