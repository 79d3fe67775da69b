"""Who enables and disables (seed 003; reference evse-manager.md §5, rows 8-12, 66a)."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as Interface
from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import enable_table
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.store.memory import MemoryJournal
from evse_daemon.types.evse_manager import EnableDisableSource, EnableSource, EnableState
from tests.modules.evse_manager.plant import Plant
from tests.modules.evse_manager.rig import EVSE, Rig, source

SOURCES: tuple[Any, ...] = get_args(EnableSource)

BOARD = ("board", "board_support")


def table(*entries: EnableDisableSource) -> enable_table.Table:
    found: enable_table.Table = {}
    for entry in entries:
        found = enable_table.update(found, entry)
    return found


# The table


def test_the_example_of_the_description() -> None:
    """Seed 003's own words: first LocalKeyLock decides by its priority, then it withdraws its wish."""
    first = table(
        source("Unspecified", "Unassigned", 10000),
        source("LocalAPI", "Disable", 42),
        source("LocalKeyLock", "Enable", 0),
    )
    assert enable_table.decide(first) == source("LocalKeyLock", "Enable", 0)
    second = enable_table.update(first, source("LocalKeyLock", "Unassigned", 0))
    assert enable_table.decide(second) == source("LocalAPI", "Disable", 42)
    assert [entry.enable_source for entry in second.values()] == ["Unspecified", "LocalAPI", "LocalKeyLock"]


@pytest.mark.parametrize(
    ("entries", "decides"),
    [
        ([], enable_table.NOBODY),
        ([source("CSMS", "Unassigned", 0)], enable_table.NOBODY),
        ([source("CSMS", "Enable", 10000)], source("CSMS", "Enable", 10000)),
        ([source("CSMS", "Enable", 5), source("LocalAPI", "Disable", 5)], source("LocalAPI", "Disable", 5)),
        ([source("LocalAPI", "Disable", 5), source("CSMS", "Enable", 5)], source("LocalAPI", "Disable", 5)),
        (
            [source("MobileApp", "Disable", 5), source("CSMS", "Disable", 5)],
            source("MobileApp", "Disable", 5),
        ),
        ([source("MobileApp", "Enable", 5), source("CSMS", "Enable", 5)], source("MobileApp", "Enable", 5)),
        ([source("LocalAPI", "Disable", 6), source("CSMS", "Enable", 5)], source("CSMS", "Enable", 5)),
    ],
)
def test_the_lowest_number_decides_then_disable_then_the_first(
    entries: list[EnableDisableSource], decides: EnableDisableSource
) -> None:
    assert enable_table.decide(table(*entries)) == decides


ENTRY = st.builds(
    source,
    st.sampled_from(SOURCES),
    st.sampled_from(get_args(EnableState)),
    st.sampled_from([0, 1, 42, 9999, 10000]),
)


def decided_as_everest_does(entries: list[EnableDisableSource]) -> EnableDisableSource:
    """The loop of Charger.cpp:1783, in Python."""
    rows: list[EnableDisableSource] = []
    for entry in entries:
        for index, row in enumerate(rows):
            if row.enable_source == entry.enable_source:
                rows[index] = entry
                break
        else:
            rows.append(entry)
    winner = enable_table.NOBODY
    for row in rows:
        if row.enable_state == "Unassigned":
            continue
        if winner.enable_state == "Unassigned" or row.enable_priority < winner.enable_priority:
            winner = row
        elif row.enable_priority == winner.enable_priority and winner.enable_state == "Enable":
            winner = row if row.enable_state == "Disable" else winner
    return winner


@given(st.lists(ENTRY, max_size=12))
def test_any_table_is_decided_as_everest_does(entries: list[EnableDisableSource]) -> None:
    assert enable_table.decide(table(*entries)) == decided_as_everest_does(entries)


@given(st.lists(ENTRY, max_size=12))
def test_what_is_kept_over_a_restart(entries: list[EnableDisableSource]) -> None:
    begun = enable_table.begun(table(*entries))
    kept = enable_table.restored(enable_table.lasting(begun))
    assert not set(kept) & {"CSMS", "FirmwareUpdate"}
    again = enable_table.begun(kept)
    assert again == {name: row for name, row in begun.items() if name not in ("CSMS", "FirmwareUpdate")}


# The commands


def told(plant: Plant) -> list[tuple[str, str, str, int | None]]:
    """Enabled and Disabled with who decided and the connector."""
    return [
        (event.event, event.source.enable_source, event.source.enable_state, event.connector_id)
        for event in plant.events
        if event.source is not None
    ]


def ready() -> Plant:
    plant = Plant()
    plant.boot()
    plant.tell(ev.CpChanged("A"))
    return plant


def command(plant: Plant, connector: int, who: Any, state: Any, priority: int = 100) -> bool | None:
    return plant.tell(ev.EnableDisable(connector, source(who, state, priority)))


def test_what_is_returned_is_whether_the_evse_is_enabled_then() -> None:
    plant = ready()
    assert command(plant, 0, "LocalKeyLock", "Enable", 10) is True
    assert command(plant, 0, "CSMS", "Disable", 50) is True, "a wish of lower priority changes nothing"
    assert command(plant, 0, "LocalKeyLock", "Unassigned", 10) is False, "now it counts"
    assert command(plant, 0, "CSMS", "Unassigned", 50) is True
    assert told(plant) == [
        ("Enabled", "Unspecified", "Unassigned", None),
        ("Disabled", "CSMS", "Disable", None),
        ("Enabled", "Unspecified", "Enable", None),
    ]


def test_a_wish_that_changes_nothing_is_not_announced() -> None:
    plant = ready()
    for _ in range(2):
        command(plant, 0, "LocalAPI", "Enable")
        command(plant, 1, "LocalAPI", "Unassigned")
    assert [name for name, *_ in told(plant)] == ["Enabled"]
    for _ in range(2):
        command(plant, 1, "LocalAPI", "Disable")
        command(plant, 1, "MobileApp", "Disable", 5)
    assert [name for name, *_ in told(plant)] == ["Enabled", "Disabled"]


def test_row_8_disable_while_charging() -> None:
    plant = Plant(prompt=True)
    plant.charge()
    plant.news()
    assert command(plant, 1, "CSMS", "Disable", 5000) is False
    assert plant.news() == ["StoppingCharging"]
    plant.tell(ev.CpChanged("B"))
    assert plant.news() == [
        "ChargingFinished",
        "TransactionFinished(EVSEDisabled)",
        "SessionFinished",
        "Disabled",
    ]
    assert told(plant)[-1] == ("Disabled", "CSMS", "Disable", 1)
    commands = [effect for effect in plant.board if not isinstance(effect, fx.Lock)]
    assert commands[-2:] == [fx.SetF(), fx.EnableBoard(on=False)]


def test_row_9_enable_with_the_same_car_begins_a_new_session() -> None:
    """EVerest's needs a replug."""
    plant = ready()
    plant.plug_in()
    command(plant, 1, "CSMS", "Disable")
    plant.news()
    assert command(plant, 1, "CSMS", "Enable") is True
    plant.tell(ev.CpChanged("B"))
    assert plant.news() == ["Enabled", "SessionStarted(EVConnected)", "AuthRequired"]


def test_row_10_disable_while_waiting_for_authorization() -> None:
    plant = ready()
    plant.plug_in()
    plant.news()
    assert command(plant, 1, "CSMS", "Disable") is False
    assert plant.news() == ["SessionFinished", "Disabled"]


@pytest.mark.parametrize(("off", "on"), [(1, 0), (0, 1), (0, 0), (1, 1), (2, 1)])
def test_row_11_whichever_connector_is_named(off: int, on: int) -> None:
    """EVerest's stays disabled when it was disabled by 1 and is enabled by 0."""
    plant = ready()
    assert command(plant, off, "CSMS", "Disable") is False
    assert command(plant, on, "CSMS", "Enable") is True
    assert plant.state.charger == "Idle"
    assert [connector for *_, connector in told(plant)[1:]] == [1 if off else None, 1 if on else None]


def test_row_12_enable_before_the_tear_down_is_over() -> None:
    """EVerest's ends disabled, though the table says enabled; here nothing was disabled, and charging goes on."""
    plant = Plant()
    plant.charge()
    plant.news()
    command(plant, 1, "CSMS", "Disable")
    assert command(plant, 1, "CSMS", "Enable") is True
    plant.tell(ev.CpChanged("B"))
    assert plant.news() == ["StoppingCharging", "ChargingPausedEV"]
    plant.advance(5.0)
    plant.tell(ev.CpChanged("C"))
    assert plant.news() == ["PrepareCharging", "ChargingStarted"]


def test_row_66a_a_car_that_comes_while_disabled_is_seen_when_enabled() -> None:
    rig = Rig().start()
    rig.call(Interface.enable_disable, 1, source("CSMS", "Disable"))
    rig.pilot("B")
    assert rig.names == ["Enabled", "Disabled"]
    assert rig.call(Interface.enable_disable, 1, source("CSMS", "Enable")) is True
    assert rig.names[2:] == ["Enabled", "SessionStarted", "AuthRequired"]


# Over a restart


def test_an_operators_disable_survives_a_restart() -> None:
    before = Rig().start()
    assert before.call(Interface.enable_disable, 1, source("LocalAPI", "Disable")) is False
    after = Rig(stored=before.world.journal.memory).start()
    event = after.events[0]
    assert event.event == "Disabled"
    assert event.source == source("LocalAPI", "Disable")
    assert [call["value"] for call in after.world.calls(BOARD, EvseBoardSupport.enable)] == [False]
    after.pilot("B")
    assert after.names == ["Disabled"]
    assert after.world.published(EVSE, Interface.ready) == [True], "it is ready: to be enabled"
    assert after.call(Interface.enable_disable, 1, source("LocalAPI", "Enable")) is True
    assert after.names == ["Disabled", "Enabled", "SessionStarted", "AuthRequired"]
    assert Rig(stored=before.world.journal.memory).start().names == ["Enabled"]


@pytest.mark.parametrize("who", SOURCES)
def test_whose_wishes_survive(who: Any) -> None:
    before = Rig().start()
    before.call(Interface.enable_disable, 0, source(who, "Disable"))
    after = Rig(stored=before.world.journal.memory).start()
    assert after.names == (["Enabled"] if who in ("FirmwareUpdate", "CSMS") else ["Disabled"])


def test_the_order_of_ties_survives() -> None:
    before = Rig().start()
    for who in ("MobileApp", "LocalAPI"):
        before.call(Interface.enable_disable, 0, source(who, "Disable"))
    after = Rig(stored=before.world.journal.memory).start()
    assert after.events[0].source == source("MobileApp", "Disable")


def test_the_event_of_an_ordinary_boot_names_nobody() -> None:
    before = Rig().start()
    before.call(Interface.enable_disable, 0, source("LocalAPI", "Disable"))
    before.call(Interface.enable_disable, 0, source("LocalAPI", "Unassigned"))
    after = Rig(stored=before.world.journal.memory).start()
    assert after.events[0].source == enable_table.NOBODY


def test_what_is_answered_and_told_is_stored() -> None:
    rig = Rig().start()
    rig.world.journal.delay_s = 1.0
    answer = rig.world.begin(EVSE, Interface.enable_disable, 1, source("LocalAPI", "Disable"))
    rig.world.advance(0.9)
    assert answer.outcome is None
    assert rig.names == ["Enabled"]
    assert rig.evse.state.charger == "Disabled", "the board was told at once"
    rig.world.advance(0.1)
    assert answer.outcome == (False,)
    assert rig.names == ["Enabled", "Disabled"]


def test_a_wish_that_need_not_be_stored_does_not_wait() -> None:
    rig = Rig().start()
    rig.world.journal.hung = True
    assert rig.call(Interface.enable_disable, 1, source("CSMS", "Disable")) is False
    assert rig.names == ["Enabled", "Disabled"]


def test_a_store_that_hangs_holds_nothing_up_for_ever() -> None:
    rig = Rig().start()
    rig.world.journal.hung = True
    answer = rig.world.begin(EVSE, Interface.enable_disable, 1, source("LocalAPI", "Disable"))
    rig.world.advance(5.0)
    assert answer.outcome == (False,)
    assert rig.names == ["Enabled", "Disabled"]


def test_several_that_wait_for_it_are_answered_together() -> None:
    rig = Rig().start()
    rig.world.journal.hung = True
    states = ("Disable", "Enable", "Disable", "Enable")
    answers = [
        rig.world.begin(EVSE, Interface.enable_disable, 1, source("LocalAPI", state)) for state in states
    ]
    rig.world.advance(5.0)
    assert [answer.outcome for answer in answers] == [(False,), (True,), (False,), (True,)]
    assert rig.names == ["Enabled", "Disabled", "Enabled", "Disabled", "Enabled"]


def test_a_store_that_fails_is_tried_again() -> None:
    rig = Rig().start()
    memory = rig.world.journal.memory
    memory.failure = "disk full"
    assert rig.call(Interface.enable_disable, 1, source("LocalAPI", "Disable")) is False
    rig.world.advance(15.0)
    assert memory.settings("evse") == {}
    memory.failure = None
    rig.world.advance(10.0)
    assert Rig(stored=memory).start().names == ["Disabled"]


def test_several_that_failed_are_tried_again_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig().start()
    memory = rig.world.journal.memory
    memory.failure = "disk full"
    for who in ("LocalAPI", "MobileApp", "LocalKeyLock"):
        rig.call(Interface.enable_disable, 1, source(who, "Disable"))
    writes: list[str] = []
    write = memory.save_settings

    def counted(evse: str, *arguments: Any) -> None:
        writes.append(evse)
        write(evse, *arguments)

    monkeypatch.setattr(memory, "save_settings", counted)
    rig.world.advance(30.5)
    assert writes == ["evse"] * 3, "one every 10 s"


def test_an_old_write_that_failed_does_not_come_back_over_a_newer_one() -> None:
    rig = Rig().start()
    memory = rig.world.journal.memory
    memory.failure = "disk full"
    rig.call(Interface.enable_disable, 1, source("LocalAPI", "Disable"))
    memory.failure = None
    rig.call(Interface.enable_disable, 1, source("LocalAPI", "Enable"))
    rig.world.advance(30.0)
    assert Rig(stored=memory).start().names == ["Enabled"]


def test_a_stored_entry_that_is_not_understood_is_left_out() -> None:
    memory = MemoryJournal()
    stored = [{"enable_source": "Butler", "enable_state": "Disable", "enable_priority": 1}, "x"]
    stored.append(source("MobileApp", "Disable").model_dump(mode="json"))
    memory.save_settings("evse", {"enable_table": stored, "of a later version": 1})
    rig = Rig(stored=memory).start()
    assert rig.names == ["Disabled"]
    rig.call(Interface.enable_disable, 0, source("MobileApp", "Enable"))
    assert memory.settings("evse")["of a later version"] == 1


def test_the_table_survives_a_kernel_that_begins_anew() -> None:
    failures: list[Exception] = []
    rig = Rig(failed=lambda _module, error: failures.append(error)).start()
    for who, state, priority in (("CSMS", "Disable", 10), ("LocalAPI", "Enable", 50)):
        rig.call(Interface.enable_disable, 0, source(who, state, priority))
    assert rig.names == ["Enabled", "Disabled"]
    assert rig.evse.recover(RuntimeError("planted"), 1)
    rig.world.advance(3.0)
    assert rig.names == ["Enabled", "Disabled", "Disabled"]
    assert rig.events[-1].source == source("CSMS", "Disable", 10)
    assert rig.call(Interface.enable_disable, 0, source("CSMS", "Unassigned")) is True


def test_a_wish_before_the_station_is_ready_counts() -> None:
    before = Rig().start()
    before.call(Interface.enable_disable, 0, source("LocalAPI", "Disable"))
    rig = Rig({"external_ready_to_start_charging": True}, stored=before.world.journal.memory).start()
    assert rig.call(Interface.enable_disable, 0, source("LocalAPI", "Enable")) is True
    assert rig.names == []
    rig.call(Interface.external_ready_to_start_charging)
    assert rig.names == ["Enabled"]
