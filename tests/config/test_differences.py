"""What of a changed file is taken over at once, what waits for a restart, and on which lines it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from evse_daemon.config.differences import Changes, changes
from evse_daemon.config.loading import load_with_lines
from evse_daemon.framework.module import Module, ModuleOptions, is_read_write
from evse_daemon.reference.declared import classes

STATION = """\
settings:
  mqtt_everest_prefix: everest
daemon:
  log_level: info
  ready_within_s: 10
  external_limits:
    grid: {MaxReceiveTimeSec: 60, SafeCurrent: 6}
active_modules:
  evse:
    module: EvseManager
    mapping: {module: {evse: 1}}
    config_module:
      connector_id: 1
      has_ventilation: true
    connections:
      bsp: [{module_id: board, implementation_id: board_support}]
  board:
    module: YetiSimulator
    config_module: {connector_id: 1}
  validator:
    module: DummyTokenValidator
    config_implementation:
      main:
        sleep: 0.25
  provider:
    module: DummyTokenProviderManual
  auth:
    module: Auth
    config_module:
      connection_timeout: 30
      ignore_connector_faults: false
    connections:
      token_provider: [{module_id: provider, implementation_id: main}]
      token_validator: [{module_id: validator, implementation_id: main}]
      evse_manager: [{module_id: evse, implementation_id: evse}]
  energy_manager:
    module: EnergyManager
    connections:
      energy_trunk: [{module_id: grid, implementation_id: energy_grid}]
  grid:
    module: EnergyNode
    config_module:
      fuse_limit_A: 32
      phase_count: 3
    connections:
      energy_consumer: [{module_id: evse, implementation_id: energy_grid}]
"""


class File:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "config.yaml"
        self.path.write_text(STATION)
        self.running, _ = load_with_lines(self.path, {})

    def edited(self, *edits: tuple[str, str], failed: tuple[str, ...] = ()) -> Changes:
        text = STATION
        for before, after in edits:
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        self.path.write_text(text)
        wanted, self.document = load_with_lines(self.path, {})
        return changes(self.running, wanted, failed)

    def lines(self, found: Changes) -> list[str]:
        return [each.at("config.yaml", self.document) for each in found.waiting]


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path)


def taken(found: Changes) -> list[str]:
    return [each.text for each in found.taken]


def test_what_is_only_written_in_another_way_changes_nothing(file: File) -> None:
    found = file.edited(
        ("fuse_limit_A: 32\n", "fuse_limit_A: 32.0  # as before\n"), ("config_module: {", "config: {")
    )
    assert (found.taken, found.waiting, found.modules) == ((), (), ())
    assert found.config.modules == file.running.modules


def test_a_fuse_is_taken_over(file: File) -> None:
    found = file.edited(("fuse_limit_A: 32", "fuse_limit_A: 16"))
    assert taken(found) == ["option fuse_limit_A of grid (32.0 → 16.0)"]
    assert found.modules == ("grid",)
    assert found.config.modules["grid"].options.fuse_limit_A == 16  # type: ignore[attr-defined]  # an EnergyNode's
    assert found.waiting == ()


def test_the_line_is_found_under_both_names_of_the_options(file: File) -> None:
    found = file.edited(("config_module: {connector_id: 1}", "config:\n      connector_id: 2"))
    assert file.lines(found) == ["config.yaml:20 option connector_id of board (1 → 2)"]


def test_the_daemons_own_settings_are_taken_over_each_for_itself(file: File) -> None:
    found = file.edited(
        ("log_level: info", "log_level: debug\n  log_format: json"),
        ("ready_within_s: 10", "ready_within_s: 5"),
    )
    assert taken(found) == ["daemon.ready_within_s (10.0 → 5.0)", "daemon.log_level"]
    assert file.lines(found) == ["config.yaml:5 daemon.log_format"]
    assert found.config.daemon.log_level == "debug"
    assert found.config.daemon.log_format == "auto"


def test_what_is_expected_of_outside_limits_belongs_to_their_node(file: File) -> None:
    found = file.edited(("SafeCurrent: 6", "SafeCurrent: 8"))
    assert (taken(found), found.modules) == (["external_limits of grid"], ("grid",))
    assert found.config.daemon.external_limits["grid"].SafeCurrent == 8
    found = file.edited(("  external_limits:\n    grid: {MaxReceiveTimeSec: 60, SafeCurrent: 6}\n", ""))
    assert (taken(found), found.config.daemon.external_limits) == (["external_limits of grid"], {})


def test_everything_else_waits_and_its_lines_are_named(file: File) -> None:
    found = file.edited(
        ("mqtt_everest_prefix: everest", "mqtt_everest_prefix: left"),
        ("has_ventilation: true", "has_ventilation: false"),
        ("sleep: 0.25", "sleep: 1.5"),
        ("evse: 1}}", "evse: 2}}"),
    )
    assert file.lines(found) == [
        "config.yaml:2 settings.mqtt_everest_prefix",
        "config.yaml:11 the mapping of evse",
        "config.yaml:14 option has_ventilation of evse (True → False)",
        "config.yaml:24 option sleep of validator/main (0.25 → 1.5)",
    ]
    assert found.taken == ()
    assert found.config.modules == file.running.modules
    assert found.config.settings == file.running.settings


def test_a_module_takes_all_that_has_changed_for_it_or_nothing(file: File) -> None:
    found = file.edited(
        ("connection_timeout: 30", "connection_timeout: 60"),
        ("ignore_connector_faults: false", "ignore_connector_faults: true"),
        ("fuse_limit_A: 32", "fuse_limit_A: 16"),
    )
    assert found.modules == ("grid",)
    assert file.lines(found) == [
        "config.yaml:30 option connection_timeout of auth (30 → 60)",
        "config.yaml:31 option ignore_connector_faults of auth (False → True)",
    ]
    assert found.config.modules["auth"] == file.running.modules["auth"]


def test_a_new_module_a_removed_one_and_another_class_wait(file: File) -> None:
    found = file.edited(
        ("module: DummyTokenProviderManual", ("module: DummyTokenProvider\n    config_implementation: {main: {token: A}}\n"
         "    connections: {evse: [{module_id: evse, implementation_id: evse}]}\n  api:\n    module: DummyTokenProviderManual")),
        (("  energy_manager:\n    module: EnergyManager\n    connections:\n"
         "      energy_trunk: [{module_id: grid, implementation_id: energy_grid}]\n"), ""),
    )  # fmt: skip
    assert file.lines(found) == [
        "config.yaml:26 the class of provider",
        "config.yaml:8 removed module energy_manager",
        "config.yaml:29 new module api",
    ]


def test_limits_of_a_node_that_is_new_wait_with_it(file: File) -> None:
    found = file.edited(
        ("    grid: {MaxReceiveTimeSec: 60", "    new: {MaxReceiveTimeSec: 5}\n    grid: {MaxReceiveTimeSec: 60"),
        ("  energy_manager:\n", ("  new:\n    module: EnergyNode\n    config_module: {fuse_limit_A: 6}\n    connections:\n"
         "      energy_consumer: [{module_id: evse, implementation_id: energy_grid}]\n  energy_manager:\n")),
    )  # fmt: skip
    assert (found.taken, [*found.config.daemon.external_limits]) == ((), ["grid"])


def test_a_module_that_has_failed_takes_nothing(file: File) -> None:
    found = file.edited(("fuse_limit_A: 32", "fuse_limit_A: 16"), failed=("grid",))
    assert (found.modules, len(found.waiting)) == ((), 1)


def test_a_text_is_not_shown_it_may_be_a_card(file: File) -> None:
    found = file.edited(
        ("connection_timeout: 30", "connection_timeout: 30\n      master_pass_group_id: SECRET")
    )
    assert taken(found) == ["option master_pass_group_id of auth"]


def test_what_was_taken_over_is_no_difference_any_more(file: File) -> None:
    edits = (("fuse_limit_A: 32", "fuse_limit_A: 16"), ("has_ventilation: true", "has_ventilation: false"))
    file.running = file.edited(*edits).config
    found = file.edited(*edits)
    assert (found.taken, len(found.waiting)) == ((), 1)


@pytest.mark.parametrize("name", sorted(classes()))
def test_a_class_with_options_that_may_change_takes_them_over(name: str) -> None:
    """Else a reload would say that it did, and nothing would."""
    cls = classes()[name]
    models: list[type[ModuleOptions]] = [
        cls.Options,
        *(provided.options for provided in cls.provides.values()),
    ]
    may_change = any(is_read_write(model, option) for model in models for option in model.model_fields)
    assert may_change == (cls.reconfigure is not Module.reconfigure)
