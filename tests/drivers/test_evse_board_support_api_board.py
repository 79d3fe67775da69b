"""Whatever happens in whichever order: what the program of a board is never told, and what it is told in time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.evse_board_support_api import board
from evse_daemon.types.evse_board_support import PowerOnOff

ON = PowerOnOff(allow_power_on=True, reason="FullPowerCharging")

HAPPENS = st.one_of(
    st.builds(board.LinkChanged, st.booleans()),
    st.builds(board.Enable, st.booleans()),
    st.sampled_from(
        [board.SetPilot("pwm_on", 50.0), board.SetPilot("cp_state_X1"), board.SetPilot("cp_state_F")]
    ),
    st.builds(board.SetPower, st.sampled_from([ON, ON, board.OFF])),
    st.builds(board.SetLimit, st.floats(6, 32)),
    st.builds(board.SetLock, st.sampled_from(["lock", "unlock"])),
    st.builds(board.Reported, st.sampled_from(["A", "B", "C", "PowerOn", "PowerOff"])),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HAPPENS, st.sampled_from([0.0, 0.01, 0.1, 0.95, 3.0]), st.booleans()), max_size=25))
def test_what_always_holds(happenings: list[tuple[board.BoardEvent, float, bool]]) -> None:
    now_s = 0.0
    state, effects = board.step(board.State(), board.LinkChanged(False), now_s, connected=True)
    there, wanted, closed = False, False, None
    told_s = now_s
    said: dict[str, object] = {}

    def look(effects: tuple[board.Effect, ...]) -> None:
        nonlocal told_s
        for effect in effects:
            if isinstance(effect, board.Say):
                said[effect.topic] = effect.value
                if effect.topic == "allow_power_on":
                    told_s = now_s
                    assert isinstance(effect.value, PowerOnOff)
                    assert not effect.value.allow_power_on or (there and wanted)
                if effect.topic == "unlock":
                    assert closed is not True

    look(effects)
    for event, then_s, connected in happenings:
        match event:
            case board.LinkChanged():
                there, wanted = event.there, False
            case board.SetPower():
                wanted = there and event.value.allow_power_on
            case board.Reported("PowerOn" | "PowerOff"):
                closed = event.event == "PowerOn"
        if isinstance(event, board.SetLock) and event.topic == "unlock" and board.why_not_unlock(state):
            continue  # the module refuses it
        state, effects = board.step(state, event, now_s, connected=connected)
        look(effects)
        until_s = now_s + then_s
        while (deadline_s := board.next_deadline(state)) <= until_s:
            assert deadline_s > now_s or isinstance(event, board.LinkChanged), "time goes on"
            now_s = max(now_s, deadline_s)
            state, effects = board.step(state, board.Tick(), now_s, connected=connected)
            look(effects)
            assert board.next_deadline(state) > now_s
        now_s = until_s
        assert now_s - told_s <= board.REFRESH_S, "the wanted set is told each second"
        assert isinstance(said["allow_power_on"], PowerOnOff)
        assert said["allow_power_on"].allow_power_on == wanted, "what was said last is what is wanted"


def test_power_off_that_is_not_confirmed_is_told_ten_times_a_second_for_a_second() -> None:
    state, _ = board.step(board.State(), board.LinkChanged(True), 0.0, connected=True)
    state, _ = board.step(state, board.Reported("PowerOn"), 10.0, connected=True)
    state, effects = board.step(state, board.SetPower(board.OFF), 10.0, connected=True)
    told = list(effects)
    while (now_s := max(board.next_deadline(state), 10.0)) < 13.0:
        state, effects = board.step(state, board.Tick(), now_s, connected=True)
        told += [effect for effect in effects if effect == board.Say("allow_power_on", board.OFF)]
    assert 12 <= len(told) <= 14  # of these the refresh tells up to three
