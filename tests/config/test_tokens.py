"""Numbers of cards in a configuration that has mistakes: the log and ``systemctl status`` tell of these, too."""

from __future__ import annotations

import pytest

from evse_daemon.config import ConfigurationError
from evse_daemon.config.loading import load_text

CONFIG = """
active_modules:
  auth:
    module: Auth
    config_module: {{connection_timeout: 30, selection_algorithm: PlugEvents, master_pass_group_id: {group}}}
  reader:
    module: DummyTokenProvider
    config_implementation: {{main: {{token: {token}}}}}
"""


@pytest.mark.parametrize("card", ["12345678", "1234567.5", "[12345678]", "0x1234567", "2026-11-21"])
def test_the_number_of_a_card_without_quotes_is_not_repeated(card: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_text(CONFIG.format(group=card, token=card))
    said = [f"{problem}\n{problem.hint}" for problem in refused.value.problems]
    assert len([text for text in said if "must be a text" in text]) == 2
    for number in (card.strip("[]"), "19088743"):
        assert number not in "\n".join(said)


def test_what_to_do_about_it_is_said() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_text(CONFIG.format(group=12345678, token="A"))
    assert 'put it in quotes: master_pass_group_id: "…"' in str(refused.value)
