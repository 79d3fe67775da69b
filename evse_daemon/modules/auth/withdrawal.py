"""The command withdraw_authorization (interfaces/auth.yaml)."""

from __future__ import annotations

from evse_daemon.modules.auth.effects import Announce, Reply, Stop, Withdraw
from evse_daemon.modules.auth.state import Process
from evse_daemon.modules.auth.tokens import same_token
from evse_daemon.modules.auth.work import Work
from evse_daemon.types.authorization import IdToken


def withdraw(work: Work, evse_id: int | None, token: IdToken | None) -> None:
    """Takes back what matches both arguments; one that is absent matches all.

    A token that is still on its way is stopped at once. EVerest lets it go its way first, and waits.
    """
    wanted = {index for index, evse in enumerate(work.evses) if evse_id in (None, evse.evse_id)}
    if evse_id is not None and not wanted:
        work.do(Reply("EvseNotFound"))
        return
    found = False
    for process_id, process in list(work.processes.items()):
        if _interruptible(process, wanted) and _matches(token, process.token.id_token):
            work.finish(process_id, "Withdrawn")
            found = True
    for index in sorted(wanted):
        evse = work.evses[index]
        if evse.identifier is None or not _matches(token, evse.identifier.token.id_token):
            continue
        found = True
        if evse.transaction_active:
            work.do(Stop(index, "DeAuthorized"))
        else:
            _end_authorizing(work, index)
            work.do(Withdraw(index), Announce(evse.identifier.token, "Withdrawn"))
            work.change(index, identifier=None, authorization_ends_s=None)
    work.do(Reply("Accepted" if found else "AuthorizationNotFound"))


def _matches(wanted: IdToken | None, token: IdToken) -> bool:
    return wanted is None or same_token(wanted, token)


def _interruptible(process: Process, wanted: set[int]) -> bool:
    """The token has no EVSE yet, and could get none but a wanted one."""
    return process.phase in ("validating", "selecting") and wanted.issuperset(process.evses)


def _end_authorizing(work: Work, index: int) -> None:
    """Nothing more is said of a token whose EVSE has yet to answer."""
    for process_id, process in list(work.processes.items()):
        if process.phase == "authorizing" and index in process.pending:
            del work.processes[process_id]
