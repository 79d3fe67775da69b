"""What holds for every tree and every course of events (docs/invariants.md, the energy tree)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from evse_daemon.modules.energy_manager.market import Terms
from evse_daemon.modules.energy_manager.phases import Policy
from evse_daemon.modules.energy_manager.plan import Books, Horizon, Plan, plan
from evse_daemon.types.energy import EnergyFlowRequest, EnforcedLimits, ScheduleReqEntry
from tests.modules.energy.requests import NOW, entry, evse, fuse

UTC = dt.datetime.fromisoformat(NOW)
VOLT = 230.0
FOLLOWS_S = 10
"""How long a car may draw what it had before: by IEC 61851-1, not by the code under test."""
GONE_S = 17
"""How long one that is silent may: its limits expire after 10 s, its contactor is open 7 s later."""

STATES = (
    *("Charging", "PrepareCharging", "PausedEV", "PausedEVSE", "WaitForAuth"),
    *("Unplugged", "Disabled", "Finished"),
)
MAY_DRAW = ("Charging", "PrepareCharging", "PausedEV", "Finished")

terms = st.sampled_from(
    [Terms(), Terms(policy=Policy("Both", time_hysteresis_s=0)), Terms(policy=Policy("Oneway"))]
)


@st.composite
def trees(draw: st.DrawFn) -> EnergyFlowRequest:
    """Up to three levels of fuses with 1 to 50 EVSEs, some with limits in watt or phases."""
    level = [
        evse(
            f"evse_{index}",
            draw(st.sampled_from([0, 6, 10, 16, 32, 63.5])),
            draw(st.sampled_from([0, 6, 6, 8])),
            phases=draw(st.sampled_from([1, 3, 3])),
            state=draw(st.sampled_from(STATES)),
        )
        for index in range(draw(st.integers(1, 50)))
    ]
    for depth in range(draw(st.integers(1, 3))):
        above: list[EnergyFlowRequest] = []
        while level:
            count = draw(st.integers(1, len(level)))
            name, limit_a = f"fuse_{depth}_{len(above)}", draw(st.floats(0, 250))
            node = fuse(name, limit_a, *level[:count], phases=draw(st.sampled_from([1, 3, 3])))
            if draw(st.booleans()):
                phases = draw(st.sampled_from([None, 3]))
                node.schedule_import[0] = entry(
                    limit_a, power_w=draw(st.floats(0, 100_000)), phases=phases, source=name
                )
            above.append(node)
            level = level[count:]
        level = above
    return fuse("root", draw(st.floats(0, 500)), *level)


def subtree(node: EnergyFlowRequest) -> list[EnergyFlowRequest]:
    return [node, *(below for child in node.children for below in subtree(child))]


def below(node: EnergyFlowRequest) -> set[str]:
    return {other.uuid for other in subtree(node) if other.node_type == "Evse"}


def limits(node: EnergyFlowRequest) -> list[tuple[float, bool]]:
    """The limits of a node, and whether each is in watt."""
    found = []
    for side in (node.schedule_import[0].limits_to_root, node.schedule_import[0].limits_to_leaves):
        if side.ac_max_current_A is not None:
            found.append((side.ac_max_current_A.value, False))
        if side.total_power_W is not None:
            found.append((side.total_power_W.value, True))
    return found


def amps(enforced: EnforcedLimits) -> float:
    current = enforced.limits_root_side.ac_max_current_A
    return 0.0 if current is None else current.value


def watts(enforced: EnforcedLimits) -> float:
    phases = enforced.limits_root_side.ac_max_phase_count
    return amps(enforced) * VOLT * (3 if phases is None else phases.value)


def least(node: EnergyFlowRequest) -> float:
    given_a = node.schedule_import[0].limits_to_root.ac_min_current_A
    return 0.0 if given_a is None else given_a.value


def check_fuses(
    root: EnergyFlowRequest, current_a: dict[str, float], power_w: dict[str, float], but: tuple[str, ...] = ()
) -> None:
    for node in subtree(root):
        if node.uuid in but:
            continue
        names = below(node)
        for limit, in_watt in limits(node):
            of = power_w if in_watt else current_a
            used = sum(of.get(name, 0.0) for name in names)
            assert used <= limit + 1e-6 * max(1.0, limit), f"{node.uuid}: {used} of {limit}"


def once(root: EnergyFlowRequest, how: Terms) -> dict[str, EnforcedLimits]:
    return {given.uuid: given for given in plan(root, Books(), UTC, 0.0, how, Horizon()).enforced}


@settings(deadline=None)
@given(trees(), terms)
def test_no_fuse_carries_more_than_its_limits(root: EnergyFlowRequest, how: Terms) -> None:
    given_ = once(root, how)
    check_fuses(
        root,
        {name: amps(each) for name, each in given_.items()},
        {name: watts(each) for name, each in given_.items()},
    )


@settings(deadline=None)
@given(trees(), terms)
def test_nobody_gets_less_than_is_useful_but_nothing(root: EnergyFlowRequest, how: Terms) -> None:
    given_ = once(root, how)
    for node in subtree(root):
        if node.node_type == "Evse":
            assert amps(given_[node.uuid]) == 0 or amps(given_[node.uuid]) >= least(node) - 1e-6


@settings(deadline=None)
@given(trees())
def test_nobody_can_get_more_without_somebody_with_no_more_getting_less(root: EnergyFlowRequest) -> None:
    """The definition of max-min fairness, among those who are served."""
    given_ = {name: amps(each) for name, each in once(root, Terms()).items()}
    phases = _phases(root)
    nodes = {node.uuid: node for node in subtree(root)}
    fair: set[str] = set()
    served = {name for name in given_ if given_[name] > 0}
    for node in subtree(root):
        carried = below(node)
        for limit, in_watt in limits(node):
            used = sum(given_[name] * (VOLT * phases[name] if in_watt else 1.0) for name in carried)
            if used < limit - 1e-6 * max(1.0, limit):
                continue
            # Who has as much as any other behind this limit, but for those who have no more than the least useful.
            most = max(
                (given_[name] for name in served & carried if given_[name] > least(nodes[name]) + 1e-6),
                default=0.0,
            )
            fair |= {name for name in served & carried if given_[name] >= most - 1e-6}
    assert fair == served


def _phases(root: EnergyFlowRequest, above: int = 3) -> dict[str, int]:
    count = root.schedule_import[0].limits_to_root.ac_max_phase_count
    most = above if count is None else min(above, count.value)
    found = {root.uuid: most} if root.node_type == "Evse" else {}
    for child in root.children:
        found |= _phases(child, most)
    return found


@settings(deadline=None)
@given(trees(), terms, st.randoms(use_true_random=False))
def test_the_order_of_the_children_does_not_matter(root: EnergyFlowRequest, how: Terms, random: Any) -> None:
    def shuffled(node: EnergyFlowRequest) -> EnergyFlowRequest:
        children = [shuffled(child) for child in node.children]
        random.shuffle(children)
        return node.model_copy(update={"children": children})

    assert once(shuffled(root), how) == once(root, how)


# Courses of events.


@dataclass
class Site:
    """Two groups of EVSEs below one fuse, and the cars as they may draw: the worst that the standard lets them."""

    how: Terms
    states: dict[str, str]
    limit: dict[str, ScheduleReqEntry]
    absent: set[str] = field(default_factory=set)
    now_s: int = 0
    last: Plan = field(default_factory=Plan)
    told: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    """By EVSE: when it was told what, in A and W."""
    lowered_s: dict[str, int] = field(default_factory=dict)
    """By fuse: when its limit was lowered last."""

    @property
    def tree(self) -> EnergyFlowRequest:
        def group(name: str, part: int) -> EnergyFlowRequest:
            evses = [
                evse(each, phases=3, state=state)
                for index, (each, state) in enumerate(self.states.items())
                if index % 2 == part and each not in self.absent
            ]
            return fuse(name, 0, *evses).model_copy(update={"schedule_import": [self.limit[name]]})

        return fuse("grid", 0, group("even", 0), group("odd", 1)).model_copy(
            update={"schedule_import": [self.limit["grid"]]}
        )

    def set_limit(self, name: str, new: ScheduleReqEntry) -> None:
        self.limit[name] = new
        self.lowered_s[name] = self.now_s

    def second(self) -> None:
        now = UTC + dt.timedelta(seconds=self.now_s)
        self.last = plan(self.tree, self.last.books, now, self.now_s, self.how, Horizon())
        for each in self.last.enforced:
            self.told.setdefault(each.uuid, []).append((self.now_s, amps(each), watts(each)))
            self.check()  # after each message, not only when all have arrived
        for name, state in self.states.items():
            if name in self.told and name not in self.absent and state not in MAY_DRAW:
                self.told[name] = self.told[name][-1:]  # its contactor is open: what was told before is over
        self.now_s += 1
        self.check()

    def check(self) -> None:
        recently = tuple(
            name for name, at_s in self.lowered_s.items() if self.now_s - at_s <= FOLLOWS_S + GONE_S
        )
        everywhere = fuse("grid", 0, *(self._whole(name, part) for part, name in enumerate(("even", "odd"))))
        root = everywhere.model_copy(update={"schedule_import": [self.limit["grid"]]})
        check_fuses(root, self._worst(1), self._worst(2), recently)

    def _whole(self, name: str, part: int) -> EnergyFlowRequest:
        evses = [evse(each, 1000) for index, each in enumerate(self.states) if index % 2 == part]
        return fuse(name, 0, *evses).model_copy(update={"schedule_import": [self.limit[name]]})

    def _worst(self, column: int) -> dict[str, float]:
        return {name: self._draws(name, column) for name in self.told}

    def _draws(self, name: str, column: int) -> float:
        told = self.told[name]
        last = told[-1]
        if self.now_s - last[0] >= GONE_S:
            return 0.0
        if name not in self.absent and self.states[name] not in MAY_DRAW:
            return last[column]
        begins = [at_s for at_s, *_ in told[1:]] + [self.now_s + FOLLOWS_S]
        return max(
            each[column]
            for each, until_s in zip(told, begins, strict=True)
            if min(until_s + FOLLOWS_S, each[0] + GONE_S) > self.now_s
        )


def external(limit: tuple[float, float | None]) -> ScheduleReqEntry:
    return entry(limit[0], power_w=limit[1], phases=3, source="outside")


names = [f"evse_{index}" for index in range(6)]
limit_values = st.tuples(
    st.sampled_from([0.0, 6.0, 10.0, 13.0, 20.0, 32.0, 80.0]),
    st.sampled_from([None, None, 1000.0, 4000.0, 4400.0, 11_000.0]),
)
events = st.one_of(
    st.tuples(st.just("limit"), st.sampled_from(["grid", "even", "odd"]), limit_values),
    st.tuples(st.just("state"), st.sampled_from(names), st.sampled_from(STATES)),
    st.tuples(st.just("silent"), st.sampled_from(names), st.none()),
    st.tuples(st.just("back"), st.sampled_from(names), st.none()),
)


@settings(deadline=None)
@given(
    terms,
    st.lists(st.sampled_from(STATES), min_size=6, max_size=6),
    st.lists(limit_values, min_size=3, max_size=3),
    st.lists(st.tuples(events, st.sampled_from([1, 1, 2, 5, 12, 30])), max_size=25),
)
def test_no_fuse_carries_more_however_late_the_cars_follow(
    how: Terms, states: list[str], first: list[Any], course: list[Any]
) -> None:
    limit = {name: external(each) for name, each in zip(("grid", "even", "odd"), first, strict=True)}
    site = Site(how, dict(zip(names, states, strict=True)), limit)
    for (kind, name, value), seconds in course:
        match kind:
            case "limit":
                site.set_limit(name, external(value))
            case "state" if name not in site.absent:
                site.states[name] = value
            case "silent":
                site.absent.add(name)
            case "back":
                site.absent.discard(name)
        for _ in range(seconds):
            site.second()


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 12), st.floats(6, 40))
def test_nobody_starves(cars: int, limit_a: float) -> None:
    """Each car gets its turn before all others have had theirs twice."""
    root = fuse("grid", limit_a, *(evse(f"evse_{index}") for index in range(cars)))
    last, served = Plan(), set()
    turns = -(-cars // int(limit_a // 6))
    for at_s in range(0, 900 * turns + 900, 60):
        last = plan(root, last.books, UTC + dt.timedelta(seconds=at_s), at_s, Terms(), Horizon())
        served |= {each.uuid for each in last.enforced if amps(each) > 0}
    assert len(served) == cars
