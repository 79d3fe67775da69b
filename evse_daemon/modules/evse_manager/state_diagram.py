"""Renders docs/state-diagrams.md from the kernel's tables.

python -m evse_daemon.modules.evse_manager.state_diagram > docs/state-diagrams.md
"""

from __future__ import annotations

import sys

from evse_daemon.modules.evse_manager.transitions import STATES, TRANSITIONS

TITLE = """# The charger's states

Made from `evse_daemon/modules/evse_manager/transitions.py` by `python -m evse_daemon.modules.evse_manager.state_diagram`;
do not edit it. The kernel refuses every way that is not in it. The names are EVerest's.
"""


def render() -> str:
    """The page, in Markdown with a Mermaid diagram."""
    return "\n".join([TITLE, *_diagram(), "", *_states(), "", *_transitions(), ""])


def _diagram() -> list[str]:
    # Mermaid takes a semicolon for the end of a line.
    ways = [
        f"    {before} --> {after}: {reason.replace(';', ',')}"
        for (before, after), reason in TRANSITIONS.items()
    ]
    return ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(STATES))}", *ways, "```"]


def _states() -> list[str]:
    return ["| State | |", "| --- | --- |", *(f"| {state} | {text} |" for state, text in STATES.items())]


def _transitions() -> list[str]:
    rows = [f"| {before} | {after} | {reason} |" for (before, after), reason in TRANSITIONS.items()]
    return ["| From | To | When |", "| --- | --- | --- |", *rows]


if __name__ == "__main__":
    sys.stdout.write(render())
