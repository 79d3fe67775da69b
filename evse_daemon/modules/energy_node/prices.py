"""Prices beside limits: a schedule that tells both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from evse_daemon.modules.energy_manager.bounds import Entry, entry_at, moment_of
from evse_daemon.types.energy import ScheduleReqEntry
from evse_daemon.types.energy_price_information import PricePerkWh

MAX_ENTRIES = 200
"""Bounds what a long forecast makes of a request that is sent every second."""


def with_prices(
    schedule: list[ScheduleReqEntry], prices: Sequence[PricePerkWh], now: dt.datetime
) -> list[ScheduleReqEntry]:
    """A schedule in which each entry tells the price of its time, too, from what is valid now on."""
    if not prices or not schedule:
        return schedule
    entries: list[Entry] = [*prices, *schedule]
    texts = {moment_of(each): each.timestamp for each in entries}
    begun = max((moment for moment in texts if moment <= now), default=min(texts))
    found: list[ScheduleReqEntry] = []
    for moment in sorted(moment for moment in texts if moment >= begun)[:MAX_ENTRIES]:
        entry, price = entry_at(schedule, moment), entry_at(prices, moment)
        assert entry is not None
        found.append(entry.model_copy(update={"timestamp": texts[moment], "price_per_kwh": price}))
    return found
