"""What an EVSE tells of why it does not charge: its explanation as JSON, with the time since when each part holds."""

from __future__ import annotations

import datetime as dt
from typing import Any

from evse_daemon.framework.clock import timestamp
from evse_daemon.modules.evse_manager.explain import Explanation, explain
from evse_daemon.modules.evse_manager.explain_limits import Told
from evse_daemon.modules.evse_manager.local_limits import Sliders
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.types.energy import EnforcedLimits
from evse_daemon.types.powermeter import Powermeter

READING_STALE_S = 10.0
"""A reading of the meter that is older says nothing of what the car takes now."""

Key = tuple[str, ...]


class Explained:
    """Remembers what the kernel's state does not hold: who set the limit, and since when each thing is so.

    Args:
        evse: which EVSE.
        sliders: what is allowed at the charger itself.
    """

    def __init__(self, evse: EvseShell, sliders: Sliders) -> None:
        self._evse = evse
        self._sliders = sliders
        self._enforced: EnforcedLimits | None = None
        self._enforced_at_s = 0.0
        self._drawn: tuple[float | None, float] = (None, 0.0)
        self._since: dict[Key, float] = {}

    def enforced(self, limits: EnforcedLimits) -> None:
        """The energy management has set a limit."""
        self._enforced, self._enforced_at_s = limits, self._evse.clock.now_s()

    def reading(self, value: Powermeter) -> None:
        """A reading of the billing meter."""
        current = value.current_A
        phases = () if current is None else (current.L1, current.L2, current.L3)
        measured = [abs(phase) for phase in phases if phase is not None]
        self._drawn = (max(measured, default=None), self._evse.clock.now_s())

    def as_json(self) -> dict[str, Any]:
        """The explanation of now; times are absolute, currents in A per phase."""
        evse = self._evse
        now_s, utc = evse.clock.now_s(), evse.clock.utc()
        found = explain(evse.config, evse.state, self.told(now_s), now_s)
        self._follow(found, now_s)
        return self._json(found, now_s, utc)

    def told(self, now_s: float) -> Told:
        """What the module knows beside the kernel's state."""
        evse = self._evse
        drawn_a, drawn_at_s = self._drawn
        return Told(
            enforced=self._enforced,
            enforced_at_s=self._enforced_at_s,
            local=self._sliders.limits,
            local_at_s=self._sliders.at_s,
            nominal_voltage_v=evse.options.ac_nominal_voltage,
            drawn_a=drawn_a if now_s - drawn_at_s < READING_STALE_S else None,
            failed=evse.kernel_failed,
        )

    def _follow(self, found: Explanation, now_s: float) -> None:
        keys: list[Key] = [("block", block.kind, block.source) for block in found.blocks]
        keys += [
            ("limit", limit.kind, limit.source, f"{limit.current_a:.1f}", limit.text)
            for limit in found.limits
        ]
        self._since = {key: self._since.get(key, now_s) for key in keys}

    def _json(self, found: Explanation, now_s: float, utc: dt.datetime) -> dict[str, Any]:
        def moment(at_s: float) -> str:
            return timestamp(utc + dt.timedelta(seconds=at_s - now_s))

        def times(heard_s: float | None, until_s: float | None) -> dict[str, str]:
            given = {"heard": heard_s, "until": until_s}
            return {name: moment(at_s) for name, at_s in given.items() if at_s is not None}

        since = self._since
        return {
            "evse": self._evse.module_id,
            "state": found.state,
            "since": moment(self._evse.state.since_s),
            "charging": found.charging,
            "sentence": found.sentence,
            "allowed_A": round(found.allowed_a, 2),
            "offered_A": round(found.offered_a, 2),
            "drawn_A": None if found.drawn_a is None else round(found.drawn_a, 1),
            "phases": found.phases,
            "blocks": [
                {
                    "kind": block.kind,
                    "source": block.source,
                    "text": block.text,
                    "remedy": block.remedy,
                    "priority": block.priority,
                    "since": moment(since["block", block.kind, block.source]),
                    **times(None, block.until_s),
                }
                for block in found.blocks
            ],
            "limits": [
                {
                    "kind": limit.kind,
                    "source": limit.source,
                    "text": limit.text,
                    "current_A": round(limit.current_a, 2),
                    "in_force": limit.in_force,
                    "smallest": limit.smallest,
                    "since": moment(
                        since["limit", limit.kind, limit.source, f"{limit.current_a:.1f}", limit.text]
                    ),
                    **times(limit.heard_s, limit.until_s),
                }
                for limit in found.limits
            ],
        }
