"""Who decides whether the EVSE is enabled (seed 003: priorities, ties, Unassigned)."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.modules.evse_manager import enable_table
from tests.modules.evse_manager.scenario import source


def table(*entries: tuple[Any, Any, int]) -> enable_table.Table:
    made: enable_table.Table = {}
    for who, state, priority in entries:
        made = enable_table.update(made, source(state, priority, who))
    return made


SEED = (("Unspecified", "Unassigned", 10000), ("LocalAPI", "Disable", 42), ("LocalKeyLock", "Enable", 0))


@pytest.mark.parametrize(
    ("entries", "who", "enabled"),
    [
        (SEED, "LocalKeyLock", True),
        ((*SEED, ("LocalKeyLock", "Unassigned", 0)), "LocalAPI", False),
        ((*SEED, ("LocalKeyLock", "Unassigned", 0), ("LocalAPI", "Unassigned", 42)), "Unspecified", True),
        ((), "Unspecified", True),
        ((("CSMS", "Enable", 5), ("LocalAPI", "Disable", 5)), "LocalAPI", False),
        ((("LocalAPI", "Disable", 5), ("CSMS", "Enable", 5)), "LocalAPI", False),
        ((("CSMS", "Disable", 5), ("LocalAPI", "Disable", 5)), "CSMS", False),
        ((("CSMS", "Enable", 5), ("LocalAPI", "Enable", 5)), "CSMS", True),
        ((("CSMS", "Disable", 6), ("LocalAPI", "Enable", 5)), "LocalAPI", True),
        ((("CSMS", "Disable", 0), ("LocalAPI", "Enable", 0), ("MobileApp", "Enable", 0)), "CSMS", False),
        ((("CSMS", "Enable", 10000), ("MobileApp", "Disable", 10000)), "MobileApp", False),
    ],
)
def test_who_decides(entries: tuple[tuple[Any, Any, int], ...], who: str, enabled: bool) -> None:
    decided = enable_table.decide(table(*entries))
    assert decided.enable_source == who
    assert enable_table.enables(decided) is enabled


def test_nobody_who_has_an_opinion_is_told_as_unassigned() -> None:
    assert enable_table.decide(table(("CSMS", "Unassigned", 0))) == source("Unassigned", 10000, "Unspecified")


def test_a_source_has_one_entry_and_keeps_its_place() -> None:
    made = table(("CSMS", "Disable", 5), ("LocalAPI", "Disable", 5), ("CSMS", "Disable", 5))
    assert [*made] == ["CSMS", "LocalAPI"]
    assert enable_table.decide(made).enable_source == "CSMS"


def test_the_table_given_is_not_changed() -> None:
    before = table(("CSMS", "Disable", 5))
    enable_table.update(before, source("Enable"))
    assert before["CSMS"].enable_state == "Disable"
