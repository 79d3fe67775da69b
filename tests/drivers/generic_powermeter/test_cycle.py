"""How a meter is read: complete or not at all, later and later where it is silent, by itself again when it answers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.generic_powermeter import cycle, model_file
from drivers.generic_powermeter.cycle import (
    FAULT_S,
    Answered,
    Ask,
    ClearFault,
    Failed,
    Note,
    Publish,
    RaiseFault,
    Tick,
)
from drivers.generic_powermeter.plan import Block, plan
from simulators.modbus_meter.electrics import Electrics
from simulators.modbus_meter.registers import MODELS, Registers

SDM630 = model_file.load(model_file.find("Eastron_SDM630-V2"))
SUNSPEC = model_file.load(model_file.find("SunSpec_203"))


class Wire:
    """A meter that is read, and a clock; answers take ``answer_s``."""

    def __init__(self, simulated: str = "sdm630") -> None:
        model = SUNSPEC if simulated == "sunspec203" else SDM630
        self.simulated = simulated
        self.settings = cycle.settings(model)
        self.now_s = 100.0
        self.state = cycle.begin(self.now_s)
        self.electrics = Electrics(current_a=(10.0, 10.0, 10.0), import_wh=[1000.0, 1000.0, 1000.0])
        self.silent = False
        self.refuses = False
        self.answer_s = 0.05
        self.spoilt = False
        self.moved: dict[tuple[int, int], int] = {}
        self.asked: list[tuple[float, Block]] = []
        self.readings: list[tuple[float, float]] = []
        """When, and its energy."""
        self.faults: list[str] = []
        self.notes: list[str] = []
        self._pending: tuple[float, cycle.Event] | None = None

    @property
    def registers(self) -> Registers:
        return MODELS[self.simulated](self.electrics, self.spoilt) | self.moved

    def feed(self, event: cycle.Event) -> tuple[cycle.Effect, ...]:
        self.state, effects = cycle.step(self.settings, self.state, event, self.now_s)
        for effect in effects:
            match effect:
                case Ask(request_id, block):
                    self.asked.append((self.now_s, block))
                    self._pending = self._reaction(request_id, block)
                case Publish(values):
                    self.readings.append((self.now_s, values.energy_Wh_import.total))
                case RaiseFault(message):
                    assert not self.faulty
                    self.faults.append(message)
                case ClearFault():
                    assert self.faulty
                    self.faults.append("")
                case Note(message):
                    self.notes.append(message)
        return effects

    def _reaction(self, request_id: int, block: Block) -> tuple[float, cycle.Event]:
        if self.silent:
            return self.now_s + 0.6, Failed(request_id, "silence")
        at_s = self.now_s + self.answer_s
        if self.refuses:
            return at_s, Failed(request_id, "refused", refused=True)
        places = [(block.function, block.address + offset) for offset in range(block.count)]
        registers = self.registers
        if any(place not in registers for place in places):
            return at_s, Failed(request_id, "refused", refused=True)
        return at_s, Answered(request_id, tuple(registers[place] for place in places))

    @property
    def faulty(self) -> bool:
        return bool(self.faults) and self.faults[-1] != ""

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            due_s = self.state.next_s if self._pending is None else min(self.state.next_s, self._pending[0])
            if due_s > end_s:
                break
            self.electrics.pass_time(max(0.0, due_s - self.now_s))
            self.now_s = max(self.now_s, due_s)
            if self._pending is not None and self._pending[0] <= self.now_s:
                event, self._pending = self._pending[1], None
                self.feed(event)
            else:
                self.feed(Tick())
        self.electrics.pass_time(end_s - self.now_s)
        self.now_s = end_s


def test_a_meter_is_read_once_a_second_in_few_requests() -> None:
    wire = Wire()
    wire.advance(9.9)
    assert len(wire.readings) == 10
    assert [round(at_s - 100.0, 2) for at_s, _ in wire.readings[:3]] == [0.3, 1.3, 2.3]
    assert len(wire.asked) == 10 * 6
    energies = [energy for _, energy in wire.readings]
    assert energies == sorted(energies)
    assert not wire.faults


def test_neighbouring_registers_are_read_at_once_and_the_energy_last() -> None:
    assert plan(SDM630) == (
        Block(4, 0, 18),
        Block(4, 24, 6),
        Block(4, 52, 2),
        Block(4, 60, 2),
        Block(4, 346, 12),
        Block(4, 70, 6),
    )


def test_no_request_is_longer_than_the_meter_allows_and_none_tears_a_value_apart() -> None:
    for name in model_file.names():
        model = model_file.load(model_file.find(name))
        for block in plan(model):
            assert block.count <= model.most_registers
    em340 = model_file.load(model_file.find("CarloGavazzi_EM340"))
    assert max(block.count for block in plan(em340)) <= 50


def test_what_a_cycle_read_before_it_broke_is_never_published() -> None:
    wire = Wire()
    wire.advance(1.12)  # in the middle of the second cycle
    assert len(wire.readings) == 1
    wire.silent = True
    wire.advance(3.0)
    wire.silent = False
    before = len(wire.asked)
    wire.advance(4.0)
    assert wire.asked[before][1] == wire.asked[0][1], "it begins again with the first block"
    assert wire.readings[1][0] - wire.asked[before][0] < 0.6


def test_a_silent_meter_is_asked_less_and_less_often() -> None:
    wire = Wire()
    wire.silent = True
    wire.advance(60.0)
    times = [at_s - 100.0 for at_s, _ in wire.asked]
    pauses = [round(after - before - 0.6, 3) for before, after in itertools.pairwise(times)]
    assert pauses[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_a_meter_that_is_silent_has_a_fault_after_the_deadline_and_none_when_it_answers() -> None:
    wire = Wire()
    wire.advance(10.3)
    last_s = wire.readings[-1][0]
    wire.silent = True
    wire.advance(last_s + FAULT_S - 0.01 - wire.now_s)
    assert not wire.faulty
    wire.advance(0.02)
    assert wire.faulty
    assert wire.faults == ["no reading for 5 s: silence (18 registers from 0 with function 4)"]
    wire.advance(100.0)
    assert len(wire.faults) == 1
    wire.silent = False
    count = len(wire.readings)
    wire.advance(9.0)
    assert not wire.faulty
    assert len(wire.readings) > count


def test_a_meter_that_never_answered_has_a_fault_too() -> None:
    wire = Wire()
    wire.silent = True
    wire.advance(FAULT_S)
    assert wire.faulty
    assert not wire.readings


@pytest.mark.parametrize("how", ["refuses", "spoilt"])
def test_a_meter_that_refuses_or_knows_nothing_has_a_fault(how: str) -> None:
    wire = Wire()
    wire.advance(3.0)
    setattr(wire, how, True)
    count = len(wire.readings)
    wire.advance(20.0)
    assert wire.faulty
    assert len(wire.readings) == count
    setattr(wire, how, False)
    wire.advance(9.0)
    assert not wire.faulty


def test_a_meter_that_is_slow_is_read_and_one_that_is_too_slow_is_not() -> None:
    wire = Wire()
    wire.answer_s = 0.5
    wire.advance(30.0)
    assert len(wire.readings) > 8
    assert not wire.faults
    wire.answer_s = 1.0
    wire.advance(30.0)
    assert wire.faulty
    assert "does not answer in time" in wire.faults[-1]


def test_an_answer_that_comes_after_its_cycle_was_given_up_changes_nothing() -> None:
    wire = Wire()
    (ask,) = wire.feed(Tick())
    assert isinstance(ask, Ask)
    wire._pending = None
    wire.now_s += cycle.CYCLE_TIMEOUT_S
    wire.feed(Tick())
    before = wire.state
    assert wire.feed(Answered(ask.request_id, (0,) * 18)) == ()
    assert wire.feed(Failed(ask.request_id, "late")) == ()
    assert wire.state == before


def test_an_answer_counts_once() -> None:
    wire = Wire()
    (ask,) = wire.feed(Tick())
    assert isinstance(ask, Ask)
    wire.feed(Answered(ask.request_id, (0,) * 18))
    assert wire.state.at == 1
    assert wire.feed(Answered(ask.request_id, (0,) * 18)) == ()
    assert wire.state.at == 1


@pytest.mark.parametrize("words", [(), (0,) * 17, (0,) * 19, (-1,) * 18, (0x10000,) * 18])
def test_an_answer_of_another_length_or_of_no_words_breaks_the_cycle(words: tuple[int, ...]) -> None:
    wire = Wire()
    (ask,) = wire.feed(Tick())
    assert isinstance(ask, Ask)
    wire.feed(Answered(ask.request_id, words))
    assert wire.state.failures == 1
    assert wire.state.words == ()


def test_a_replaced_meter_is_believed_when_it_says_so_twice() -> None:
    wire = Wire()
    wire.advance(5.0)
    before_wh = wire.readings[-1][1]
    wire.electrics.set_energy(10.0)
    count = len(wire.readings)
    wire.advance(0.5)
    assert len(wire.readings) == count, "once is not enough"
    wire.advance(1.5)
    assert wire.readings[count][1] < before_wh
    assert any("was the meter replaced or reset?" in note for note in wire.notes)
    assert not wire.faults


@pytest.mark.parametrize("wrong_wh", [0.0, 5e9])
def test_a_single_wrong_count_is_not_published(wrong_wh: float) -> None:
    wire = Wire()
    wire.advance(5.0)
    right = wire.electrics.import_wh
    wire.electrics.import_wh = [wrong_wh] * 3
    wire.advance(0.45)  # the cycle that begins now shows it
    wire.electrics.import_wh = right
    wire.advance(5.0)
    energies = [energy for _, energy in wire.readings]
    assert energies == sorted(energies)
    assert max(energies) < 5000.0


def test_a_meter_that_jumps_for_ever_has_a_fault() -> None:
    wire = Wire()
    wire.advance(3.0)
    for number in range(60):
        wire.electrics.import_wh = [float(number % 2) * 1e8] * 3
        wire.advance(0.5)
    assert wire.faulty
    assert "the imported energy went from" in wire.faults[-1]


def test_a_sunspec_meter_is_looked_for_and_then_read_in_one_request() -> None:
    wire = Wire("sunspec203")
    wire.advance(10.0)
    assert [block for _, block in wire.asked[:4]] == [
        Block(3, 40000, 2),
        Block(3, 40002, 2),
        Block(3, 40070, 2),
        Block(3, 40070, 55),
    ]
    assert {block for _, block in wire.asked[4:]} == {Block(3, 40070, 55)}
    assert len(wire.readings) == 10


def test_a_sunspec_map_that_begins_elsewhere_is_found() -> None:
    wire = Wire("sunspec203")
    found = MODELS["sunspec203"](wire.electrics, False)
    MODELS["elsewhere"] = lambda electrics, spoilt: {
        (function, address - 40000): word for (function, address), word in found.items()
    }
    try:
        wire.simulated = "elsewhere"
        wire.advance(2.0)
    finally:
        del MODELS["elsewhere"]
    assert wire.readings
    assert [block.address for _, block in wire.asked[:3]] == [40000, 50000, 0]


@pytest.mark.parametrize(
    ("place", "word", "reason"),
    [
        (40000, 0, "there is no mark"),
        (40070, 113, "its SunSpec map has no model 203"),
        (40070, 0xFFFF, "its SunSpec map has no model 203"),
        (40003, 0xFFF0, "its SunSpec map has no model 203"),
        (40003, 7000, "its SunSpec map breaks off"),
    ],
)
def test_a_device_without_the_sunspec_model_says_so(place: int, word: int, reason: str) -> None:
    wire = Wire("sunspec203")
    wire.moved = {(3, place): word}
    wire.advance(6.0)
    assert wire.faulty
    assert reason in wire.faults[-1]


def test_a_sunspec_model_that_has_moved_is_looked_for_again() -> None:
    wire = Wire("sunspec203")
    wire.advance(2.0)
    wire.moved = {(3, 40070): 1}
    wire.advance(4.0)
    count = len(wire.readings)
    wire.moved = {}
    wire.advance(10.0)
    assert len(wire.readings) > count
    assert sum(block == Block(3, 40000, 2) for _, block in wire.asked) > 1


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, 0.3, 1.0, 6.0]),
        st.sampled_from(["tick", "answer", "short", "fail", "refuse", "old", "nan", "other"]),
    ),
    max_size=80,
)


@given(EVENTS, st.sampled_from(["sdm630", "sunspec203"]))
def test_in_any_order_of_events(events: list[tuple[float, str]], simulated: str) -> None:
    """Nothing half-read is published, faults alternate with clears, and there is always a next time."""
    wire = Wire(simulated)
    for delay_s, what in events:
        wire.now_s += delay_s
        wire.spoilt = what == "nan"
        if what == "other":
            wire.electrics.set_energy(50.0)
        request_id = wire.state.request_id
        asked = wire.state.asked
        count = len(wire.readings)
        match what:
            case "tick":
                wire.feed(Tick())
            case "answer" | "nan" | "other" if asked is not None:
                wire.feed(wire._reaction(request_id, asked)[1])
            case "short":
                wire.feed(Answered(request_id, (1,)))
            case "fail" | "refuse":
                wire.feed(Failed(request_id, what, refused=what == "refuse"))
            case _:
                wire.feed(Answered(request_id - 1, (1, 2)))
        assert len(wire.readings) == count or what in ("answer", "other")
        assert wire.state.asked is None or wire.state.started_s is not None
        assert wire.state.next_s <= wire.now_s + cycle.BACK_OFF_S[-1]
    wire.spoilt = False
    wire._pending = None
    wire.advance(25.0)
    assert wire.readings, "and it recovers by itself"
    assert not wire.faulty
