"""Limits for a DC supply from outside of it."""

from __future__ import annotations

from evse_daemon.types.base import EverestType


class ExternalDerating(EverestType):
    max_export_current_A: float | None = None
    max_import_current_A: float | None = None
    max_export_power_W: float | None = None
    max_import_power_W: float | None = None
