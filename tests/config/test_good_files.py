"""What a person can write, and what comes of it."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from evse_daemon.config import ConfigurationError, RunConfig, load
from evse_daemon.framework import registry
from evse_daemon.framework.errors import Mapping
from tests.config.everest import Manifests, configurations, manifest
from tests.config.fakes import Evse

ROOT = Path(__file__).resolve().parents[2]
SIM = ROOT / "simulators/config-sim.yaml"

LATER = ("has no effect yet", "is standalone", "nothing is known of the standalone module")
"""What EVerest's configurations may ask for that comes with a later version, or needs EVerest's manifests."""

MANIFESTS = Manifests()

STATION = """\
settings:
  mqtt_broker_host: broker.example
  telemetry_enabled: false
active_modules:
  evse:
    module: Evse
    config_module: {connector_id: 1, charge_mode: DC}
    mapping:
      module: {evse: 1}
      implementations:
        evse: {evse: 1, connector: 2}
    connections:
      bsp:
        - {module_id: board, implementation_id: board_support}
      meter: []
    telemetry: {id: 7}
    capabilities: [CAP_NET_RAW]
    access: {config: {allow_global_read: true}}
    standalone: false
  board:
    module: Board
    config_module:
      connector_id: 1.0
      voltage: 400
    config_implementation:
      meter_import: {interval: 5}
      meter_export:
    connections:
x-module-layout: {evse: {position: {x: 1}}}
"""


def test_everests_form(good: Callable[..., RunConfig]) -> None:
    config = good(STATION)
    evse, board = config.modules["evse"], config.modules["board"]
    assert list(config.modules) == ["evse", "board"]
    assert evse.cls is Evse
    assert evse.line == 5
    assert evse.options.model_dump() == {
        "connector_id": 1, "charge_mode": "DC", "has_ventilation": True, "evse_id": "DE*PNX*E1", "hack_offset": 0,
    }  # fmt: skip
    assert evse.connections == {"bsp": (("board", "board_support"),), "meter": ()}
    assert evse.mapping == Mapping(1)
    assert evse.implementation_mappings == {"evse": Mapping(1, 2)}
    assert evse.telemetry == 7
    assert board.options.model_dump() == {"connector_id": 1, "serial": "none", "voltage": 400.0}
    assert isinstance(board.options.model_dump()["connector_id"], int)
    assert board.implementation_options["meter_import"].model_dump() == {"interval": 5.0}
    assert set(board.implementation_options) == {"board_support", "meter_import", "meter_export"}
    assert board.mapping is None
    assert config.warnings == ()
    assert config.broker().describe() == "broker.example:1883"


def test_the_short_form_of_the_ocpp_documentation(good: Callable[..., RunConfig]) -> None:
    config = good(
        textwrap.dedent("""\
            active_modules :
             evse :
              module : Evse
              config :
               connector_id : 1
              connections :
               bsp : board
             evse_2 : {module : Evse, config : {connector_id : 2}, connections : {bsp : board}}
             board : {module : Board, config : {connector_id : 1}}
             api :
              module : Api
              connections :
               evse_manager :
               - evse
               - evse_2
            """)
    )
    assert config.modules["evse"].connections["bsp"] == (("board", "board_support"),)
    assert config.modules["api"].connections["evse_manager"] == (("evse", "evse"), ("evse_2", "evse"))


def test_an_option_without_effect_warns_once_and_only_where_it_is_not_the_default(
    good: Callable[..., RunConfig],
) -> None:
    text = STATION.replace("charge_mode: DC", "hack_offset: %d")
    assert good(text % 0).warnings == ()
    (warning,) = good(text % 3, file="my.yaml").warnings
    assert warning.line == 7
    assert "'hack_offset' of Evse has no effect yet" in str(warning)


def test_the_daemon_block(good: Callable[..., RunConfig]) -> None:
    block = """
daemon:
  mqtt_dialect: everest
  broker:
    user: charger
    password_file: /etc/evse/password
    tls: {ca_file: /etc/evse/ca.pem}
  state_dir: /var/lib/evse
  log_level: debug
  log_format: json
"""
    config = good(STATION + block)
    assert config.daemon.mqtt_dialect == "everest"
    assert config.daemon.state_dir == Path("/var/lib/evse")
    assert (config.daemon.log_level, config.daemon.log_format) == ("debug", "json")
    broker = config.broker()
    assert (broker.username, broker.password_file) == ("charger", "/etc/evse/password")
    assert broker.tls is not None
    assert (broker.tls.ca_file, broker.tls.cert_file) == ("/etc/evse/ca.pem", None)
    assert good(STATION + "daemon:\n").daemon.mqtt_dialect == "documented"
    tls = good(STATION + "daemon: {broker: {tls: {}}}").broker().tls
    assert tls is not None, "an empty tls block asks for TLS with the system's authorities"


def test_files_are_meant_from_the_folder_of_the_configuration(
    good: Callable[..., RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my.yaml").write_text(
        STATION + "daemon: {state_dir: state, broker: {user: u, password_file: pw}}"
    )
    monkeypatch.chdir(tmp_path.parent)
    config = load(Path(tmp_path.name) / "my.yaml", {})
    assert config.daemon.state_dir == tmp_path / "state"
    assert config.broker().password_file == str(tmp_path / "pw")


def test_a_key_that_was_empty_before_may_come_again_as_in_one_of_everests_files(
    good: Callable[..., RunConfig],
) -> None:
    config = good(STATION.replace("    mapping:", "    connections: {}\n    mapping:", 1))
    assert config.modules["evse"].connections["bsp"]
    assert "'connections' is given twice" in str(config.warnings[0])


@pytest.mark.parametrize("text", ["0123456", "12:30", "no quotes: needed"[:9], "1e3", "DE*PNX*E1", "ümlaut"])
def test_a_text_that_only_yaml_1_1_takes_for_a_number_stays_a_text(
    good: Callable[..., RunConfig], text: str
) -> None:
    config = good(STATION.replace("charge_mode: DC", f"evse_id: {text}"))
    assert config.modules["evse"].options.model_dump()["evse_id"] == text


@pytest.mark.parametrize("path", configurations())
def test_everests_own_configurations_parse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_module_class", MANIFESTS.find)
    _only_classes_are_missing(path, {name for name in _classes_of(path) if manifest(name) is None})


@pytest.mark.parametrize("path", configurations())
def test_of_everests_own_configurations_only_classes_are_missing(path: Path) -> None:
    _only_classes_are_missing(path, {name for name in _classes_of(path) if _find_real(name) is None})


def _classes_of(path: Path) -> set[str]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(path.read_text("utf-8"), loader)["active_modules"].values()
    return {entry["module"] for entry in entries if not entry.get("standalone")}


def _find_real(name: str) -> Any:
    return registry.find_module_class(name)


def _only_classes_are_missing(path: Path, missing: set[str]) -> None:
    try:
        found = list(load(path, {}).warnings)
    except ConfigurationError as error:
        found = list(error.problems)
    if missing:
        unknown = found.pop(0).message
        assert all(f"{name} (" in unknown for name in missing)
    unexpected = [problem for problem in found if not any(later in problem.message for later in LATER)]
    assert not unexpected, "\n".join(map(str, unexpected))


def test_the_simulators_configuration_fits_everests_manifests(monkeypatch: pytest.MonkeyPatch) -> None:
    if manifest("EvseManager") is None:
        pytest.skip("EVerest's manifests are not at hand (../shared)")
    monkeypatch.setattr(registry, "find_module_class", MANIFESTS.find)
    assert set(load(SIM, {}).modules) == {
        "evse_manager", "yeti_driver", "ev_manager", "auth", "token_provider", "dummy_token_provider",
        "token_validator", "energy_manager", "grid_connection_point", "evse_manager_sink", "api",
    }  # fmt: skip


def test_the_simulators_configuration_runs_here_without_a_warning() -> None:
    config = load(SIM, {})
    assert len(config.modules) == 11
    assert config.warnings == ()


def test_the_default_configuration_is_the_simulators() -> None:
    assert (ROOT / "config/config-sim.yaml").read_text("utf-8") == SIM.read_text("utf-8")
