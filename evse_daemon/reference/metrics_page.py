"""docs/metrics.md: what Prometheus is told, from the declarations."""

from __future__ import annotations

from pathlib import Path

from evse_daemon.framework.measures import Metric
from evse_daemon.metric_names import GROUPS

MADE = "<!-- Made by python -m evse_daemon.reference from evse_daemon/metric_names.py and evse_daemon/reference/metrics.md. -->"

HEAD = Path(__file__).with_name("metrics.md")
"""What no declaration says."""

OF_THE_LIBRARY = (
    Metric("process_cpu_seconds_total", "counter", "CPU time, user and system."),
    Metric("process_resident_memory_bytes", "gauge", "Memory, with all that is shared (RSS)."),
    Metric("process_virtual_memory_bytes", "gauge", "Address space."),
    Metric("process_start_time_seconds", "gauge", "When the process began (Unix time)."),
    Metric("process_open_fds", "gauge", "Open files and sockets."),
    Metric("process_max_fds", "gauge", "How many there may be."),
    Metric(
        "python_info",
        "gauge",
        "1; the Python that runs it.",
        ("implementation", "major", "minor", "patchlevel", "version"),
    ),
)
"""What prometheus_client tells of any process."""


def render() -> str:
    """The page."""
    parts = [MADE, "", HEAD.read_text("utf-8").rstrip()]
    groups = [(group.title, tuple(group.metrics)) for group in GROUPS]
    for title, metrics in (*groups, ("The process", OF_THE_LIBRARY)):
        parts += ["", f"### {title}", "", "| series | labels | kind | what |", "| --- | --- | --- | --- |"]
        parts += [_row(metric) for metric in metrics]
    return "\n".join([*parts, ""])


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {labels} | {metric.kind} | {metric.text} |"
