"""What a driver that failed between two effects hands on: it may not have told what it takes for told; pure."""

from __future__ import annotations

from dataclasses import replace

from drivers.board import state as s


def after_failure(before: s.State, raised: frozenset[s.Fault]) -> s.State:
    """All is told anew once the board has restarted.

    Args:
        before: the state in which the driver failed.
        raised: the errors that are active on the bus, whatever the state says.
    """
    return replace(
        before,
        raised=raised,
        board=None,
        told_missing=before.told_missing or before.board is not None,
        told_pilot=None,
        told_power=None,
        told_cable=None,
    )
