"""What holds of two connectors on one board whatever happens to either in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import connectors
from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.phyverso_rig import SETTINGS
from tests.drivers.test_driver_properties import events, from_board

Happening = tuple[int | None, s.Event]


def placed(event: s.Event) -> st.SearchStrategy[Happening]:
    of_all = isinstance(event, s.LinkUp | s.LinkLost | s.Damaged | s.Tick) or (
        isinstance(event, s.Received) and connectors.concerns_all(event.message)
    )
    return st.tuples(st.none() if of_all else st.sampled_from((0, 1)), st.just(event))


happenings = (
    st.one_of(events, from_board.map(s.Received))
    .filter(lambda event: not isinstance(event, s.Restarts | s.MoveLock))
    .flatmap(placed)
)
RUN: list[Happening] = [
    (None, s.LinkUp()),
    *[(at, s.Enable(True)) for at in (0, 1)],
    (None, s.Received(m.ConfigurationRequest())),
    *[(at, s.Received(m.PilotState("C"))) for at in (0, 1)],
    (None, s.Received(m.BoardAlive("1.0"))),
    *[(at, s.SetDuty(1600)) for at in (0, 1)],
    *[(at, s.SetPower(True)) for at in (0, 1)],
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(happenings, st.sampled_from((0.0, 0.01, 0.11, 0.5, 1.0, 3.0))), max_size=50),
    st.booleans(),
    st.booleans(),
)
def test_invariants(happened: list[tuple[Happening, float]], running: bool, line: bool) -> None:
    options = (s.Settings(reset_line=line, configuration=SETTINGS.configuration),) * 2
    states: connectors.States = (s.State(), s.State())
    now_s, host_s = 0.0, 0.0
    allowed = [False, False]
    held = False
    begin: list[tuple[Happening, float]] = [(each, 0.0) for each in RUN] if running else []
    for (at, event), wait_s in [*begin, *happened]:
        for where, due in ((at, event), (None, s.Tick())):
            before = states
            states, effects = connectors.step(states, where, due, now_s, options)
            resets = 0
            for index, effect in effects:
                match effect:
                    case s.Send(m.AllowPower(on)):
                        allowed[index] = on
                        assert not on or states[index].power or before[index].power
                    case s.Send(m.Reset()):
                        resets += 1
                        assert not any(allowed), "all are switched off before the board is restarted"
                    case s.Send(m.HostAlive()):
                        host_s = now_s
                    case s.ResetLine(now_held):
                        assert now_held != held
                        held = now_held
            assert resets <= 1
            assert len({state.wire for state in states}) == 1
            assert len({state.silent for state in states}) == 1
            assert any(state.line_held for state in states) == held
            assert len({state.heard_s for state in states}) == 1
            assert len({state.configured for state in states}) == 1
            for state, on in zip(states, allowed, strict=True):
                assert state.power or not state.wire or not on
            restarting = [state.phase in ("away", "resetting") for state in states]
            assert len(set(restarting)) == 1, "a board that is restarted is so for both"
        deadline_s = connectors.next_deadline(states, options)
        assert deadline_s is None or deadline_s > now_s, "a deadline in the past would spin"
        if states[0].wire:
            assert now_s - host_s <= 1.001, "the host is heard"
        else:
            host_s = now_s
        now_s = now_s + wait_s if deadline_s is None else min(now_s + wait_s, max(deadline_s, now_s + 0.001))
