"""What the payloads of the API's commands mean (seed 003; reference api.md §1.8).

Words are accepted as the seed writes them and as EVerest takes them. EVerest takes any JSON for an order to enable;
here only an object is one, only with known keys, and only where it says the state.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from evse_daemon.framework.interface import explain
from evse_daemon.types.base import EverestType, Integer
from evse_daemon.types.evse_manager import EnableDisableSource, EnableSource, EnableState

LEGACY_PRIORITY = 100
"""Of the commands enable and disable, and of enable_disable without a priority."""


MOST = 1e6
"""Ampere or watt; what is beyond is no limit of a charger."""


class PayloadError(ValueError):
    """The payload is no order; the message says why."""


def _capitalized(value: Any) -> Any:
    return value.capitalize() if isinstance(value, str) else value


class _EnableDisable(EverestType):
    connector_id: Annotated[Integer, Field(ge=0)] = 0
    source: EnableSource = "LocalAPI"
    state: Annotated[EnableState, BeforeValidator(_capitalized)]
    priority: Annotated[Integer, Field(ge=0, le=10000)] = LEGACY_PRIORITY


class _AmpsPhases(EverestType):
    amps: Annotated[float, Field(ge=-MOST, le=MOST)]
    phases: Literal[1, 3]


def limit(payload: str, unit: str) -> float:
    """A limit written as text, with its unit or without.

    Raises:
        PayloadError: it is not a number, or one that limits nothing. EVerest takes whatever begins with a number.
    """
    text = payload.strip().removesuffix(unit).rstrip()
    if not re.fullmatch(r"[+-]?([0-9]{1,9}(\.[0-9]*)?|\.[0-9]+)", text) or abs(float(text)) > MOST:
        raise PayloadError(f"expected a number of {unit}, for example 16 or 7.5 (given: {payload[:60]!r})")
    return float(text)


def amps_and_phases(payload: str) -> tuple[float, int]:
    """Ampere per phase and the number of phases.

    Raises:
        PayloadError: it is not a JSON object of the two.
    """
    try:
        order = _AmpsPhases.model_validate_json(payload)
    except ValidationError as error:
        raise PayloadError(explain(error, "")) from None
    return order.amps, order.phases


def random_delay(payload: str) -> str:
    """``enable``, ``disable`` or ``cancel``.

    Raises:
        PayloadError: it is none of them.
    """
    order = payload.strip()
    if order not in ("enable", "disable", "cancel"):
        raise PayloadError(f"expected enable, disable or cancel (given: {payload[:60]!r})")
    return order


def duration_s(payload: str) -> int:
    """Whole seconds. EVerest takes what it does not understand for 600.

    Raises:
        PayloadError: it is not a number.
    """
    seconds = number(payload)
    if seconds is None:
        raise PayloadError(f"expected a number of seconds (given: {payload[:60]!r})")
    return seconds


def enable_disable(payload: str) -> tuple[int, EnableDisableSource]:
    """The connector (0 is the whole EVSE) and the entry for the table of sources.

    Raises:
        PayloadError: it is not a JSON object of the known keys.
    """
    try:
        order = _EnableDisable.model_validate_json(payload)
    except ValidationError as error:
        raise PayloadError(explain(error, "")) from None
    return order.connector_id, _entry(order.state, order.source, order.priority)


def legacy_enable_disable(payload: str, state: EnableState) -> tuple[int, EnableDisableSource]:
    """The same from a bare connector number.

    Raises:
        PayloadError: it is not a number.
    """
    connector_id = number(payload)
    if connector_id is None:
        raise PayloadError(f"expected the number of a connector (given: {payload[:60]!r})")
    return connector_id, _entry(state, "LocalAPI", LEGACY_PRIORITY)


def number(payload: str) -> int | None:
    """A whole number from 0 written as text; None for anything else."""
    return int(payload) if re.fullmatch(r"\s*[0-9]{1,9}\s*", payload) else None


def _entry(state: EnableState, source: EnableSource, priority: int) -> EnableDisableSource:
    return EnableDisableSource(enable_source=source, enable_state=state, enable_priority=priority)
