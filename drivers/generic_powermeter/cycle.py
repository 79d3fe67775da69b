"""When a meter is read, and what its answers mean: a pure ``step(state, event, now)``.

A reading is published only where all of it was read in one cycle; what a broken cycle has read is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drivers.generic_powermeter import sunspec
from drivers.generic_powermeter.model import MeterModel, Place
from drivers.generic_powermeter.plan import MODEL_ID, Block, plan
from drivers.generic_powermeter.values import BadValueError, Values, decode

PERIOD_S = 1.0
"""From the begin of one cycle to that of the next (EVerest sleeps for as long between two)."""

PAUSE_S = 0.2
"""At least from the end of a cycle to the next, where a slow bus or many meters make cycles long."""

CYCLE_TIMEOUT_S = 5.0
"""A cycle that takes longer is given up: its first values would be too old beside its last."""

FAULT_S = 5.0
"""Without a complete reading for so long the meter has a CommunicationFault."""

BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""After one, two, … failed cycles in a row; a silent meter must not take the bus from its neighbours."""

MOST_WH_PER_S = 300.0
"""More is more than 1 MW: the counter has jumped."""

JUMP_WH = 2000.0
"""A counter may jump so far beside what flowed: meters count in steps."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a cycle reads."""

    model: MeterModel
    blocks: tuple[Block, ...]


def settings(model: MeterModel) -> Settings:
    return Settings(model, plan(model))


# Events


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered with these words."""

    request_id: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A request had no answer, or the meter refuses it.

    Args:
        request_id: which request.
        reason: for people.
        refused: the meter is there, and will not do it.
    """

    request_id: int
    reason: str
    refused: bool = False


Event = Tick | Answered | Failed

# Effects


@dataclass(frozen=True, slots=True)
class Ask:
    """Read these registers; answered by Answered or Failed."""

    request_id: int
    block: Block


@dataclass(frozen=True, slots=True)
class Publish:
    """A complete reading, whose energy was read just now."""

    values: Values


@dataclass(frozen=True, slots=True)
class RaiseFault:
    """Nothing can be read any more: CommunicationFault."""

    message: str


@dataclass(frozen=True, slots=True)
class ClearFault:
    """The meter answers again."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    message: str


Effect = Ask | Publish | RaiseFault | ClearFault | Note


@dataclass(frozen=True, slots=True)
class State:
    """Where the reading of a meter is.

    Args:
        good_s: when the last complete reading came; at first when reading began.
        due_s: when the next cycle begins; while one runs, when it is given up.
        started_s: when the present cycle began; None between two.
        request_id: of the latest request; older answers count no more.
        asked: what that asks, on the wire; None when it is answered.
        at: how many blocks of the plan are read in this cycle.
        words: what was read in this cycle.
        failures: cycles that failed in a row.
        reason: why the last one failed.
        fault: CommunicationFault is raised.
        search: how far the search for a SunSpec model is.
        base: where that was found; 0 where registers are fixed; None while it is searched for.
        counted_wh: imported energy of the last reading.
        counted_s: when that was.
        odd_wh: an energy that does not follow from that, and waits for a second reading that agrees.
    """

    good_s: float
    due_s: float
    started_s: float | None = None
    request_id: int = 0
    asked: Block | None = None
    at: int = 0
    words: tuple[tuple[Place, int], ...] = ()
    failures: int = 0
    reason: str = ""
    fault: bool = False
    search: sunspec.Search = field(default_factory=sunspec.Search)
    base: int | None = None
    counted_wh: float | None = None
    counted_s: float = 0.0
    odd_wh: float | None = None

    @property
    def next_s(self) -> float:
        """When a Tick is due."""
        return self.due_s if self.fault else min(self.due_s, self.good_s + FAULT_S)


Step = tuple[State, tuple[Effect, ...]]


def begin(now_s: float) -> State:
    """Reading begins with the next Tick."""
    return State(good_s=now_s, due_s=now_s)


def step(what: Settings, state: State, event: Event, now_s: float) -> Step:
    """The next state, and what is to be done. An event that does not fit changes nothing.

    Args:
        what: the meter.
        state: where its reading is.
        event: what happened.
        now_s: monotonic time.
    """
    match event:
        case Tick():
            state, effects = _tick(what, state, now_s)
        case Answered(request_id, _) | Failed(request_id, _) if (
            request_id != state.request_id or state.asked is None
        ):
            return state, ()
        case Answered(_, words):
            state, effects = _answered(what, state, words, now_s)
        case Failed(_, reason, refused):
            state, effects = _failed(what, state, reason, refused, now_s)
    if state.fault or now_s < state.good_s + FAULT_S:
        return state, effects
    message = (
        f"no reading for {now_s - state.good_s:.0f} s: {state.reason or 'the meter does not answer in time'}"
    )
    return replace(state, fault=True), (*effects, RaiseFault(message))


def _tick(what: Settings, state: State, now_s: float) -> Step:
    if now_s < state.due_s:
        return state, ()
    if state.started_s is not None:
        return _give_up(state, f"it takes more than {CYCLE_TIMEOUT_S:g} s to read the meter once", now_s)
    state = replace(
        state,
        started_s=now_s,
        due_s=now_s + CYCLE_TIMEOUT_S,
        at=0,
        words=(),
        search=sunspec.Search(),
        base=state.base if what.model.sunspec else 0,
    )
    return _ask(what, state)


def _ask(what: Settings, state: State) -> Step:
    block = state.search.block if state.base is None else what.blocks[state.at].at(state.base)
    state = replace(state, request_id=state.request_id + 1, asked=block)
    return state, (Ask(state.request_id, block),)


def _answered(what: Settings, state: State, words: tuple[int, ...], now_s: float) -> Step:
    asked = state.asked
    assert asked is not None
    if len(words) != asked.count:
        return _give_up(state, f"{len(words)} registers came for {asked.count} from {asked.address}", now_s)
    if any(not 0 <= word <= 0xFFFF for word in words):
        return _give_up(state, f"what came for {asked.address} are no registers", now_s)
    if state.base is None:
        return _searched(what, state, words, now_s)
    block = what.blocks[state.at]
    state = replace(state, at=state.at + 1, words=(*state.words, *block.words(words)))
    if state.at < len(what.blocks):
        return _ask(what, state)
    return _complete(what, replace(state, asked=None), now_s)


def _failed(what: Settings, state: State, reason: str, refused: bool, now_s: float) -> Step:
    if refused and state.base is None:
        return _searched(what, state, None, now_s)
    asked = state.asked
    assert asked is not None
    where = f"{asked.count} registers from {asked.address} with function {asked.function}"
    return _give_up(state, f"{reason} ({where})", now_s)


def _searched(what: Settings, state: State, words: tuple[int, ...] | None, now_s: float) -> Step:
    match sunspec.take(state.search, what.model.sunspec, words):
        case sunspec.Found(address):
            return _ask(what, replace(state, base=address))
        case sunspec.Search() as search:
            return _ask(what, replace(state, search=search))
        case reason:
            return _give_up(state, reason, now_s)


def _complete(what: Settings, state: State, now_s: float) -> Step:
    """All of the cycle is read."""
    words = dict(state.words)
    if what.model.sunspec and words[MODEL_ID] not in what.model.sunspec:
        return _give_up(state, f"at {state.base} stands another SunSpec model now", now_s)
    try:
        values = decode(what.model, words)
    except BadValueError as error:
        return _give_up(state, str(error), now_s)
    energy_wh = values.energy_Wh_import.total
    notes = tuple(Note(problem) for problem in values.problems)
    if not _follows(state.counted_wh, state.counted_s, energy_wh, now_s):
        jump = f"the imported energy went from {state.counted_wh:.10g} to {energy_wh:.10g} Wh"
        if state.odd_wh is None or not _follows(state.odd_wh, state.counted_s, energy_wh, now_s):
            odd = replace(
                state, odd_wh=energy_wh, started_s=None, words=(), due_s=now_s + PAUSE_S, reason=jump
            )
            return odd, notes
        notes = (*notes, Note(f"{jump}: was the meter replaced or reset?"))
    started_s = now_s if state.started_s is None else state.started_s
    good = replace(
        state,
        good_s=now_s,
        due_s=max(started_s + PERIOD_S, now_s + PAUSE_S),
        started_s=None,
        words=(),
        failures=0,
        reason="",
        fault=False,
        counted_wh=energy_wh,
        counted_s=now_s,
        odd_wh=None,
    )
    cleared = (ClearFault(),) if state.fault else ()
    return good, (*notes, *cleared, Publish(values))


def _follows(before_wh: float | None, before_s: float, now_wh: float, now_s: float) -> bool:
    """Whether a counter can have gone there; the first reading follows from nothing."""
    if before_wh is None:
        return True
    return 0.0 <= now_wh - before_wh <= JUMP_WH + MOST_WH_PER_S * (now_s - before_s)


def _give_up(state: State, reason: str, now_s: float) -> Step:
    """The cycle has failed; the next one comes later the longer this goes on."""
    wait_s = BACK_OFF_S[min(state.failures, len(BACK_OFF_S) - 1)]
    failures = state.failures + 1
    state = replace(
        state,
        due_s=now_s + wait_s,
        started_s=None,
        asked=None,
        words=(),
        failures=failures,
        reason=reason,
        # After a second failure the device may be another one.
        base=state.base if failures < 2 else None,
    )
    return state, (Note(reason),) if failures == 1 else ()
