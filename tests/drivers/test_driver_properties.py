"""What holds of the driver whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import driver, enums
from drivers.board import messages as m
from drivers.board import state as s

pilots = st.sampled_from([m.PilotState(pilot) for pilot in enums.PILOTS])
alive = st.builds(
    m.BoardAlive,
    version=st.sampled_from(("2.2", "1.0", "")),
    timestamp_ms=st.integers(0, 2**32 - 1),
    protocol=st.sampled_from(((0, 1), (1, 0))),
    configured=st.sampled_from((True, True, True, False)),
)
from_board = st.one_of(
    alive,
    st.sampled_from([m.WasReset("user"), m.WasReset("watchdog")]),
    pilots,
    st.booleans().map(m.RelayState),
    st.builds(m.ErrorFlags, *[st.booleans()] * 10),
    st.floats(-13, 13).map(lambda volts: m.PilotVoltages(volts, 0.0)),
    st.sampled_from([m.ProximityState(cable) for cable in enums.CABLES]),
    st.sampled_from([m.LockState(lock) for lock in enums.LOCKS]),
    st.just(m.MeterReading()),
    st.just(m.ConfigurationRequest()),
    st.just(m.FanState(1, True, 50.0, 1200)),
)
events: st.SearchStrategy[s.Event] = st.one_of(
    st.just(s.LinkUp()),
    st.just(s.LinkLost("gone")),
    from_board.map(s.Received),
    from_board.map(s.Received),
    st.just(s.Damaged()),
    st.booleans().map(s.Enable),
    st.sampled_from((0, 500, 1600, 10_001)).map(s.SetDuty),
    st.booleans().map(s.SetPower),
    st.booleans().map(s.SwitchPhases),
    st.builds(s.MoveLock, st.integers(1, 10**9), st.booleans()),
    st.booleans().map(s.Tick),
    st.just(s.Restarts()),
)
RUN: list[s.Event] = [
    s.LinkUp(),
    s.Enable(True),
    s.Received(m.WasReset("user")),
    s.Received(m.PilotState("C")),
    s.Received(m.BoardAlive("2.2")),
    s.SetDuty(1600),
    s.SetPower(True),
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(events, st.sampled_from((0.0, 0.01, 0.11, 0.5, 1.0, 3.0))), max_size=60),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_invariants(
    happenings: list[tuple[s.Event, float]], running: bool, line: bool, configures: bool
) -> None:
    options = s.Settings(
        reset_line=line,
        protocol_major=0,
        minimum_firmware=(2, 0),
        configuration=m.Configure((m.PortSetup(),)) if configures else None,
    )
    state, now_s = s.State(), 0.0
    raised: set[s.Fault] = set()
    asked, answered = set[int](), list[int]()
    last_power: bool | None = None
    told_power = seen = False
    begin = [(event, 0.0) for event in RUN] if running else []
    for event, wait_s in [*begin, *happenings]:
        if isinstance(event, s.MoveLock):
            if event.request_id in asked:
                continue
            asked.add(event.request_id)
        both: tuple[s.Event, ...] = event, s.Tick()
        for due in both:
            before = state
            state, effects = driver.step(state, due, now_s, options)
            for effect in effects:
                match effect:
                    case s.Send(m.AllowPower(on)):
                        last_power = on
                        if on:
                            may = [each for each in (before, state) if each.power]
                            assert may, "power only where it is allowed, to a board that is in step"
                            assert all(each.lost is None and not each.line_held for each in may)
                    case s.Send(m.SetPilot()):
                        assert state.configured or before.configured
                    case s.Send(m.SetLock(False)):
                        assert not before.relay_closed or isinstance(due, s.MoveLock)
                    case s.Raise(fault):
                        assert fault not in raised
                        raised.add(fault)
                    case s.Clear(fault):
                        raised.remove(fault)
                    case s.LockDone(request_id):
                        answered.append(request_id)
                    case s.TellEvent("PowerOn"):
                        assert not told_power
                        told_power = True
                    case s.TellEvent("PowerOff"):
                        assert told_power
                        told_power = False
            if state.wire and not state.power:
                assert not last_power, "what is not allowed any more is taken back in the same step"
        deadline_s = driver.next_deadline(state, options)
        assert deadline_s is None or deadline_s > now_s, "a deadline in the past would spin"
        assert raised == set(state.raised)
        assert len(answered) == len(set(answered)), "a command is answered once"
        waits = {state.lock_request.request_id} if state.lock_request is not None else set()
        assert set(answered) | (waits - {None}) == asked, "and none is forgotten"
        seen = seen or isinstance(event, s.LinkUp | s.LinkLost)
        if (seen and not state.wire) or state.silent:
            assert any(fault.type.endswith("CommunicationFault") for fault in raised)
        now_s = now_s + wait_s if deadline_s is None else min(now_s + wait_s, max(deadline_s, now_s + 0.001))
