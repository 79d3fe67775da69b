"""The energy tree of a configuration: rings, nodes with two parents, and who is expected to set limits."""

from __future__ import annotations

import pytest

from evse_daemon.config import ConfigurationError, RunConfig, load_text

NODE = """
  {name}:
    module: EnergyNode
    config_module: {{fuse_limit_A: 32}}
    connections:
      energy_consumer: [{children}]"""


def tree(*nodes: tuple[str, str], daemon: str = "") -> str:
    entries = "".join(
        NODE.format(
            name=name,
            children=", ".join(
                f"{{module_id: {child}, implementation_id: energy_grid}}" for child in children.split()
            ),
        )
        for name, children in nodes
    )
    return f"active_modules:{entries}\n{daemon}"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load_text(text)
    return [problem.message for problem in raised.value.problems]


def test_a_node_below_itself_is_refused() -> None:
    assert problems(tree(("grid", "sink"), ("sink", "grid"))) == [
        "grid is below itself in the energy tree",
        "sink is below itself in the energy tree",
    ]


def test_a_node_below_two_others_is_warned_of() -> None:
    config = load_text(
        tree(("a", "sink"), ("b", "sink"), ("sink", "last"), ("last", "end"), ("end", "")).replace(
            "energy_consumer: []", "energy_consumer: [{module_id: evse, implementation_id: energy_grid}]"
        )
        + EVSE
    )
    assert [warning.path for warning in config.warnings if "Auth" not in warning.message] == ["b"]


EVSE = """
  evse:
    module: EvseManager
    config_module: {connector_id: 1}
    connections:
      bsp: [{module_id: board, implementation_id: board_support}]
  board:
    module: YetiSimulator
    config_module: {connector_id: 1}
"""


def expecting(what: str) -> RunConfig:
    return load_text(tree(("sink", "evse")) + EVSE + f"daemon:\n  external_limits: {what}\n")


def test_what_is_expected_of_a_source_of_limits_has_smartgridready_s_names() -> None:
    config = expecting("{sink: {MaxReceiveTimeSec: 60, SafeCurrent: 6}}")
    expected = config.daemon.external_limits["sink"]
    assert (expected.MaxReceiveTimeSec, expected.SafeCurrent) == (60, 6)
    assert expecting("{sink: {MaxReceiveTimeSec: 60}}").daemon.external_limits["sink"].SafeCurrent == 0


@pytest.mark.parametrize(
    "what",
    [
        "{evse: {}}",
        "{sin: {}}",
        "{sink: {SafeCurrent: -1}}",
        "{sink: {MaxReceiveTimeSec: .nan}}",
        "{sink: {Safe: 1}}",
    ],
)
def test_what_cannot_be_expected_is_refused(what: str) -> None:
    with pytest.raises(ConfigurationError):
        expecting(what)
