"""What a session's log says (EvseManager/SessionLog.cpp): where it is, and one line for each thing that happens.

Tokens are shown by their end only: the files are read by more people than may charge with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from evse_daemon.framework.redact import redacted
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import Powermeter

SESSION_UUID = "session_uuid"
"""The value of logfile_suffix that stands for the session's id."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    origin: Literal["CAR", "EVSE", "SYS"]
    event: str
    details: str = ""

    @property
    def target(self) -> str:
        return {"CAR": "EVSE", "EVSE": "CAR", "SYS": ""}[self.origin]

    @property
    def message(self) -> str:
        return f"{self.event}: {self.details}" if self.details else self.event


def path(config: KernelConfig, utc: str, session_id: str) -> str | None:
    """The folder for the log of a session that begins now; None where none is written."""
    if config.session_logging_path is None:
        return None
    suffix = session_id if config.logfile_suffix == SESSION_UUID else config.logfile_suffix
    # An id in base 64 may have a slash in it.
    return f"{config.session_logging_path}/{utc}-{suffix.replace('/', '_')}"


def of_event(event: ev.Event) -> Line | None:
    """What is said of something that happened."""
    if isinstance(event, ev.MeterSample | ev.Tick | ev.Boot | ev.CapabilitiesChanged | ev.ExternalReady):
        return None
    say = EVENTS.get(type(event))
    return Line("EVSE", type(event).__name__) if say is None else say(event)


def of_effect(effect: fx.Effect) -> Line | None:
    """What is said of something that is done."""
    say = EFFECTS.get(type(effect))
    return None if say is None else say(effect)


def _token(token: ProvidedIdToken | None) -> str:
    return "" if token is None else f"token {redacted(token.id_token.value)} ({token.id_token.type})"


def _errors(event: ev.CausesChanged) -> Line:
    found = [
        f"{cause.type}{f'/{cause.sub_type}' if cause.sub_type else ''} ({cause.severity})"
        for cause in event.causes
    ]
    return Line("EVSE", "Errors", ", ".join(found) or "none")


def _answer(what: str, error: str | None) -> Line | None:
    return None if error is None else Line("EVSE", f"{what} failed", error)


EVENTS: dict[type[Any], Callable[[Any], Line | None]] = {
    ev.CpChanged: lambda e: Line("CAR", "Control pilot", e.state or "unknown"),
    ev.ContactorChanged: lambda e: Line("EVSE", "Contactor", "closed" if e.closed else "open"),
    ev.ProximityChanged: lambda e: Line(
        "CAR", "Cable", "none" if e.cable_limit_a is None else f"{e.cable_limit_a:g} A"
    ),
    ev.LimitChanged: lambda e: Line("EVSE", "Limit", f"{e.limit_a:g} A"),
    ev.CausesChanged: _errors,
    ev.BoardFailed: lambda e: Line("EVSE", "Board failed", e.message),
    ev.Authorize: lambda e: Line("EVSE", "Authorization", _token(e.token)),
    ev.Withdraw: lambda _: Line("EVSE", "Authorization withdrawn"),
    ev.EnableDisable: lambda e: Line(
        "EVSE", "Enable or disable", f"{e.source.enable_state} by {e.source.enable_source}"
    ),
    ev.Pause: lambda _: Line("EVSE", "Pause requested"),
    ev.Resume: lambda _: Line("EVSE", "Resume requested"),
    ev.Stop: lambda e: Line("EVSE", "Stop requested", " ".join(filter(None, (e.reason, _token(e.id_tag))))),
    ev.ForceUnlock: lambda _: Line("EVSE", "Unlock requested"),
    ev.LockDone: lambda e: _answer("Connector lock", e.error),
    ev.MeterStarted: lambda e: Line("EVSE", "Meter began", e.response.status if e.response else "no answer"),
    ev.MeterStopped: lambda e: Line("EVSE", "Meter ended", e.response.status if e.response else "no answer"),
    ev.Committed: lambda e: _answer("Storing", e.error),
    ev.StationEnds: lambda _: Line("SYS", "The charger's software is told to end"),
}

EFFECTS: dict[type[Any], Callable[[Any], Line | None]] = {
    fx.AllowPower: lambda e: Line("EVSE", "Power", "on" if e.on else "off"),
    fx.SetPwm: lambda e: Line("EVSE", "PWM", f"{e.duty * 100:.1f} %"),
    fx.SetX1: lambda _: Line("EVSE", "PWM", "off"),
    fx.SetF: lambda _: Line("EVSE", "Pilot state F"),
    fx.EnableBoard: lambda e: Line("EVSE", "Board", "enabled" if e.on else "disabled"),
    fx.Lock: lambda e: Line("EVSE", "Connector", "lock" if e.locked else "unlock"),
    fx.StateEntered: lambda e: Line("EVSE", "Charger state", e.state),
    fx.RaiseError: lambda e: Line("EVSE", "Error raised", f"{e.type}: {e.description or e.message}"),
    fx.ClearError: lambda e: Line("EVSE", "Error cleared", e.type),
    fx.Announce: lambda e: Line("EVSE", e.event.event, _details(e.event)),
}


def _details(event: SessionEvent) -> str:
    """What a session event carries, in a few words."""
    found: list[str] = []
    if event.session_started is not None:
        found = [event.session_started.reason, _token(event.session_started.id_tag)]
    elif event.transaction_started is not None:
        found = [_token(event.transaction_started.id_tag), _energy(event.transaction_started.meter_value)]
    elif event.transaction_finished is not None:
        finished = event.transaction_finished
        found = [finished.reason or "", _token(finished.id_tag), _energy(finished.meter_value)]
    elif event.session_finished is not None:
        found = [_energy(event.session_finished.meter_value)]
    elif event.charging_paused_evse is not None:
        found = list(event.charging_paused_evse.reasons)
    return ", ".join(filter(None, found))


def _energy(meter: Powermeter) -> str:
    return f"meter {meter.energy_Wh_import.total / 1000:.3f} kWh"
