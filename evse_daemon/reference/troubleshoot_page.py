"""docs/troubleshoot.md: what a user sees, and what to do; the errors from the kernel's own table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evse_daemon.modules.evse_manager.error_table import ROWS, Row

MADE = "<!-- Made by python -m evse_daemon.reference from evse_daemon/reference/ and the table of errors. -->"

SYMPTOMS = Path(__file__).with_name("troubleshoot.md")
"""What no table knows."""


def render(rows: Iterable[Row] = ROWS) -> str:
    """The page."""
    by_remedy: dict[str, list[str]] = {}
    for row in rows:
        name = ", ".join(filter(None, (row.type, row.sub_type)))
        by_remedy.setdefault(row.remedy, []).append(f"`{name}`: {row.text}")
    lines = [f"| {remedy} | {'<br>'.join(errors)} |" for remedy, errors in sorted(by_remedy.items())]
    return "\n".join([MADE, "", SYMPTOMS.read_text("utf-8").rstrip("\n"), *lines, ""])
