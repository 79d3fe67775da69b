"""Every mistake is named with its line and what to do about it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from evse_daemon.config import ConfigurationError, Problem, load
from evse_daemon.config.document import MAX_BYTES
from evse_daemon.framework import registry
from evse_daemon.framework.module import Module

Problems = Callable[..., list[Problem]]

STATION = """\
active_modules:
  board:
    module: Board
    config_module:
      connector_id: 1
  evse:
    module: Evse
    config_module:
      connector_id: 1
    connections:
      bsp:
        - module_id: board
          implementation_id: board_support
"""


def changed(old: str, new: str) -> str:
    assert old in STATION
    return STATION.replace(old, new)


def evse_with(option: str) -> str:
    return STATION.replace("    connections:\n", f"      {option}\n    connections:\n")


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_one_report_names_everything(problems: Problems) -> None:
    found = problems("""\
settings:
  mqtt_broker_prot: 1884
active_modules:
  board:
    module: Board
  evse:
    module: Evse
    config_module:
      connector_id: yes
      charge_mod: AC
    connections:
      bsp:
        - module_id: bord
          implementation_id: board_support
  meter:
    module: Metre
""")
    assert [str(problem).splitlines()[0] for problem in found] == [
        "my.yaml:16: evse-daemon has no module class Metre (meter, line 16)",
        "my.yaml:2: unknown key 'mqtt_broker_prot' of settings",
        "my.yaml:4: option 'connector_id' of Board is missing; it has no default",
        "my.yaml:9: option 'connector_id' of Evse must be a whole number, not true",
        "my.yaml:10: unknown option 'charge_mod' of Evse",
        "my.yaml:13: connection 'bsp' of evse (Evse) names a module that is not there: 'bord'",
    ]
    hints = [problem.hint for problem in found]
    assert hints[1] == "did you mean 'mqtt_broker_port'?"
    assert hints[4] == "did you mean 'charge_mode'?"
    assert hints[5] == "did you mean 'board'?"


def test_all_unknown_classes_are_named_in_one_error(problems: Problems) -> None:
    found = problems(
        STATION.replace("module: Board", "module: Bord")
        + "  a:\n    module: EvseV2G\n  b:\n    module: EvseV2G\n  c:\n    module: ../etc\n"
    )
    problem = only(found)
    assert problem.line == 3
    assert "Bord (board, line 3); EvseV2G (a, line 15; b, line 17); ../etc (c, line 19)" in problem.message
    assert "Bord: did you mean Board?" in problem.hint


def test_a_class_that_lacks_a_package_is_named(problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(name: str) -> type[Module]:
        raise ImportError("No module named 'can'")

    monkeypatch.setattr(registry, "find_module_class", lacks)
    assert (
        "module class Board of 'board' cannot be loaded: No module named 'can'"
        in problems(STATION)[0].message
    )


@pytest.mark.parametrize(
    ("option", "message", "hint"),
    [
        ("evse_id: no", "must be a text, not false", 'YAML reads no as false; put it in quotes: evse_id: "no"'),
        ("evse_id: 0.0", "must be a text, not 0.0", 'a number; put it in quotes: evse_id: "0.0"'),
        ("evse_id: 2026-03-04", "must be a text, not the date 2026-03-04", "a date; put it in quotes"),
        ("evse_id:", "must be a text, not nothing", 'for an empty text write evse_id: ""'),
        ("evse_id: [a]", "must be a text, not a list", ""),
        ("has_ventilation: 1", "must be true or false, not 1", ""),
        ('has_ventilation: "true"', "must be true or false, not the text 'true'", "remove the quotes"),
        ("hack_offset: 1.5", "must be a whole number, not 1.5", ""),
        ("hack_offset: '3'", "must be a whole number, not the text '3'", "remove the quotes"),
        ("hack_offset: 010", "must be a whole number, not the text '010'", "write 10"),
        ("hack_offset: .nan", "must be a whole number, not nan", ""),
        ("hack_offset: " + "9" * 6000, "must be a whole number, not the text '999", ""),
        ("charge_mode: dc", "must be 'AC' or 'DC', not the text 'dc'", "did you mean 'DC'?"),
        ("charge_mode: off", "must be 'AC' or 'DC', not false", 'put it in quotes: charge_mode: "off"'),
    ],
)  # fmt: skip
def test_values_of_the_wrong_type(problems: Problems, option: str, message: str, hint: str) -> None:
    problem = only(problems(evse_with(option)))
    assert problem.line == 10
    assert problem.path == f"active_modules.evse.config_module.{option.partition(':')[0]}"
    assert message in problem.message
    assert (hint in problem.hint) if hint else not problem.hint


@pytest.mark.parametrize(
    ("voltage", "message"),
    [
        ("98", "'voltage' of Board must be greater than or equal to 99, not 98"),
        ("501.5", "must be less than or equal to 500, not 501.5"),
        (".nan", "must be a finite number, not nan"),
        ("1e3", "must be a number, not the text '1e3'"),
    ],
)
def test_values_out_of_bounds(problems: Problems, voltage: str, message: str) -> None:
    problem = only(
        problems(STATION.replace("connector_id: 1\n", f"connector_id: 1\n      voltage: {voltage}\n", 1))
    )
    assert problem.line == 6
    assert message in problem.message


def test_an_option_in_the_wrong_block(problems: Problems) -> None:
    in_module = only(
        problems(changed("connector_id: 1\n  evse", "connector_id: 1\n      interval: 2\n  evse"))
    )
    assert "interval is an option of the implementation meter_import: put it under" in in_module.hint
    text = changed("  evse:", "    config_implementation: {meter_import: {serial: x}, meter: {}}\n  evse:")
    unknown, in_implementation = problems(text)
    assert in_implementation.message == "unknown option 'serial' of Board/meter_import"
    assert in_implementation.hint == "it is an option of the module: put it under config_module"
    assert unknown.message == "board (Board) has no implementation 'meter'"
    both = only(
        problems(
            changed(
                "    config_module:\n      connector_id: 1\n  evse",
                "    config: {connector_id: 1}\n    config_module: {}\n  evse",
            )
        )
    )
    assert "both config and config_module" in both.message


BSP = "        - module_id: board\n          implementation_id: board_support\n"


@pytest.mark.parametrize(
    ("connections", "message", "hint"),
    [
        ("      bsp: board\n      meter: board\n", "'meter' of evse (Evse) is ambiguous", "implementation_id: meter_import"),
        ("      bsp: evse\n", "needs evse_board_support, which evse (Evse) does not provide", "board/board_support"),
        ("      bsp: [{module_id: board, implementation_id: meter_import}]\n", "but board/meter_import is powermeter",
         "board provides evse_board_support as: board_support"),
        ("      bsp: [{module_id: board, implementation_id: bsp}]\n", "does not have: 'bsp'", "board_support"),
        ("      bsp: [{module_id: board}]\n", "has no implementation_id", "as: board_support"),
        ("      bsp: [{implementation_id: board_support}]\n", "has no module_id", ""),
        ("      bsp: {module_id: board, implementation_id: board_support}\n", "must be a list", "put `- ` before"),
        ("      bsp: [board, {module_id: board, implementation_id: board_support}]\n", "takes at most 1, 2 are given", ""),
        ("      bsp: []\n", "'bsp' of evse (Evse) is missing", "these provide evse_board_support: board/board_support"),
        ("      {}\n", "'bsp' of evse (Evse) is missing", "board/board_support"),
        ("      bsp: board\n      slac: []\n", "evse (Evse) has no requirement 'slac'", "requirements: bsp, meter"),
        ("      bsp: 5\n", "must be a module id or a list, not 5", ""),
        ("      bsp: [5]\n", "must name a module, not 5", ""),
        ("      bsp: [{module_id: 1, implementation_id: board_support}]\n", "must have a name as module_id, not 1", ""),
        ("      bsp: [{module_id: board, implementation_id: board_support, x: 1}]\n", "unknown key 'x'", ""),
    ],
)  # fmt: skip
def test_connections(problems: Problems, connections: str, message: str, hint: str) -> None:
    found = problems(changed("      bsp:\n" + BSP, connections))
    assert message in found[0].message
    assert hint in found[0].hint
    assert found[0].line in (10, 11, 12)


def test_a_requirement_of_everests_class_that_needs_an_unknown_class_is_no_problem_of_its_own(
    problems: Problems,
) -> None:
    text = STATION + "      slac: %s\n  slac: {module: EvseSlac}\n"
    for connections in ("slac", "[slac]", "[{module_id: slac, implementation_id: main}]"):
        assert "EvseSlac" in only(problems(text % connections)).message
    for connections in ("[slac, board]", "nowhere", "[{}]"):
        assert len(problems(text % connections)) == 2


def test_too_few_connections_say_who_could_serve(problems: Problems) -> None:
    api = "  api: {module: Api}\n"
    problem = only(problems(STATION + api))
    assert problem.message == "connection 'evse_manager' of api (Api) is missing"
    assert problem.hint == "these provide evse_manager: evse/evse"
    twice = "  api: {module: Api, connections: {evse_manager: [evse, evse]}}\n"
    assert "is connected twice to evse/evse" in only(problems(STATION + twice)).message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  evse:", "  1evse:", "'1evse' cannot be a module id"),
        ("  evse:", '  "{x!r}":', "'{x!r}' cannot"),
        ("    module: Evse\n", "    module: Evse\n    telemetry: {id: a}\n", "must be a whole number, not the text 'a'"),
        ("    module: Evse\n", "    module: Evse\n    capabilities: [1]\n", "key 'capabilities.0' of module 'evse' must be a"),
        ("  evse:", "  ev/+:", "'ev/+' cannot be a module id"),
        ("    module: Evse\n", "    modul: Evse\n", "unknown key 'modul' of module 'evse'"),
        ("    module: Evse\n", "    module: Evse\n    mapping: {module: {evse: -1}}\n", "greater than or equal to 0"),
        ("    module: Evse\n", "    module: Evse\n    mapping: {module: {connector: 1}}\n", "'mapping.module.evse'"),
        ("    module: Evse\n", "    module: Evse\n    mapping: {implementations: {x: {evse: 1}}}\n", "implementation 'x'"),
        ("    module: Evse\n", "    module: Evse\n    mapping: {modul: {evse: 1}}\n", "unknown key 'mapping.modul'"),
        ("    module: Evse\n", "    module: Evse\n    telemetry: {}\n", "key 'telemetry.id' of module 'evse' is missing"),
        ("    module: Evse\n", "    module: Evse\n    standalone: true\n", "the daemon speaks the dialect documented"),
        ("    module: Evse\n", "    module: Evse\n    module: Evse\n", "'module' is given twice; first on line 7"),
        ("    config_module:\n      connector_id: 1\n    conn", "    config_module: 5\n    conn", "'config_module' of module"),
    ],
)  # fmt: skip
def test_entries(problems: Problems, old: str, new: str, message: str) -> None:
    found = problems(changed(old, new))
    assert any(message in problem.message for problem in found), "\n".join(map(str, found))
    assert all(problem.line for problem in found)


@pytest.mark.parametrize("text", ["active_modules:\n  evse:\n", "active_modules: {evse: [1]}"])
def test_entries_that_are_none(problems: Problems, text: str) -> None:
    assert "module 'evse'" in only(problems(text)).message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("settings: {}", "the section `active_modules:` is missing"),
        ("active_modules:", "must be a mapping of module ids to modules, not nothing"),
        ("active_modules: {}", "nothing would run"),
        ("active_modul: {}", "unknown section 'active_modul'"),
        ("- a", "the file must be a mapping"),
        ("just a text", "the file must be a mapping"),
        ("a: b: c", "this is not YAML"),
        ("a:\n\t- b", "this is not YAML"),
        ("a: \x07", "this is not YAML"),
        ("a: *nowhere", "this is not YAML"),
        ("a: 1\n---\nb: 2", "this is not YAML"),
        ("a: !!python/object/apply:os.abort", "tag:yaml.org,2002:python/object/apply:os.abort"),
        ("a: &a [*a]", "nested more than"),
        ("[" * 400 + "]" * 400, "nested more than"),
        ("[" * 100_000 + "]" * 100_000, ""),
        ("{? [a] : 1}", "a key must be a name"),
    ],
)
@pytest.mark.parametrize("without_c", [False, True])
def test_files_that_are_no_configuration(
    problems: Problems, monkeypatch: pytest.MonkeyPatch, text: str, message: str, without_c: bool
) -> None:
    if without_c:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert message in problems(text)[0].message


def test_a_syntax_error_has_a_line_and_advice(problems: Problems) -> None:
    problem = only(problems(changed("      connector_id: 1\n  evse", "\t    connector_id: 1\n  evse")))
    assert problem.line == 5
    assert problem.hint == "indent with spaces; YAML allows no tabs there"


def test_aliases_that_stand_for_billions_are_refused(problems: Problems) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "more than 50000 values" in problems("\n".join(lines))[0].message


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        with pytest.raises(ConfigurationError) as raised:
            load(path, {})
        return str(only(list(raised.value.problems)))

    file = tmp_path / "my.yaml"
    assert problem(file) == f"{file}: the configuration cannot be read: No such file or directory"
    assert "Is a directory" in problem(tmp_path)
    file.write_bytes(b"a: 1\nb: \xff\xfe\n")
    assert problem(file).startswith(f"{file}:2: this is not a text in UTF-8")
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than 1 MiB" in problem(file)
    if sys.platform == "linux":
        assert "larger than 1 MiB" in problem(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("daemon: {mqtt_dialect: everst}", "must be 'documented', 'everest' or 'classic', not the text 'everst'"),
        ("daemon: {brokr: {}}", "unknown key 'brokr' of daemon"),
        ("daemon: {broker: {pasword_file: x}}", "unknown key 'broker.pasword_file' of daemon"),
        ("daemon: {broker: {password_file: x}}", "a password file needs a user name"),
        ("daemon: {broker: {tls: {key_file: x}}}", "a key file needs the certificate file"),
        ("daemon: {broker: {tls: {ca_file: 5}}}", "key 'broker.tls.ca_file' of daemon must be a file name, not 5"),
        ("daemon: 5", "daemon must be a mapping"),
        ("daemon: {broker: {tls: {}}}\nsettings: {mqtt_broker_socket_path: /s}", "TLS is not used on a unix socket"),
        ("settings: {mqtt_bind_address: x}", "unknown key 'mqtt_bind_address' of settings"),
        ("settings: {mqtt_broker_port: 65536}", "less than or equal to 65535, not 65536"),
        ("settings: {mqtt_broker_host: h, mqtt_broker_socket_path: /s}", "are both given"),
        ("settings: {mqtt_everest_prefix: 'ev/#'}", "'ev/#' cannot be a topic prefix: + and # are wildcards"),
        ("settings: {mqtt_everest_prefix: /}", "the everest prefix is empty"),
        ("settings: {mqtt_external_prefix: 'x/+/'}", "+ and # are wildcards"),
        ("settings: {mqtt_everest_prefix: ev, mqtt_external_prefix: ev/}", "same as the everest prefix (ev)"),
        ("settings: {mqtt_everest_prefix: $SYS}", "belong to the broker"),
    ],
)  # fmt: skip
def test_settings(problems: Problems, block: str, message: str) -> None:
    problem = only(problems(STATION + block + "\n"))
    assert message in problem.message
    assert problem.line in (14, 15)


def test_a_long_report_ends(problems: Problems) -> None:
    text = "active_modules: {}\n" + "\n".join(f"x{n}: 1" for n in range(1000))
    with pytest.raises(ConfigurationError) as raised:
        raise ConfigurationError(problems(text))
    assert len(raised.value.problems) == 1001
    assert str(raised.value).endswith("… and 951 more")
