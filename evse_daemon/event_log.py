"""What happens at the EVSEs, as lines of the log: session events and errors, each as it begins and ends.

With the fields that one looks for in systemd's journal: the module, the EVSE's number, the session, the type of the
error (docs/operate.md). Of the token nothing is logged here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import structlog

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import Call
from evse_daemon.framework.errors import Error, Mapping
from evse_daemon.framework.interface import Var
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.types.evse_manager import SessionEvent

log = structlog.get_logger(__name__)


class EventLog:
    """An observer of the bus. What flutters is told seldom, with a count."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seldom: dict[str, RateLimitedLog] = {}

    def var_published(self, source: Implementation[Any], var: Var[Any], value: Any) -> None:
        if var is EvseManager.session_event:
            self._event(source, value)

    def call_made(self, call: Call[Any]) -> None:
        """Calls are for ``evse-daemon watch``."""

    def call_finished(self, call: Call[Any]) -> None:
        """As calls."""

    def error_changed(self, source: Implementation[Any], error: Error) -> None:
        fields = _place(error.mapping or source.mapping)
        if error.sub_type:
            fields["sub_type"] = error.sub_type
        self._of(source).write(
            "warning" if error.active else "info",
            (error.type, error.sub_type, error.active),
            "error raised" if error.active else "error cleared",
            module=source.module_id,
            error_type=error.type,
            what=error.message,
            **fields,
        )

    def _event(self, source: Implementation[Any], event: SessionEvent) -> None:
        fields: dict[str, Any] = _place(source.mapping)
        fields["connector"] = event.connector_id or 1
        if event.uuid:
            fields["session"] = event.uuid
        if event.charging_paused_evse is not None:
            fields["reasons"] = ", ".join(event.charging_paused_evse.reasons)
        if event.transaction_finished is not None:
            fields["reason"] = event.transaction_finished.reason
        self._of(source).info(event.event, event.event, module=source.module_id, **fields)

    def _of(self, source: Implementation[Any]) -> RateLimitedLog:
        """Of each module its own: a board that flutters hides nothing of the others."""
        if source.module_id not in self._seldom:
            self._seldom[source.module_id] = RateLimitedLog(log, now=self._now)
        return self._seldom[source.module_id]


def _place(mapping: Mapping | None) -> dict[str, Any]:
    return {} if mapping is None else {"evse": mapping.evse}
