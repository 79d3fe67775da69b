"""Who has enabled or disabled the EVSE, and who of them decides (seed 003; EvseManager/Charger.cpp:1783-1876)."""

from __future__ import annotations

from collections.abc import Mapping

from evse_daemon.types.evse_manager import EnableDisableSource

LOWEST_PRIORITY = 10_000

NOBODY = EnableDisableSource(
    enable_source="Unspecified", enable_state="Unassigned", enable_priority=LOWEST_PRIORITY
)
"""Decides where no source has an opinion: enabled."""

AT_START = EnableDisableSource(
    enable_source="Unspecified", enable_state="Enable", enable_priority=LOWEST_PRIORITY
)
"""The entry that EVerest makes when it starts."""

Table = Mapping[str, EnableDisableSource]


def update(table: Table, entry: EnableDisableSource) -> Table:
    """The table with a source's entry replaced in its place."""
    return {**table, entry.enable_source: entry}


def decide(table: Table) -> EnableDisableSource:
    """The entry that counts: of those with an opinion the lowest number; on a tie Disable, then the earlier one."""
    assigned = [entry for entry in table.values() if entry.enable_state != "Unassigned"]
    return min(
        assigned,
        key=lambda entry: (entry.enable_priority, entry.enable_state != "Disable"),
        default=NOBODY,
    )


def enables(entry: EnableDisableSource) -> bool:
    return entry.enable_state != "Disable"
