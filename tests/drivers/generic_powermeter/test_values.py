"""Registers → values, by the makers' formats; whatever the registers hold, no wrong number comes out."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from drivers.generic_powermeter import model_file
from drivers.generic_powermeter.model import WORDS, MeterModel, Place, Reading, ValueType
from drivers.generic_powermeter.plan import plan
from drivers.generic_powermeter.values import BadValueError, decode, number
from simulators.modbus_meter.electrics import Electrics
from simulators.modbus_meter.registers import MODELS

FILES = {
    "sdm630": "Eastron_SDM630-V2",
    "sdm230": "Eastron_SDM230",
    "sdm72": "Eastron_SDM72DM-V2",
    "em340": "CarloGavazzi_EM340",
    "sunspec203": "SunSpec_203",
}
"""The driver's file for each simulated meter."""


def words_of(words: Sequence[int], address: int = 0) -> dict[Place, int]:
    return {(4, address + offset): word for offset, word in enumerate(words)}


def reading(type_: ValueType, **more: Any) -> Reading:
    return Reading("power_W", "total", (4, 0), type_, **more)


@pytest.mark.parametrize(
    ("type_", "words", "low_first", "value"),
    [
        ("float32", [0x4366, 0x3334], False, 230.2),  # the Eastron manual's example
        ("float32", [0x3334, 0x4366], True, 230.2),
        ("float32", [0xC366, 0x3334], False, -230.2),
        ("int16", [0xFFFF], False, -1),
        ("uint16", [0xFFFF], False, 65535),
        ("int32", [0xFFFF, 0xFFFE], False, -2),
        ("int32", [0xFFFE, 0xFFFF], True, -2),  # Carlo Gavazzi: low word first
        ("uint32", [0x0001, 0x0000], False, 65536),
        ("uint32", [0x0001, 0x0000], True, 1),
        ("int64", [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFD], False, -3),
        ("int64", [0x0005, 0x0000, 0x0000, 0x0000], True, 5),
        ("uint64", [0, 0, 1, 0], False, 65536),
        ("float64", [0x406C, 0xC666, 0x6666, 0x6666], False, 230.2),
    ],
)
def test_word_orders_and_signs(type_: ValueType, words: list[int], low_first: bool, value: float) -> None:
    assert number(reading(type_, low_word_first=low_first), words_of(words)) == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize(
    ("exponent", "value"),
    [(0, 2300), (1, 23000), (0xFFFF, 230.0), (0xFFFE, 23.0), (10, None), (0x8000, None)],
)
def test_a_scale_factor_is_a_signed_power_of_ten(exponent: int, value: float | None) -> None:
    scaled = reading("int16", exponent=(4, 9))
    words = words_of([2300]) | {(4, 9): exponent}
    if exponent == 10:
        with pytest.raises(BadValueError, match="cannot be right"):
            number(scaled, words)
    else:
        assert number(scaled, words) == value


@pytest.mark.parametrize("exponent", [11, 0x7FFF, 0x8001])
def test_a_scale_factor_beyond_ten_is_none(exponent: int) -> None:
    with pytest.raises(BadValueError, match="no exponent of ten"):
        number(reading("int16", exponent=(4, 9)), words_of([1]) | {(4, 9): exponent})


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0xFFC0, 1], [0x7F80, 1]])
def test_nan_is_a_value_that_the_meter_does_not_measure(words: list[int]) -> None:
    assert number(reading("float32"), words_of(words)) is None


@pytest.mark.parametrize("words", [[0x7F80, 0], [0xFF80, 0], [0x7F7F, 0xFFFF]])
def test_infinity_and_the_largest_float_are_no_values(words: list[int]) -> None:
    with pytest.raises(BadValueError, match=r"power_W\.total: .* cannot be right"):
        number(reading("float32"), words_of(words))


def test_a_number_that_stands_for_not_measured_is_absent() -> None:
    sentinel = reading("int16", absent=frozenset([-32768]))
    assert number(sentinel, words_of([0x8000])) is None
    assert number(sentinel, words_of([0x8001])) == -32767


def test_a_counter_is_never_negative() -> None:
    counter = Reading("energy_Wh_import", "total", (4, 0), "int32")
    with pytest.raises(BadValueError, match="cannot be negative"):
        number(counter, words_of([0xFFFF, 0xFFFF]))


def shown_by(
    simulated: str, electrics: Electrics, spoilt: bool = False
) -> tuple[MeterModel, dict[Place, int]]:
    """The driver's model and the registers as the simulated meter has them."""
    model = model_file.load(model_file.find(FILES[simulated]))
    found = MODELS[simulated](electrics, spoilt)
    base = 40000 + 2 + 68 if model.sunspec else 0
    words = {
        (block.function, address): found[block.function, base + address]
        for block in plan(model)
        for address in range(block.address, block.address + block.count)
    }
    return model, words


CHARGING = Electrics(
    voltage_v=230.4,
    current_a=(16.05, 15.9, 0.0),
    power_factor=0.96,
    frequency_hz=49.9,
    import_wh=[123456.7, 2345.6, 345.5],
    export_wh=[100.0, 200.0, 300.0],
)


@pytest.mark.parametrize("simulated", FILES)
def test_what_the_meter_measures_is_what_is_published(simulated: str) -> None:
    """Driver and simulator have the registers from different texts: a mistake in one of both shows here."""
    values = decode(*shown_by(simulated, CHARGING))
    one_phase = simulated == "sdm230"
    import_wh, export_wh = CHARGING.import_wh, CHARGING.export_wh
    step_wh = {"em340": 100.0, "sunspec203": 1.0}.get(simulated, 0.1)
    assert values.energy_Wh_import.total == pytest.approx(
        import_wh[0] if one_phase else sum(import_wh), abs=step_wh / 2
    )
    assert values.energy_Wh_export is not None
    assert values.energy_Wh_export.total == pytest.approx(
        export_wh[0] if one_phase else sum(export_wh), abs=step_wh / 2
    )
    assert values.power_W is not None
    assert values.power_W.total == pytest.approx(
        CHARGING.power_w[0] if one_phase else sum(CHARGING.power_w), abs=0.6
    )
    assert values.voltage_V is not None
    assert values.voltage_V.L1 == 230.4
    assert values.voltage_V.DC is None
    assert values.current_A is not None
    assert values.current_A.L1 == 16.05
    if not one_phase:
        assert (values.current_A.L2, values.current_A.L3) == (15.9, 0.0)
        assert values.voltage_V.L3 == 230.4
        assert values.power_W.L2 is not None
        assert abs(values.power_W.L2 - CHARGING.power_w[1]) < 0.6
    assert values.frequency_Hz is not None
    assert values.frequency_Hz.L1 == 49.9
    if simulated in ("sdm630", "em340", "sunspec203"):
        assert values.VAR is not None
        assert values.VAR.total == pytest.approx(sum(CHARGING.reactive_var), abs=0.6)
    if simulated in ("sdm630", "sunspec203"):
        assert values.energy_Wh_import.L2 is not None
        assert abs(values.energy_Wh_import.L2 - 2345.6) <= step_wh / 2
    assert not values.problems


@pytest.mark.parametrize("simulated", ["sdm630", "em340", "sunspec203"])
def test_a_car_that_feeds_back_has_negative_power(simulated: str) -> None:
    values = decode(*shown_by(simulated, Electrics(current_a=(-10.0, -10.0, -10.0))))
    assert values.power_W is not None
    assert values.power_W.total == -6900.0
    assert values.power_W.L3 == -2300.0


@pytest.mark.parametrize("simulated", FILES)
def test_a_meter_whose_values_are_all_missing_is_not_published(simulated: str) -> None:
    with pytest.raises(BadValueError):
        decode(*shown_by(simulated, CHARGING, spoilt=True))


def test_a_new_meter_shows_zero() -> None:
    for simulated in FILES:
        assert decode(*shown_by(simulated, Electrics())).energy_Wh_import.total == 0.0


def spoilt(model: MeterModel, words: dict[Place, int], name: str, value: Sequence[int]) -> dict[Place, int]:
    place = next(reading.place for reading in model.readings if reading.name == name)
    changed = {(place[0], place[1] + offset): word for offset, word in enumerate(value)}
    return words | changed


NAN = (0x7FC0, 0)
INFINITE = (0x7F80, 0)


def test_a_value_that_is_missing_is_left_out_and_the_others_are_published() -> None:
    model, words = shown_by("sdm630", CHARGING)
    values = decode(model, spoilt(model, words, "current_A.L2", NAN))
    assert values.current_A is not None
    assert (values.current_A.L1, values.current_A.L2, values.current_A.L3) == (16.05, None, 0.0)
    assert not values.problems
    values = decode(model, spoilt(model, words, "power_W.total", NAN))
    assert values.power_W is None, "its total is required"
    assert values.voltage_V is not None
    values = decode(model, spoilt(model, words, "frequency_Hz.L1", INFINITE))
    assert values.frequency_Hz is None
    assert values.problems == ("frequency_Hz.L1: inf cannot be right",)


@pytest.mark.parametrize("value", [NAN, INFINITE, (0xC366, 0x3334), (0x7F7F, 0xFFFF)])
def test_without_the_imported_energy_nothing_is_published(value: Sequence[int]) -> None:
    model, words = shown_by("sdm630", CHARGING)
    with pytest.raises(BadValueError, match="energy"):
        decode(model, spoilt(model, words, "energy_Wh_import.total", value))


def test_a_sum_is_made_of_the_phases_where_the_meter_has_none_and_only_of_all() -> None:
    phases = {f"L{phase}": {"start_register": 30001 + 2 * phase, "num_registers": 2} for phase in (1, 2, 3)}
    model = model_file.parse({"energy_Wh_import": phases}, "my")
    words: dict[Place, int] = {
        (4, 2 + offset): word for offset, word in enumerate(struct.unpack(">6H", struct.pack(">3f", 1, 2, 3)))
    }
    energy = decode(model, words).energy_Wh_import
    assert (energy.total, energy.L1, energy.L3) == (6.0, 1.0, 3.0)
    with pytest.raises(BadValueError):
        decode(model, words | {(4, 4): NAN[0]})


def test_a_meter_that_is_mounted_the_wrong_way_round() -> None:
    model, words = shown_by("sdm630", CHARGING)
    turned = MeterModel(model.name, model.readings, reversed=True)
    values = decode(turned, words)
    assert values.energy_Wh_import.total == 600.0
    assert values.energy_Wh_export is not None
    assert values.energy_Wh_export.L2 == 2345.6
    assert values.power_W is not None
    assert values.power_W.total == pytest.approx(-sum(CHARGING.power_w), abs=0.01)
    assert values.current_A is not None
    assert values.current_A.L1 == 16.05


def numbers_in(value: BaseModel) -> list[float]:
    return [number for number in value.model_dump().values() if number is not None]


@given(st.data(), st.sampled_from(sorted(FILES)))
def test_whatever_the_registers_hold(data: st.DataObject, simulated: str) -> None:
    """Random words give a finite reading with a counter that is not negative, or none."""
    model, words = shown_by(simulated, CHARGING)
    places = sorted(words)
    word = st.one_of(
        st.integers(0, 0xFFFF), st.sampled_from([0, 0x8000, 0x7FFF, 0xFFFF, 0x7FC0, 0x7F80, 0xFF80])
    )
    found = dict(
        zip(places, data.draw(st.lists(word, min_size=len(places), max_size=len(places))), strict=True)
    )
    try:
        values = decode(model, found)
    except BadValueError:
        return
    groups = [getattr(values, name) for name in values.__slots__ if name != "problems"]
    assert all(math.isfinite(each) for group in groups if group is not None for each in numbers_in(group))
    assert 0 <= values.energy_Wh_import.total <= 1e12


@given(
    st.sampled_from(sorted(WORDS)), st.lists(st.integers(0, 0xFFFF), min_size=5, max_size=5), st.booleans()
)
def test_any_words_of_any_type(type_: ValueType, words: list[int], low_first: bool) -> None:
    scaled = reading(type_, low_word_first=low_first, exponent=(4, 4), multiplier=0.1)
    try:
        value = number(scaled, words_of(words))
    except BadValueError:
        return
    assert value is None or abs(value) <= 1e8
