"""Who has enabled or disabled the EVSE, and who of them decides (seed 003; EvseManager/Charger.cpp:1783-1876)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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


TRANSIENT = frozenset({"FirmwareUpdate", "CSMS"})
"""Sources that enter their wish anew after a restart, or have none then: theirs is not kept."""


def lasting(table: Table) -> tuple[EnableDisableSource, ...]:
    """The entries that survive a restart, in their order: the operator's."""
    return tuple(entry for source, entry in table.items() if source not in TRANSIENT and entry != AT_START)


def restored(entries: Iterable[EnableDisableSource]) -> Table:
    """The table after a restart."""
    return {entry.enable_source: entry for entry in entries}


def begun(table: Table) -> Table:
    """The table with the entry that EVerest makes at the start; an operator's under the same name stays."""
    return table if AT_START.enable_source in table else update(table, AT_START)
