"""Keeps the log of the session that goes on: its files, and ``hlc_log`` on MQTT as EVerest publishes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from evse_daemon.modules.evse_manager import session_log
from evse_daemon.modules.evse_manager.effects import Announce, Effect
from evse_daemon.modules.evse_manager.events import Event
from evse_daemon.modules.evse_manager.session_log_files import SessionLogFiles


class SessionLogger:
    """Told of every event and effect; writes what falls into a session whose start names a folder.

    Args:
        utc: the time of day, RFC 3339.
        publish: publishes a line in EVerest's form (everest_api/…/var/hlc_log).
    """

    def __init__(self, utc: Callable[[], str], publish: Callable[[str], None]) -> None:
        self.files = SessionLogFiles()
        self._utc = utc
        self._publish = publish
        self._open = False

    def event(self, event: Event) -> None:
        if self._open:
            self._note(session_log.of_event(event))

    def effect(self, effect: Effect) -> None:
        started = effect.event.session_started if isinstance(effect, Announce) else None
        if started is not None and started.logging_path is not None:
            self._open = True
            self.files.open(Path(started.logging_path))
        if not self._open:
            return
        self._note(session_log.of_effect(effect))
        if isinstance(effect, Announce) and effect.event.event == "SessionFinished":
            self._open = False
            self.files.complete()

    def _note(self, line: session_log.Line | None) -> None:
        if line is None:
            return
        self.files.write((self._utc(), line.origin, line.target, line.event, line.details))
        told = {"iso15118": False, "msg": line.message, "origin": line.origin, "target": line.target}
        self._publish(json.dumps(told, ensure_ascii=False))
