"""The templates by which Home Assistant takes values out of our payloads: Jinja2, without its own extensions.

What is not there becomes ``None``, which Home Assistant shows as unknown (its components/mqtt: PAYLOAD_NONE). A payload
that is no JSON, such as the empty one that clears a retained topic, leaves ``value_json`` undefined, which is no mapping.
"""

from __future__ import annotations

STATE_LENGTH = 255
"""The longest state that Home Assistant takes (its const.py: MAX_LENGTH_STATE_STATE)."""


def value(*path: str, per: int = 1) -> str:
    """A number or text somewhere in an object, divided by ``per``."""
    found, guards = "value_json", []
    for key in path:
        guards.append(f"{found} is mapping")
        found += f".{key}"
    guards.append(f"{found} is defined")
    shown = found if per == 1 else f"({found} / {per}) | round(3)"
    return f"{{{{ ({shown}) if {' and '.join(guards)} else none }}}}"


def of_evse(evse: str, expression: str) -> str:
    """An expression over ``e``, the part of the station's explanation that is this EVSE's; unknown where there is none."""
    return f"{_selected(evse)}{{{{ ({expression}) if e else none }}}}"


def object_of_evse(evse: str, expression: str) -> str:
    """The same where an object is made, for attributes; empty where there is none."""
    return f"{_selected(evse)}{{{{ (({expression}) if e else {{}}) | tojson }}}}"


def on_off(condition: str) -> str:
    """ON or OFF, the payloads of a binary sensor."""
    return f"'ON' if {condition} else 'OFF'"


def _selected(evse: str) -> str:
    every = "(value_json.evses if value_json is mapping and value_json.evses is defined else [])"
    found = f"{{% set found = {every} | selectattr('evse', 'eq', '{evse}') | list %}}"
    return found + "{% set e = found[0] if found else none %}"
