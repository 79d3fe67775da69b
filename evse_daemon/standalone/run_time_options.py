"""A manager changes an option of a module of ours while it runs: the answer, and what the module is then.

Source: reference everest-framework §11 (``ReadWrite`` parameters, ``config/set_request``). The options are those that a
reload takes over, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from pydantic import ValidationError

from evse_daemon.config.model import ModuleConfig
from evse_daemon.framework.interface import explain
from evse_daemon.framework.module import ModuleOptions, is_read_write
from evse_daemon.standalone.config_messages import MODULE, SetStatus, SetValue
from evse_daemon.standalone.configuration import parsed
from evse_daemon.standalone.definitions import parameters_of


class Outcome(NamedTuple):
    """What becomes of a request."""

    status: SetStatus
    reason: str = ""
    entry: ModuleConfig | None = None
    """The module with its new options, where they are accepted."""


def outcome(entry: ModuleConfig, request: SetValue, *, begun: bool) -> Outcome:
    """Judges a request of the manager.

    Args:
        entry: the module, as it is now.
        request: which option, and its new value.
        begun: the station runs; before that a module takes its options from the start only.
    """
    identifier = request.identifier
    block, name = identifier.implementation_id, identifier.parameter
    options = entry.options if block == MODULE else entry.implementation_options.get(block)
    parameter = parameters_of(entry).get(block, {}).get(name)
    if identifier.module_id != entry.module_id or options is None or parameter is None:
        return Outcome("Rejected", f"{entry.module_id} has no such option")
    if not begun or not is_read_write(type(options), name):
        return Outcome("RebootRequired", f"{name} counts from the next start on")
    try:
        value = parsed(parameter, request.value).value
        new = type(options).model_validate({**_as_given(options), name: value})
    except ValidationError as error:
        return Outcome("Rejected", explain(error, ""))
    except ValueError as error:
        return Outcome("Rejected", str(error))
    if block == MODULE:
        return Outcome("Accepted", entry=replace(entry, options=new))
    others = {**entry.implementation_options, block: new}
    return Outcome("Accepted", entry=replace(entry, implementation_options=others))


def _as_given(options: ModuleOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in type(options).model_fields}
