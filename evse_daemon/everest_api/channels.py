"""The topics of one module class of EVerest's API, declared once: subscriptions, validation and reference follow.

CHANNELS = (
    hears("event", BspEvent, "the control pilot and the contactor"),
    serves("pause_charging", None, bool, "pauses charging"),
    says("enable", bool, "enables the port"),
    asks("reset", None, bool, "resets the residual current monitor"),
)

"hears" and "serves" are what the program says (``m2e``), "says" and "asks" what the station says (``e2m``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import TypeAdapter

from evse_daemon.framework.interface import STRICT, Kind


@dataclass(frozen=True)
class Channel:
    """One topic."""

    way: Literal["hears", "serves", "says", "asks"]
    name: str
    payload: Any
    """The type of the payload; None where it is empty."""
    text: str
    """What it is, in a few words."""
    result: Any = None
    """Of a request: the type of its reply."""
    kind: Kind = Kind.STATE
    """Of what the station says; TELEMETRY is not kept while the broker is away."""
    order: bool = False
    """Of what the program says: it orders something, which is refused while the station ends."""
    secret: bool = False
    """What the program gives is never shown, also where it is wrong."""
    latched: bool = False
    """The program may ask for the latest value (``m2e/NAME/get``)."""

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.payload)

    @cached_property
    def result_adapter(self) -> TypeAdapter[Any]:
        return _adapter(self.result)


def hears(name: str, payload: Any, text: str, *, order: bool = False, secret: bool = False) -> Channel:
    """Something that the program tells, or orders without a reply."""
    return Channel("hears", name, payload, text, order=order, secret=secret)


def serves(name: str, payload: Any, result: Any, text: str, *, secret: bool = False) -> Channel:
    """Something that the program asks for, with a reply."""
    return Channel("serves", name, payload, text, result, order=True, secret=secret)


def says(name: str, payload: Any, text: str, kind: Kind = Kind.STATE, *, latched: bool = False) -> Channel:
    """Something that the station tells."""
    return Channel("says", name, payload, text, kind=kind, latched=latched)


def asks(name: str, payload: Any, result: Any, text: str, *, secret: bool = False) -> Channel:
    """Something that the station asks for, with a reply."""
    return Channel("asks", name, payload, text, result, Kind.TELEMETRY, secret=secret)


def _adapter(type_: Any) -> TypeAdapter[Any]:
    has_own = getattr(type_, "model_config", None) is not None
    return TypeAdapter(type_) if has_own else TypeAdapter(type_, config=STRICT)
