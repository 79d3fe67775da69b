"""An EVSE that asks for authorization where nobody is there to give it."""

from __future__ import annotations

import pytest

from evse_daemon.config.loading import load_text

STATION = """active_modules:
  board: {{module: YetiSimulator, config_module: {{connector_id: 1}}}}
  evse:
    module: EvseManager
    config_module: {{connector_id: 1, evse_id: X, {options}}}
    connections: {{bsp: [{{module_id: board, implementation_id: board_support}}]}}
{more}"""
AUTH = """  auth:
    module: Auth
    config_module: {connection_timeout: 30}
    connections:
      token_provider: [{module_id: provider, implementation_id: main}]
      token_validator: [{module_id: validator, implementation_id: main}]
      evse_manager: [{module_id: evse, implementation_id: evse}]
  provider: {module: DummyTokenProviderManual}
  validator: {module: DummyTokenValidator}
"""


@pytest.mark.parametrize(
    ("options", "more", "warned"),
    [
        ("disable_authentication: false", "", True),
        ("disable_authentication: true", "", False),
        ("disable_authentication: false", AUTH, False),
    ],
)
def test_who_would_wait_for_ever_for_a_card_is_warned_of(options: str, more: str, warned: bool) -> None:
    warnings = load_text(STATION.format(options=options, more=more)).warnings
    assert [found.line for found in warnings if "nobody can charge" in found.message] == [3] * warned
