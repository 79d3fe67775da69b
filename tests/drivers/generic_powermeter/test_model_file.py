"""Model files: EVerest's as they are, our own, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.generic_powermeter import model_file
from drivers.generic_powermeter.model import MeterModel
from drivers.generic_powermeter.model_file import ModelError, load, parse
from drivers.generic_powermeter.values import decode
from evse_daemon.config import ConfigurationError, load_text
from simulators.modbus_meter.registers import MODELS
from tests.drivers.generic_powermeter.test_values import CHARGING, shown_by

EVEREST = Path(__file__).parents[4] / "shared" / "everest" / "powermeter-models"

needs_everest = pytest.mark.skipif(
    not EVEREST.is_dir(), reason="NOT TESTED: EVerest's model files are not in ../shared"
)

SIX = {
    "start_register": 30073,
    "function_code_start_reg": 4,
    "num_registers": 2,
    "multiplier": 1000.0,
    "exponent_register": 0,
    "function_code_exp_reg": 4,
}
"""A value as EVerest's files have it."""


@needs_everest
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Eastron_SDM230", 6),
        ("Eastron_SDM630-V2", 23),
        ("Eastron_SDM72DM-V2", 13),
        ("Eastron_SDM72DM", 3),
        ("Klefr_693x-694x", 23),
        ("template", 0),
        ("test_dummy", 1),
    ],
)
def test_everests_own_files_load_as_they_are(name: str, count: int) -> None:
    assert len(load(EVEREST / f"{name}.yaml").readings) == count


@needs_everest
@pytest.mark.parametrize(
    "name", ["Eastron_SDM630-V2", "Eastron_SDM72DM-V2", "Eastron_SDM72DM", "Klefr_693x-694x"]
)
def test_ours_of_the_same_name_say_the_same(name: str) -> None:
    theirs, ours = load(EVEREST / f"{name}.yaml"), load(model_file.find(name))
    assert set(theirs.readings) == set(ours.readings)


@needs_everest
def test_everests_sdm630_reads_the_simulated_meter() -> None:
    theirs = load(EVEREST / "Eastron_SDM630-V2.yaml")
    assert decode(theirs, MODELS["sdm630"](CHARGING, False)) == decode(*shown_by("sdm630", CHARGING))  # type: ignore[arg-type]  # functions are ints there


@needs_everest
def test_ours_of_the_sdm230_differs_where_everests_is_wrong() -> None:
    """There the counters of kWh are multiplied by 0.001, and voltage and current are DC."""
    theirs = {reading.place: reading for reading in load(EVEREST / "Eastron_SDM230.yaml").readings}
    ours = {reading.place: reading for reading in load(model_file.find("Eastron_SDM230")).readings}
    assert theirs.keys() == ours.keys()
    assert ours[4, 72].multiplier == 1000
    assert theirs[4, 72].multiplier == 0.001
    assert (ours[4, 0].field, theirs[4, 0].field) == ("L1", "DC")


def test_every_model_of_the_package_can_be_used() -> None:
    assert {
        "Eastron_SDM630-V2",
        "Eastron_SDM230",
        "Eastron_SDM72DM-V2",
        "CarloGavazzi_EM340",
        "SunSpec_203",
    } <= set(model_file.names())
    for name in model_file.names():
        model_file.require_energy(load(model_file.find(name)))


def test_a_model_is_found_by_its_name_in_any_case_or_by_its_path(tmp_path: Path) -> None:
    assert model_file.find("eastron_sdm630-v2").stem == "Eastron_SDM630-V2"
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"energy_Wh_import": SIX}))
    assert load(model_file.find(str(mine))).name == "mine"
    with pytest.raises(ModelError, match="there is no such file"):
        model_file.find(str(tmp_path / "other.yaml"))


def test_function_4_counts_from_the_base_address_and_function_3_does_not() -> None:
    places = {
        function: parse({"energy_Wh_import": SIX | {"function_code_start_reg": function}}, "my")
        .readings[0]
        .place
        for function in (3, 4)
    }
    assert places == {3: (3, 30073), 4: (4, 72)}
    assert parse({"energy_Wh_import": SIX}, "my", base_address=30000).readings[0].place == (4, 73)


def test_the_first_level_is_the_sum_dc_or_of_frequency_l1() -> None:
    both = SIX | {"L1": SIX}
    found = parse({"power_W": both, "voltage_V": both, "frequency_Hz": SIX}, "my")
    assert [reading.name for reading in found.readings] == [
        "power_W.total",
        "power_W.L1",
        "voltage_V.DC",
        "voltage_V.L1",
        "frequency_Hz.L1",
    ]
    only_l1 = SIX | {"num_registers": 0, "L1": SIX}
    assert parse({"frequency_Hz": only_l1}, "my").readings[0].field == "L1", "and not L2, as in EVerest"


def test_one_register_is_an_integer() -> None:
    """EVerest takes its bits for those of a float."""
    one = SIX | {"num_registers": 1}
    types = {
        reading.quantity: reading.type
        for reading in parse({"energy_Wh_import": one, "power_W": one}, "my").readings
    }
    assert types == {"energy_Wh_import": "uint16", "power_W": "int16"}


BAD: list[tuple[Any, str]] = [
    ({"power": SIX}, r"power: .*not permitted"),
    ({"power_W": SIX | {"start_register": "30001"}}, r"power_W\.start_register: .*integer.*'30001'"),
    ({"power_W": SIX | {"start_register": 30000}}, r"power_W\.start_register: 30001 or more is expected"),
    ({"power_W": SIX | {"start_register": -1}}, r"power_W\.start_register: .*greater than or equal to 0"),
    ({"power_W": SIX | {"start_register": 70000}}, r"power_W\.start_register: .*less than 65536"),
    (
        {"power_W": SIX | {"function_code_start_reg": 3, "start_register": 65535}},
        r"power_W\.start_register: its 2 registers must end at 65535",
    ),
    ({"power_W": SIX | {"function_code_start_reg": 5}}, r"power_W\.function_code_start_reg: .*3 or 4.*5"),
    ({"power_W": SIX | {"num_registers": 3}}, r"power_W\.num_registers: .*0, 1, 2 or 4.*3"),
    ({"power_W": SIX | {"num_registers": 4}}, r"power_W\.type: one of float32.* is expected"),
    ({"power_W": SIX | {"type": "int64"}}, r"power_W\.num_registers: 4 is expected for int64 \(given: 2\)"),
    ({"power_W": SIX | {"type": "float"}}, r"power_W\.type: .*'float32'.*'float'"),
    ({"power_W": SIX | {"multiplier": float("nan")}}, r"power_W\.multiplier: .*finite"),
    ({"power_W": SIX | {"multiplyer": 1}}, r"power_W\.multiplyer: "),
    (
        {"power_W": SIX | {"L2": SIX | {"word_order": "little"}}},
        r"power_W\.L2\.word_order: .*'low_first'.*'little'",
    ),
    ({"power_W": SIX | {"exponent_register": 12}}, r"power_W\.exponent_register: 30001 or more"),
    ({"power_W": [1]}, r"power_W: "),
    ({"frequency_Hz": SIX | {"L1": SIX}}, r"frequency_Hz\.L1: .*give it once"),
    (
        {"meter": {"max_registers_per_request": 126}, "power_W": SIX},
        r"meter\.max_registers_per_request: .*125",
    ),
    ({"meter": {"type": "int16"}, "power_W": SIX}, r"power_W\.type: num_registers is 2, int16 takes 1"),
    ({1: 2}, r""),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=[message for _, message in BAD])
def test_a_bad_file_is_named_with_the_key_and_what_was_expected(
    tmp_path: Path, content: Any, message: str
) -> None:
    path = tmp_path / "meter.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ModelError, match=f"^{path}: {message}"):
        load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "line 1: no YAML"),
        ("- 1", "a mapping of quantities is expected: energy_Wh_import"),
        ("", "a mapping of quantities is expected"),
        ("[" * 3000, "no YAML"),
        ("\x00", "no YAML"),
        ("#" * 300_000, "longer than"),
    ],
)
def test_a_file_that_is_no_mapping(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "meter.yaml"
    path.write_text(text)
    with pytest.raises(ModelError, match=message):
        load(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ModelError, match="directory"):
        load(tmp_path)


STATION = """
active_modules:
  bus: {{module: SerialCommHub}}
  meter:
    module: GenericPowermeter
    config_implementation: {{main: {options}}}
    connections:
      serial_comm_hub: [{{module_id: bus, implementation_id: main}}]
"""


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("{}", "there is no model 'test_dummy'; known are CarloGavazzi_EM340"),
        ("{model: SDM630}", "there is no model 'SDM630'; known are"),
        (
            "{model: Eastron_SDM630-V2, modbus_base_address: 40001}",
            r"energy_Wh_import\.start_register: 40001 or more is expected",
        ),
        ("{model: Eastron_SDM630-V2, powermeter_device_id: 248}", "powermeter_device_id"),
    ],
)
def test_check_config_finds_what_is_wrong_with_a_meter(options: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load_text(STATION.format(options=options))


def test_a_model_without_energy_is_no_use(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"power_W": SIX}))
    with pytest.raises(ConfigurationError, match="energy_Wh_import: registers are expected here"):
        load_text(STATION.format(options=f"{{model: {mine}}}"))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [
    "meter",
    "power_W",
    "energy_Wh_import",
    "frequency_Hz",
    "L1",
    *SIX,
    "type",
    "word_order",
    "absent",
    "sunspec_models",
]
NEAR = st.dictionaries(
    st.sampled_from(KEYS),
    st.dictionaries(
        st.sampled_from(KEYS),
        PLAIN | st.integers(0, 66000) | st.sampled_from([3, 4, "int16", SIX]),
        max_size=8,
    ),
    max_size=5,
)


@given(st.dictionaries(st.text(max_size=8) | st.integers(), PLAIN, max_size=5) | NEAR)
def test_whatever_a_file_says_it_is_a_model_or_an_error_that_names_it(content: dict[Any, Any]) -> None:
    try:
        found = parse(content, "my.yaml")
    except ModelError as error:
        said = str(error)
    else:
        assert isinstance(found, MeterModel)
        assert all(0 <= reading.place[1] <= 0xFFFF for reading in found.readings)
        return
    assert said.startswith("my.yaml: ")


@given(st.binary(max_size=200))
def test_whatever_bytes_a_file_has(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.yaml"
    path.write_bytes(content)
    said = str(path)
    try:
        load(path)
    except ModelError as error:
        said = str(error)
    assert str(path) in said
