"""Reads model files: EVerest's format (drivers.md §10.2), and what it lacks: types, word orders, SunSpec."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drivers.generic_powermeter.model import (
    OWN_LEVEL,
    WORDS,
    MeterModel,
    Place,
    Quantity,
    ReadFunction,
    Reading,
    ValueType,
)
from drivers.generic_powermeter.model import Field as Phase
from evse_daemon.framework.interface import explain

FOLDER = Path(__file__).parent / "models"

MOST_BYTES = 200_000

WordOrder = Literal["high_first", "low_first"]

NOT_NEGATIVE: frozenset[Quantity] = frozenset(
    ("energy_Wh_import", "energy_Wh_export", "voltage_V", "frequency_Hz")
)
"""Of one register without a type: EVerest's own reads a float there, which makes no sense."""

ADDRESSES = 0x10000


class ModelError(ValueError):
    """A model file cannot be used; the message names file, key and what was expected."""


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Registers(_Strict):
    """Where one value is."""

    start_register: int = Field(0, ge=0, lt=ADDRESSES)
    function_code_start_reg: ReadFunction | None = None
    num_registers: Literal[0, 1, 2, 4] | None = None
    multiplier: float = 1.0
    exponent_register: int = Field(0, ge=0, lt=ADDRESSES)
    function_code_exp_reg: ReadFunction | None = None
    type: ValueType | None = None
    word_order: WordOrder | None = None
    absent: list[int] | None = None


class _Quantity(_Registers):
    L1: _Registers | None = None
    L2: _Registers | None = None
    L3: _Registers | None = None


class _Meter(_Strict):
    """What holds for the whole file; EVerest's files have none of it."""

    function_code: ReadFunction = 4
    type: ValueType | None = None
    word_order: WordOrder = "high_first"
    absent: Annotated[list[int], Field(max_length=16)] = []
    max_registers_per_request: int = Field(125, ge=4, le=125)
    max_gap_registers: int = Field(0, ge=0, le=125)
    sunspec_models: Annotated[list[Annotated[int, Field(ge=1, lt=0xFFFF)]], Field(max_length=16)] = []
    reversed: bool = False


class _File(_Strict):
    meter: _Meter = _Meter()
    energy_Wh_import: _Quantity | None = None
    energy_Wh_export: _Quantity | None = None
    power_W: _Quantity | None = None
    voltage_V: _Quantity | None = None
    reactive_power_VAR: _Quantity | None = None
    current_A: _Quantity | None = None
    frequency_Hz: _Quantity | None = None


def names() -> list[str]:
    """The models that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(model: str) -> Path:
    """The file of a model: one of the package by its name, or one of the operator's by its whole path.

    Raises:
        ModelError: there is none.
    """
    path = Path(model)
    if path.is_absolute():
        if not path.is_file():
            raise ModelError(f"{path}: there is no such file")
        return path
    for known in names():
        if known.lower() == model.lower():
            return FOLDER / f"{known}.yaml"
    raise ModelError(
        f"there is no model {model!r}; known are {', '.join(names())}, or give the whole path of a file"
    )


def load(path: Path, base_address: int = 30001) -> MeterModel:
    """Reads a model file.

    Args:
        path: of the file.
        base_address: the number that input registers (function 4) are counted from in the file.

    Raises:
        ModelError: what is wrong where.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise ModelError(f"{path}: longer than {MOST_BYTES} bytes, this is no model file")
    try:
        found = yaml.safe_load(content)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ModelError(f"{path}{line}: no YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: no YAML: {error}") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path}: a mapping of quantities is expected: {', '.join(OWN_LEVEL)}")
    return parse(found, str(path), base_address)


def parse(found: dict[Any, Any], name: str, base_address: int = 30001) -> MeterModel:
    """Makes a model of what a file says; as ``load``."""
    try:
        file = _File.model_validate(found)
    except ValidationError as error:
        raise ModelError(f"{name}: {explain(error, '')}") from None
    meter = file.meter
    readings = tuple(_Reader(name, meter, base_address).readings(file))
    return MeterModel(
        name=Path(name).stem,
        readings=readings,
        most_registers=meter.max_registers_per_request,
        widest_gap=meter.max_gap_registers,
        sunspec=tuple(meter.sunspec_models),
        reversed=meter.reversed,
    )


def require_energy(model: MeterModel) -> None:
    """Raises ModelError where a model has no imported energy, without which there is no reading to publish."""
    wanted = "energy_Wh_export" if model.reversed else "energy_Wh_import"
    if not any(reading.quantity == wanted for reading in model.readings):
        raise ModelError(f"{model.name}: {wanted}: registers are expected here: it is what is billed")


class _Reader:
    def __init__(self, name: str, meter: _Meter, base_address: int) -> None:
        self._name = name
        self._meter = meter
        self._base_address = base_address

    def readings(self, file: _File) -> Iterator[Reading]:
        for quantity, own in OWN_LEVEL.items():
            given: _Quantity | None = getattr(file, quantity)
            if given is None:
                continue
            taken: set[str] = set()
            levels: list[tuple[str, Phase, _Registers | None]] = [
                (quantity, own, given),
                (f"{quantity}.L1", "L1", given.L1),
                (f"{quantity}.L2", "L2", given.L2),
                (f"{quantity}.L3", "L3", given.L3),
            ]
            for key, field, registers in levels:
                reading = None if registers is None else self._reading(key, quantity, field, registers)
                if reading is None:
                    continue
                if field in taken:
                    self._fail(key, f"{quantity} means {field} already, give it once")
                taken.add(field)
                yield reading

    def _reading(self, key: str, quantity: Quantity, field: Phase, given: _Registers) -> Reading | None:
        if given.num_registers == 0 or (given.num_registers is None and given.start_register == 0):
            return None
        type_ = self._type(key, quantity, given)
        function = given.function_code_start_reg or self._meter.function_code
        exponent = None
        if given.exponent_register:
            exponent_function = given.function_code_exp_reg or function
            exponent = self._place(f"{key}.exponent_register", exponent_function, given.exponent_register, 1)
        return Reading(
            quantity=quantity,
            field=field,
            place=self._place(f"{key}.start_register", function, given.start_register, WORDS[type_]),
            type=type_,
            low_word_first=(given.word_order or self._meter.word_order) == "low_first",
            multiplier=given.multiplier,
            exponent=exponent,
            absent=frozenset(self._meter.absent if given.absent is None else given.absent),
        )

    def _type(self, key: str, quantity: Quantity, given: _Registers) -> ValueType:
        """EVerest's format knows floats of two registers only."""
        count = given.num_registers
        type_ = given.type or self._meter.type
        if type_ is None:
            if count == 2:
                return "float32"
            if count == 1:
                return "uint16" if quantity in NOT_NEGATIVE else "int16"
            self._fail(f"{key}.type", f"one of {', '.join(get_args(ValueType))} is expected")
        if count is not None and count != WORDS[type_]:
            if given.type is None:
                self._fail(f"{key}.type", f"num_registers is {count}, {type_} takes {WORDS[type_]}")
            self._fail(f"{key}.num_registers", f"{WORDS[type_]} is expected for {type_} (given: {count})")
        return type_

    def _place(self, key: str, function: ReadFunction, register: int, count: int) -> Place:
        address = register
        if function == 4 and not self._meter.sunspec_models:
            address -= self._base_address
        if address < 0:
            self._fail(
                key,
                f"{self._base_address} or more is expected for function 4, by modbus_base_address (given: {register})",
            )
        if address + count > ADDRESSES:
            self._fail(key, f"its {count} registers must end at {ADDRESSES - 1} (given: {register})")
        return function, address

    def _fail(self, key: str, message: str) -> NoReturn:
        raise ModelError(f"{self._name}: {key}: {message}")
