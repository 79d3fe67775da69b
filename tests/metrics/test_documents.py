"""The names follow Prometheus' practice, all that is exported is documented, and the examples use what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import yaml

from evse_daemon import metric_names as names
from evse_daemon.config import load
from evse_daemon.framework.measures import Metric
from evse_daemon.mqtt.topics import carsim_command
from evse_daemon.reference import metrics_page
from tests.metrics.scrape import Metered
from tests.support.memory_wire import over_memory
from tests.system.processes import ROOT

DECLARED = [metric for group in names.GROUPS for metric in group.metrics]
EXAMPLES = ROOT / "config" / "prometheus"
DOCUMENTED = {metric.name for metric in (*DECLARED, *metrics_page.OF_THE_LIBRARY)}

UNITS = ("seconds", "amperes", "watts", "volts", "joules", "celsius", "bytes")


@pytest.mark.parametrize("metric", DECLARED, ids=lambda metric: metric.name)
def test_a_name_is_as_prometheus_has_it(metric: Metric) -> None:
    assert re.fullmatch(r"evse_[a-z0-9]+(_[a-z0-9]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(r"_(ms|milli|kwh|wh|amps?|watt|volt|percent)(_|$)", metric.name, re.IGNORECASE)
    stem = metric.name.removesuffix("_total")
    if any(unit in stem.split("_") for unit in UNITS):
        assert stem.endswith(UNITS) or stem.endswith(("bytes", "max_seconds")), "the unit is its last word"
    assert metric.text.endswith(".")
    assert set(metric.labels) <= {
        "evse", "module", "node", "state", "kind", "source", "phase", "reason", "status", "type", "severity",
        "device", "connection", "version", "station", "error", "part",
    }  # fmt: skip


def test_each_name_is_declared_once_and_used() -> None:
    assert len({metric.name for metric in DECLARED}) == len(DECLARED)
    source = "".join(
        file.read_text("utf-8")
        for folder in ("evse_daemon", "drivers", "simulators")
        for file in (ROOT / folder).rglob("*.py")
        if file != Path(inspect.getfile(names))
    )
    constants = {key: value for key, value in vars(names).items() if isinstance(value, Metric)}
    assert set(constants.values()) == set(DECLARED)
    assert [key for key in constants if not re.search(rf"\bnames\.{key}\b", source)] == []
    for metric in DECLARED:
        assert f'"{metric.name}"' not in source, "names are in names.py alone"


def test_all_that_a_station_exports_is_on_the_page() -> None:
    station = Metered(over_memory(load(ROOT / "config" / "config-sim.yaml", {})))
    station.advance(5)
    station.send(
        carsim_command(1, "execute_charging_session"),
        "iec_wait_pwr_ready;draw_power_regulated 16,3;sleep 30;unplug",
    )
    station.advance(60)
    found = {re.sub(r"_(bucket|count|sum)$", "", sample.name) for sample in station.scrape().samples}
    assert found <= DOCUMENTED
    assert len(found) > 50
    page = metrics_page.render()
    for name in DOCUMENTED:
        assert f"| `{name}` |" in page


def test_the_page_leads_somewhere() -> None:
    page = metrics_page.render()
    for target in re.findall(r"\]\(([^)]+)\)", page):
        assert (ROOT / "docs" / target).exists(), target
    for name in re.findall(r"`(evse_[a-z_]+_[a-z]+)(?=[`{ ])", page):
        assert name in DOCUMENTED, name


def test_the_examples_use_series_that_there_are() -> None:
    scraped = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text("utf-8"))
    assert scraped["scrape_configs"][0]["static_configs"][0]["targets"] == ["127.0.0.1:9464"]
    for file in scraped["rule_files"]:
        rules = [
            rule
            for group in yaml.safe_load((EXAMPLES / file).read_text("utf-8"))["groups"]
            for rule in group["rules"]
        ]
    by_name = {metric.name: metric for metric in DECLARED}
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        used = set(re.findall(r"\b(?:evse|process)_[a-z_]+\b", rule["expr"]))
        assert used <= set(by_name), rule["alert"]
        assert used or 'up{job="evse-daemon"}' in rule["expr"]
        labels = {label for name in used for label in by_name[name].labels}
        text = "".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels | {"charger"}, rule["alert"]
