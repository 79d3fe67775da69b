"""Metrics that other computers can read: check-config says so."""

from __future__ import annotations

import ipaddress

from evse_daemon.config.document import Item
from evse_daemon.config.model import DaemonSettings
from evse_daemon.config.problems import Report


def warn_of_metrics_host(daemon: DaemonSettings, item: Item, report: Report) -> None:
    """Warns where the endpoint listens beyond this computer.

    Args:
        daemon: the settings.
        item: where they stand.
        report: gets the warning.
    """
    metrics = daemon.metrics
    if metrics is None or _is_loopback(metrics.host):
        return
    place = item.at(("metrics", "host")) or item
    report.warning(
        place.line,
        "daemon.metrics.host",
        f"whoever reaches {metrics.host}:{metrics.port} can read the metrics: there is no TLS and no login",
        "keep 127.0.0.1 and let Prometheus scrape by way of an agent or a proxy with TLS; or close the port with a "
        "firewall to all but Prometheus",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
