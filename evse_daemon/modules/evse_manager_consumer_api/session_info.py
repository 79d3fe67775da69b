"""What session_info says in EVerest's API (reference api.md §2.4), from the same events as that of everest_api. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from pydantic import Field

from evse_daemon.modules.api import session_info
from evse_daemon.types.base import EverestType, Integer, Timestamp
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import Powermeter

QUIET = ("Unplugged", "Disabled", "Unknown")
"""States in which nothing is told but at an event."""

Count = Annotated[Integer, Field(ge=0)]


class SessionInfo(EverestType):
    """As it is published; energy in Wh, durations in s, power in W."""

    state: str
    charged_energy_wh: Count
    discharged_energy_wh: Count
    session_duration_s: Count
    latest_total_w: Integer
    timestamp: Timestamp
    selected_protocol: str | None = None
    transaction_duration_s: Count | None = None
    session_start_time: Timestamp | None = None
    transaction_start_time: Timestamp | None = None
    session_end_time: Timestamp | None = None
    transaction_end_time: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """Of a session or a transaction: the times of day that are told, and monotonic ones for its duration."""

    start: str
    start_s: float
    end: str | None = None
    end_s: float | None = None

    def duration_s(self, now_s: float) -> int:
        return int((now_s if self.end_s is None else self.end_s) - self.start_s)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the session."""

    info: session_info.SessionInfo = field(default_factory=session_info.SessionInfo)
    session: Span | None = None
    transaction: Span | None = None
    protocol: str | None = None

    @property
    def tells(self) -> bool:
        """A session runs: readings are told, too."""
        return self.info.state not in QUIET


def after_event(known: Known, event: SessionEvent, now_s: float) -> Known:
    """Takes in a session event; reservations do not show, as in EVerest."""
    if event.event in ("ReservationStart", "ReservationEnd"):
        return known
    known = replace(known, info=session_info.after_event(known.info, event, now_s))
    match event.event:
        case "SessionStarted":
            return replace(known, session=Span(event.timestamp, now_s), transaction=None)
        case "TransactionStarted":
            return replace(known, transaction=Span(event.timestamp, now_s))
        case "TransactionFinished" if known.transaction is not None:
            return replace(known, transaction=replace(known.transaction, end=event.timestamp, end_s=now_s))
        case "SessionFinished" if known.session is not None:
            return replace(known, session=replace(known.session, end=event.timestamp, end_s=now_s))
    return known


def after_reading(known: Known, reading: Powermeter) -> Known:
    """Takes in a reading of the meter."""
    return replace(known, info=session_info.after_reading(known.info, reading))


def payload(known: Known, now_s: float, timestamp: str) -> SessionInfo:
    """What is published."""
    info, session, transaction = known.info, known.session, known.transaction
    return SessionInfo(
        state=info.state,
        charged_energy_wh=info.charged.counted_wh if info.charged else 0,
        discharged_energy_wh=info.discharged.counted_wh if info.discharged else 0,
        session_duration_s=session.duration_s(now_s) if session else 0,
        latest_total_w=int(info.total_power_w),
        timestamp=timestamp,
        selected_protocol=known.protocol,
        transaction_duration_s=transaction.duration_s(now_s) if transaction else None,
        session_start_time=session.start if session else None,
        transaction_start_time=transaction.start if transaction else None,
        session_end_time=session.end if session else None,
        transaction_end_time=transaction.end if transaction else None,
    )
