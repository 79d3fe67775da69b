"""What is known of the errors of a station, and which of it passes a filter. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pydantic import ValidationError

from evse_daemon.framework.errors import Error, ErrorState, Severity
from evse_daemon.types.error_history import (
    ErrorObject,
    FilterArguments,
    ImplementationIdentifier,
    SeverityFilter,
)

MOST = 1000
"""Errors that are kept; beyond it the oldest that are over are forgotten."""

LONGEST_TEXT = 1000
"""Characters of a message that are kept."""

SEVERITIES: dict[SeverityFilter, tuple[Severity, ...]] = {
    "HIGH_GE": ("High",),
    "MEDIUM_GE": ("High", "Medium"),
    "LOW_GE": ("High", "Medium", "Low"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One error, as a row of EVerest's table (reference evse-manager.md §9.6)."""

    uuid: str
    type: str
    description: str
    message: str
    origin_module: str
    origin_implementation: str
    timestamp: str
    severity: Severity
    state: ErrorState
    sub_type: str
    vendor_id: str

    def as_object(self) -> ErrorObject:
        """As EVerest's type, whose texts have two characters at least."""
        return ErrorObject(
            type=self.type,
            description=self.description.ljust(2),
            message=self.message.ljust(2),
            severity=self.severity,
            origin=ImplementationIdentifier(
                module_id=self.origin_module.ljust(2), implementation_id=self.origin_implementation.ljust(2)
            ),
            timestamp=self.timestamp,
            uuid=self.uuid.ljust(2),
            state=self.state,
            sub_type=self.sub_type,
        )

    def can_be_told(self) -> bool:
        """Whether it fits EVerest's type; what other processes have said need not."""
        try:
            self.as_object()
        except ValidationError:
            return False
        return True


def entry_of(error: Error) -> Entry:
    """An error as it is kept."""
    return Entry(
        uuid=error.uuid,
        type=error.type,
        description=(error.description or error.type)[:LONGEST_TEXT],
        message=(error.message or error.description or error.type)[:LONGEST_TEXT],
        origin_module=error.module_id,
        origin_implementation=error.implementation_id,
        timestamp=error.timestamp,
        severity=error.severity,
        state=error.state,
        sub_type=error.sub_type[:LONGEST_TEXT],
        vendor_id=error.vendor_id,
    )


def kept(error: Error, now: str) -> Entry:
    """An error as it is kept, with the present time where its own is none: a standalone module may give any text."""
    entry = entry_of(error)
    return entry if entry.can_be_told() else replace(entry, timestamp=now)


class History:
    """All entries, oldest first.

    Args:
        former: what a run before this one has left.
    """

    def __init__(self, former: Iterable[Entry] = ()) -> None:
        self._entries: dict[str, Entry] = {entry.uuid: entry for entry in former}
        self.forgotten: list[str] = self._forget()
        """The uuids of what had to go for that, of a file that holds too much."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def changed(self, error: Error, now: str) -> tuple[Entry, list[str]] | None:
        """Takes in an error that was raised or cleared.

        Args:
            error: as it was told.
            now: the time of day.

        Returns:
            The entry to be written, and the uuids of those that go; None where nothing changes.
        """
        known = self._entries.get(error.uuid)
        if error.active:
            if known is not None:
                return None
            entry = kept(error, now)
        elif known is None or known.state != "Active":
            return None
        else:
            entry = replace(known, state=error.state)
        self._entries[entry.uuid] = entry
        return entry, self._forget()

    def find(self, wanted: FilterArguments) -> list[Entry]:
        """Those that pass every filter that is given."""
        found: Iterable[Entry] = self._entries.values()
        if wanted.state_filter is not None:
            found = [entry for entry in found if entry.state == wanted.state_filter]
        if wanted.handle_filter is not None:
            found = [entry for entry in found if entry.uuid == wanted.handle_filter]
        if wanted.type_filter is not None:
            found = [entry for entry in found if entry.type == wanted.type_filter]
        if wanted.severity_filter is not None:
            severities = SEVERITIES[wanted.severity_filter]
            found = [entry for entry in found if entry.severity in severities]
        if (origin := wanted.origin_filter) is not None:
            place = (origin.module_id, origin.implementation_id)
            found = [entry for entry in found if (entry.origin_module, entry.origin_implementation) == place]
        if (period := wanted.timeperiod_filter) is not None:
            first, last = _moment(period.timestamp_from), _moment(period.timestamp_to)
            found = [entry for entry in found if first <= _moment(entry.timestamp) <= last]
        return list(found)

    def _forget(self) -> list[str]:
        too_many = len(self._entries) - MOST
        if too_many <= 0:
            return []
        gone = [uuid for uuid, entry in self._entries.items() if entry.state != "Active"][:too_many]
        for uuid in gone:
            del self._entries[uuid]
        return gone


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
