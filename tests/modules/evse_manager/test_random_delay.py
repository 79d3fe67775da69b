"""The random delay of the UK's smart charging regulations (reference evse-manager.md §6.5, rows 28, 52, 62)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import random_delay
from evse_daemon.modules.evse_manager.random_delay import Limit, RandomDelay
from evse_daemon.types.energy import EnforcedLimits, IntegerWithSource, LimitsRes, NumberWithSource
from evse_daemon.types.uk_random_delay import CountDown
from tests.modules.evse_manager.plant import ACCEPTED, SWITCHES_PHASES, TOKEN
from tests.modules.evse_manager.rig import DELAY, GRID, Rig

NOW = "2026-03-04T10:15:00.000Z"

ENABLED = {
    "uk_smartcharging_random_delay_enable": True,
    "uk_smartcharging_random_delay_max_duration": 6,
}


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every delay takes as long as it may."""
    monkeypatch.setattr("random.random", lambda: 0.9999)


def countdowns(rig: Rig) -> list[CountDown]:
    return rig.world.published(DELAY, UkRandomDelay.countdown)


def enforce_every_second(rig: Rig, seconds: int, current_a: float, **more: Any) -> None:
    for _ in range(seconds):
        rig.limit(current_a, **more)
        rig.world.advance(1.0)


def charging(options: dict[str, Any] | None = None, current_a: float = 32.0) -> Rig:
    rig = Rig(ENABLED if options is None else options).start()
    rig.world.advance(10.0)
    rig.charge(current_a)
    rig.world.advance(10.0)
    rig.world.recorder.clear()
    return rig


def test_row_52_a_lower_limit_holds_after_the_delay(longest: None) -> None:
    rig = charging()
    rig.limit(10.0)
    started = countdowns(rig)[-1]
    assert started.model_dump(exclude={"start_time"}) == {
        "countdown_s": 6,
        "current_limit_after_delay_A": 10.0,
        "current_limit_during_delay_A": 32.0,
    }
    assert started.start_time == rig.world.bus.timestamp()
    enforce_every_second(rig, 5, 10.0)
    assert [told.countdown_s for told in countdowns(rig)] == [6, 6, 5, 4, 3, 2]
    assert rig.currents() == [32.0], "a step, no ramp"
    assert rig.duties == []
    rig.world.advance(1.0)
    assert rig.currents() == [32.0, 10.0]
    assert [round(duty, 2) for duty in rig.duties] == [16.67]
    assert countdowns(rig)[-1] == CountDown(
        countdown_s=0, current_limit_after_delay_A=10.0, current_limit_during_delay_A=10.0
    )


def test_row_52_then_no_current_at_all_is_delayed_too(longest: None) -> None:
    rig = charging()
    rig.limit(0.0)
    enforce_every_second(rig, 5, 0.0)
    assert rig.names == []
    rig.world.advance(1.0)
    rig.pilot("B")
    assert rig.names == ["StoppingCharging", "ChargingPausedEVSE(NoEnergy)"]


def test_row_28_without_the_delay_a_limit_below_6_a_pauses_at_once() -> None:
    rig = charging({})
    rig.limit(5.0)
    rig.pilot("B")
    assert rig.names == ["StoppingCharging", "ChargingPausedEVSE(NoEnergy)"]
    rig.limit(16.0)
    rig.pilot("C")
    assert rig.names[2:] == ["PrepareCharging", "ChargingStarted"]
    assert [round(duty, 2) for duty in rig.duties] == [26.67]
    assert countdowns(rig) == []


def test_a_higher_limit_waits_as_well(longest: None) -> None:
    rig = charging(current_a=10.0)
    enforce_every_second(rig, 6, 32.0)
    assert rig.currents() == [10.0, 32.0]


def test_the_end_of_a_pause_for_lack_of_energy_is_delayed(longest: None) -> None:
    """EVerest's is not: every car would start when a tariff changes."""
    rig = charging()
    enforce_every_second(rig, 6, 0.0)
    rig.pilot("B")
    assert rig.names[-1] == "ChargingPausedEVSE(NoEnergy)"
    enforce_every_second(rig, 5, 16.0)
    assert rig.names[-1] == "ChargingPausedEVSE(NoEnergy)"
    enforce_every_second(rig, 1, 16.0)
    assert rig.names[-1] == "PrepareCharging"


def test_a_limit_that_a_fuse_sets_does_not_wait(longest: None) -> None:
    rig = charging()
    rig.limit(10.0, who="grid_connection_point/module_config")
    assert rig.currents() == [10.0]
    rig.limit(20.0, who="grid_connection_point/module_config")
    assert rig.currents() == [10.0], "more can wait"


def test_a_fuse_lowers_what_a_delay_holds(longest: None) -> None:
    rig = charging()
    rig.limit(16.0)
    assert rig.currents() == [32.0]
    rig.limit(12.0, who="grid/module_config,tariff")
    assert rig.currents() == [32.0, 12.0]
    assert countdowns(rig)[-1].current_limit_during_delay_A == 12.0


def test_it_is_the_limit_that_binds_whose_source_counts(longest: None) -> None:
    rig = charging()
    by_tariff = NumberWithSource(value=2300.0 * 3, source="tariff")
    rig.limit(32.0, who="evse/evse_board_support_caps", total_power_W=by_tariff)
    assert rig.currents() == [32.0], "the tariff's 10 A wait, though the board's rating is named beside it"
    assert countdowns(rig)[-1].current_limit_after_delay_A == pytest.approx(10.0)


def test_a_delayed_limit_expires_like_any_other(longest: None) -> None:
    rig = charging({**ENABLED, "uk_smartcharging_random_delay_max_duration": 600})
    rig.limit(16.0, valid_for=3)
    rig.world.advance(3.5)
    assert rig.currents() == [32.0, 0.0]
    rig.pilot("B")
    assert rig.names == ["StoppingCharging", "ChargingPausedEVSE(NoEnergy)"]
    rig.limit(12.0)
    assert rig.currents()[-1] == 12.0, "that the energy management was away is no change that waits"


def test_what_has_expired_is_not_held_again(longest: None) -> None:
    rig = Rig(ENABLED).start()
    rig.world.advance(10.0)
    rig.limit(32.0, valid_for=3)
    rig.pilot("B")
    rig.world.advance(5.0)
    rig.limit(16.0)
    assert rig.currents()[-2:] == [0.0, 16.0]


def test_a_delay_at_0_a_expires_with_the_limit_that_it_holds_back(longest: None) -> None:
    rig = Rig(ENABLED, car="B").start()
    rig.limit(32.0, valid_for=3)
    rig.world.advance(3.0)
    assert countdowns(rig)[-1].countdown_s == 0
    rig.world.advance(7.0)
    assert set(rig.currents()) == {0.0}


def test_row_62_a_limit_that_expires_pauses_and_a_new_one_goes_on() -> None:
    rig = charging({})
    rig.limit(16.0, valid_for=6)
    rig.world.advance(5.9)
    assert rig.names == []
    rig.world.advance(0.1)
    rig.pilot("B")
    assert rig.names == ["StoppingCharging", "ChargingPausedEVSE(NoEnergy)"]
    rig.limit(13.0)
    rig.pilot("C")
    assert rig.names[2:] == ["PrepareCharging", "ChargingStarted"]


def test_a_car_that_is_there_at_the_start_waits(longest: None) -> None:
    rig = Rig(ENABLED, car="B").start()
    assert rig.evse.state.charger == "WaitingForAuthentication"
    rig.limit(32.0)
    assert countdowns(rig)[-1].current_limit_during_delay_A == 0.0
    assert rig.currents()[-1] == 0.0
    rig.world.advance(6.0)
    assert rig.currents()[-1] == 32.0


def test_so_does_one_that_is_seen_only_after_the_first_limit(longest: None) -> None:
    rig = Rig(ENABLED).start()
    rig.limit(32.0)
    rig.world.advance(1.0)
    rig.pilot("B")
    rig.limit(32.0)
    assert rig.currents()[-2:] == [32.0, 0.0]
    rig.world.call(DELAY, UkRandomDelay.cancel)
    rig.limit(16.0)
    assert rig.currents()[-1] == 32.0, "this change is one like any other"


def test_a_car_that_comes_later_does_not(longest: None) -> None:
    rig = Rig(ENABLED).start()
    rig.limit(32.0)
    rig.world.advance(4.0)
    rig.limit(32.0)
    rig.world.advance(4.0)
    rig.pilot("B")
    rig.limit(32.0)
    assert rig.currents()[-1] == 32.0


def test_without_a_car_nothing_waits(longest: None) -> None:
    rig = Rig(ENABLED).start()
    rig.world.advance(10.0)
    rig.limit(16.0)
    rig.limit(10.0)
    assert rig.currents()[-2:] == [16.0, 10.0]
    assert {told.countdown_s for told in countdowns(rig)} == {0}


def test_only_from_and_to_zero(longest: None) -> None:
    rig = charging({**ENABLED, "uk_smartcharging_random_delay_at_any_change": False})
    rig.limit(16.0)
    assert rig.currents() == [16.0]
    rig.limit(0.0)
    assert rig.currents() == [16.0]
    assert countdowns(rig)[-1].countdown_s == 6


def test_a_maximum_of_0_is_no_delay(longest: None) -> None:
    rig = charging({**ENABLED, "uk_smartcharging_random_delay_max_duration": 0})
    rig.limit(16.0)
    assert rig.currents() == [16.0]


def test_a_negative_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Rig({"uk_smartcharging_random_delay_max_duration": -1})
    rig = charging()
    with pytest.raises(CallError, match="cannot be -1 s"):
        rig.world.call(DELAY, UkRandomDelay.set_duration_s, -1)
    assert rig.evse.state.delay.max_duration_s == 6


def test_the_maximum_can_be_changed(longest: None) -> None:
    rig = charging()
    rig.world.call(DELAY, UkRandomDelay.set_duration_s, 120)
    rig.limit(16.0)
    assert countdowns(rig)[-1].countdown_s == 120
    rig.world.call(DELAY, UkRandomDelay.set_duration_s, 0)
    rig.world.advance(1.0)
    rig.limit(16.0)
    assert countdowns(rig)[-1].countdown_s == 119, "one that runs goes on"


@pytest.mark.parametrize("command", [UkRandomDelay.cancel, UkRandomDelay.disable])
def test_cancel_and_disable_end_a_delay(command: Any, longest: None) -> None:
    rig = charging()
    rig.limit(16.0)
    rig.world.call(DELAY, command)
    assert rig.currents() == [32.0, 16.0]
    assert countdowns(rig)[-1].countdown_s == 0
    rig.limit(10.0)
    delayed = command is UkRandomDelay.cancel
    assert rig.currents()[-1] == (16.0 if delayed else 10.0)


def test_enable_does_not_end_a_delay_that_runs(longest: None) -> None:
    rig = charging()
    rig.limit(16.0)
    rig.world.call(DELAY, UkRandomDelay.enable)
    assert rig.currents() == [32.0]


def test_the_commands_are_taken_where_no_delay_runs(longest: None) -> None:
    rig = charging({})
    for command in (UkRandomDelay.cancel, UkRandomDelay.disable, UkRandomDelay.enable, UkRandomDelay.enable):
        rig.world.call(DELAY, command)
    assert rig.currents() == []
    assert countdowns(rig) == []
    rig.limit(16.0)
    assert countdowns(rig)[-1].countdown_s == 600, "EVerest's maximum where nothing is configured"


def test_the_settings_survive_a_kernel_that_begins_anew(longest: None) -> None:
    rig = charging()
    rig.world.call(DELAY, UkRandomDelay.set_duration_s, 30)
    rig.limit(16.0)
    assert rig.evse.recover(RuntimeError("planted"), 1)
    delay = rig.evse.state.delay
    assert (delay.enabled, delay.max_duration_s, delay.ends_s) == (True, 30, None)
    assert rig.evse.state.limit_a == 0.0


def test_a_switch_of_phases_waits_with_its_limit(longest: None) -> None:
    """16 A on three phases are three times what they are on one."""
    rig = Rig(ENABLED, capabilities=SWITCHES_PHASES).start()
    rig.world.advance(10.0)
    one: dict[str, Any] = {"ac_max_phase_count": IntegerWithSource(value=1, source="tariff")}
    three: dict[str, Any] = {"ac_max_phase_count": IntegerWithSource(value=3, source="tariff")}
    rig.limit(16.0, valid_for=100_000, **one)
    rig.pilot("B")
    rig.call(Interface.authorize_response, TOKEN, ACCEPTED)
    rig.pilot("C")
    rig.world.advance(10.0)
    rig.world.recorder.clear()
    enforce_every_second(rig, 5, 16.0, **three)
    assert rig.names == []
    enforce_every_second(rig, 1, 16.0, **three)
    assert rig.names == ["SwitchingPhases"]


def test_a_limit_in_watt_waits_as_well(longest: None) -> None:
    rig = charging()
    rig.limit(32.0, total_power_W=NumberWithSource(value=6900.0, source="tariff"))
    assert rig.currents() == [32.0]
    assert countdowns(rig)[-1].current_limit_after_delay_A == pytest.approx(10.0)
    rig.world.advance(6.0)
    assert rig.currents() == [32.0, pytest.approx(10.0)]


def test_a_limit_for_another_evse_is_not_ours(longest: None) -> None:
    rig = charging()
    limits = LimitsRes(ac_max_current_A=NumberWithSource(value=6.0, source="tariff"))
    other = EnforcedLimits(uuid="evse_2", valid_for=10, limits_root_side=limits, schedule=[])
    rig.world.call(GRID, Energy.enforce_limits, other)
    assert countdowns(rig) == []
    assert rig.world.published(("evse", "evse"), Interface.enforced_limits) == []


LIMITS = st.builds(
    Limit,
    st.sampled_from([0.0, 5.0, 6.0, 6.05, 16.0, 32.0]),
    st.sampled_from([None, None, 13.0, 48.0]),
    st.sampled_from([None, 1, 3]),
)


@given(
    steps=st.lists(
        st.tuples(LIMITS, st.floats(0, 20), st.booleans(), st.booleans(), st.floats(0, 1, exclude_max=True)),
        max_size=12,
    ),
    any_change=st.booleans(),
    maximum=st.integers(0, 30),
)
def test_what_holds_was_allowed_before_or_is_now(
    steps: list[tuple[Limit, float, bool, bool, float]], any_change: bool, maximum: int
) -> None:
    """A delay never makes up a limit, never raises one, and never outlives its maximum."""
    delay = RandomDelay(enabled=True, at_any_change=any_change, max_duration_s=maximum)
    now_s, running_since_s = 0.0, 0.0
    for limit, passes_s, car_waits, at_once, chance in steps:
        now_s += passes_s
        if delay.ends_s is not None and now_s >= delay.ends_s:
            delay = random_delay.end(delay)
        before, ran = delay.applied, delay.ends_s is not None
        delay = random_delay.new_limit(
            delay, limit, now_s, NOW, chance, phases=3, car_waits=car_waits, at_once=at_once
        )
        if delay.ends_s is None:
            assert delay.applied == limit
            continue
        assert delay.applied == (random_delay.least(before, limit) if at_once else before)
        assert car_waits
        if not ran:
            running_since_s = now_s
        assert delay.ends_s <= running_since_s + maximum
        if at_once:
            assert delay.applied.current_a <= limit.current_a
            assert limit.shared_a is None or (delay.applied.shared_a or 0.0) <= limit.shared_a
