"""A program watches and drives an EVSE (reference api.md §2.3, §2.4)."""

from __future__ import annotations

from typing import Any

import pytest

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import RejectedError
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager_consumer_api.module import evse_manager_consumer_API
from evse_daemon.types.authorization import IdToken, ProvidedIdToken
from evse_daemon.types.board_support_common import ProximityPilot
from evse_daemon.types.evse_manager import (
    Connector,
    EnableDisableSource,
    Evse,
    SessionEvent,
    SessionFinished,
    StopTransactionRequest,
    TransactionFinished,
    TransactionStarted,
)
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.uk_random_delay import CountDown
from evse_daemon.types.units import Energy, Power
from tests.everest_api.program import REPLY_TO, Program
from tests.support.harness import World

EVSE = ("evse_1", "evse")
TOKEN = ProvidedIdToken(id_token=IdToken(value="A", type="Local"), authorization_type="RFID")


class Station:
    """An EVSE, its board and its random delay, and the program."""

    def __init__(self, **options: Any) -> None:
        self.world = World()
        fakes = self.world.fake("evse_1", evse=EvseManager, random_delay=UkRandomDelay)
        self.evse: Implementation[Any] = fakes["evse"]
        self.delay: Implementation[Any] = fakes["random_delay"]
        self.board: Implementation[Any] = self.world.fake("board", main=EvseBoardSupport)["main"]
        self.world.add(
            evse_manager_consumer_API,
            "panel",
            options,
            connections={
                "evse_manager": [EVSE],
                "evse_bsp": [("board", "main")],
                "random_delay": [("evse_1", "random_delay")],
            },
        )
        self.world.start()
        self.program = Program(self.world, "evse_manager_consumer", "panel")
        self.program.lives()

    def publish(self, var: Any, value: Any, source: Implementation[Any] | None = None) -> None:
        (source or self.evse).publish(var, value)
        self.world.settle()

    def event(self, name: Any, **fields: Any) -> None:
        event = SessionEvent(uuid="1", timestamp=self.world.bus.timestamp(), event=name, **fields)
        self.publish(EvseManager.session_event, event)

    def reading(self, wh: float, power_w: float = 0.0) -> Powermeter:
        return Powermeter(
            timestamp=self.world.bus.timestamp(),
            energy_Wh_import=Energy(total=wh),
            power_W=Power(total=power_w),
        )

    def infos(self) -> list[dict[str, Any]]:
        return self.program.heard("session_info")


def test_orders_reach_the_evse_and_its_answers_come_back_bare() -> None:
    station = Station()
    answers: dict[Any, Any] = {
        EvseManager.get_evse: Evse(id=1, connectors=[Connector(id=1)]),
        EvseManager.enable_disable: False,
        EvseManager.pause_charging: True,
        EvseManager.resume_charging: False,
        EvseManager.stop_transaction: True,
        EvseManager.force_unlock: True,
    }
    for command, answer in answers.items():
        station.evse.handle(command, lambda answer=answer, **_: answer)
    source = {"enable_source": "MobileApp", "enable_state": "Disable", "enable_priority": 7}
    program = station.program
    assert program.asks("get_evse") == [{"id": 1, "connectors": [{"id": 1}]}]
    assert program.asks("enable_disable", {"connector_id": 0, "source": source}) == [False]
    assert program.asks("pause_charging") == [True]
    assert program.asks("resume_charging") == [False]
    assert program.asks("stop_transaction", {"reason": "Remote"}) == [True]
    assert program.asks("force_unlock", 1) == [True]
    assert station.world.mqtt.payloads(REPLY_TO)[-1] == "true"
    wanted: dict[Any, dict[str, Any]] = {
        EvseManager.enable_disable: {
            "connector_id": 0,
            "cmd_source": EnableDisableSource(
                enable_source="MobileApp", enable_state="Disable", enable_priority=7
            ),
        },
        EvseManager.pause_charging: {},
        EvseManager.resume_charging: {},
        EvseManager.stop_transaction: {"request": StopTransactionRequest(reason="Remote")},
        EvseManager.force_unlock: {"connector_id": 1},
    }
    for command, arguments in wanted.items():
        assert station.world.calls(EVSE, command) == [arguments]


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("enable_disable", None),
        ("enable_disable", {"connector_id": 0}),
        ("enable_disable", {"connector_id": 0, "source": {"enable_source": "Me", "enable_state": "Disable", "enable_priority": 1}}),
        ("stop_transaction", {"reason": "BecauseIWant"}),
        ("stop_transaction", None),
        ("force_unlock", "1"),
        ("force_unlock", True),
    ],
)  # fmt: skip
def test_an_order_that_is_wrong_reaches_nobody_and_is_not_replied_to(name: str, payload: Any) -> None:
    station = Station()
    assert station.program.asks(name, payload) == []
    assert station.world.calls(EVSE, EvseManager.commands[name]) == []


def test_an_order_that_the_evse_refuses_is_not_replied_to() -> None:
    station = Station()

    def refuse() -> bool:
        raise RejectedError("not now")

    station.evse.handle(EvseManager.pause_charging, refuse)
    assert station.program.asks("pause_charging") == []


def test_the_random_delay_takes_orders_without_payload() -> None:
    station = Station()
    for name in ("enable", "disable", "cancel"):
        station.program.says(f"random_delay_{name}")
        assert station.world.calls(("evse_1", "random_delay"), UkRandomDelay.commands[name]) == [{}]
    station.program.says("random_delay_set_duration_s", 300)
    station.program.says("random_delay_set_duration_s", "long")
    calls = station.world.calls(("evse_1", "random_delay"), UkRandomDelay.set_duration_s)
    assert calls == [{"value": 300}]


def test_what_the_evse_its_board_and_its_delay_say_is_told_and_can_be_asked_for() -> None:
    station = Station()
    program = station.program
    assert program.asks("evse_id/get") == [None]
    station.publish(EvseManager.evse_id, "DE*PNX*1")
    station.publish(EvseManager.selected_protocol, "IEC61851-1")
    station.publish(EvseManager.supported_energy_transfer_modes, ["AC_three_phase_core"])
    station.publish(EvseManager.powermeter, station.reading(5))
    station.publish(EvseBoardSupport.ac_nr_of_phases_available, 3, station.board)
    station.publish(EvseBoardSupport.ac_pp_ampacity, ProximityPilot(ampacity="A_20"), station.board)
    countdown = CountDown(countdown_s=30, current_limit_after_delay_A=16.0, current_limit_during_delay_A=0.0)
    station.publish(UkRandomDelay.countdown, countdown, station.delay)
    told: dict[str, Any] = {
        "evse_id": "DE*PNX*1",
        "selected_protocol": "IEC61851-1",
        "supported_energy_transfer_modes": ["AC_three_phase_core"],
        "powermeter": Powermeter.model_dump(station.reading(5), exclude_none=True),
        "ac_nr_of_phases_available": 3,
        "ac_pp_ampacity": {"ampacity": "A_20"},
        "random_delay_countdown": countdown.model_dump(exclude_none=True),
    }
    for name, value in told.items():
        assert program.heard(name) == [value]
        assert program.asks(f"{name}/get") == [value]


def test_latched_values_can_be_switched_off() -> None:
    station = Station(latch_variable_values=False)
    station.publish(EvseManager.evse_id, "DE*PNX*1")
    assert station.program.heard("evse_id") == ["DE*PNX*1"]
    with pytest.raises(AssertionError, match="no module has subscribed"):
        station.program.asks("evse_id/get")


def test_every_session_event_is_told_and_none_is_lost_while_the_broker_is_away() -> None:
    station = Station()
    station.world.mqtt.connected = False
    for name in ("SessionStarted", "AuthRequired", "Authorized"):
        station.event(name)
    assert [event["event"] for event in station.program.heard("session_event")] == [
        "SessionStarted",
        "AuthRequired",
        "Authorized",
    ]


def test_session_info_follows_a_session() -> None:
    station = Station()
    station.event("Enabled")
    station.publish(EvseManager.powermeter, station.reading(1000))
    assert [info["state"] for info in station.infos()] == [
        "Unplugged"
    ]  # a reading is no news without a session
    station.event("SessionStarted")
    station.world.advance(5)
    started = TransactionStarted(id_tag=TOKEN, meter_value=station.reading(1000))
    station.event("TransactionStarted", transaction_started=started)
    station.event("ChargingStarted")
    station.world.advance(10)
    station.publish(EvseManager.powermeter, station.reading(1100, 11000.7))
    assert station.infos()[-1] == {
        "state": "Charging",
        "charged_energy_wh": 100,
        "discharged_energy_wh": 0,
        "session_duration_s": 15,
        "transaction_duration_s": 10,
        "latest_total_w": 11000,
        "timestamp": "2026-03-04T10:15:15.000Z",
        "session_start_time": "2026-03-04T10:15:00.000Z",
        "transaction_start_time": "2026-03-04T10:15:05.000Z",
    }
    station.event("ReservationStart")
    assert station.infos()[-1]["state"] == "Charging"
    station.publish(EvseManager.selected_protocol, "IEC61851-1")
    finished = TransactionFinished(meter_value=station.reading(1200), reason="Local")
    station.event("TransactionFinished", transaction_finished=finished)
    station.world.advance(60)
    station.event("SessionFinished", session_finished=SessionFinished(meter_value=station.reading(1200)))
    station.world.advance(100)
    station.event("Disabled")
    assert station.infos()[-1] == {
        "state": "Disabled",
        "charged_energy_wh": 200,
        "discharged_energy_wh": 0,
        "session_duration_s": 75,
        "transaction_duration_s": 10,
        "latest_total_w": 11000,
        "timestamp": "2026-03-04T10:17:55.000Z",
        "selected_protocol": "IEC61851-1",
        "session_start_time": "2026-03-04T10:15:00.000Z",
        "transaction_start_time": "2026-03-04T10:15:05.000Z",
        "session_end_time": "2026-03-04T10:16:15.000Z",
        "transaction_end_time": "2026-03-04T10:15:15.000Z",
    }
    station.event("SessionStarted")
    info = station.infos()[-1]
    assert (info["charged_energy_wh"], info["session_duration_s"]) == (0, 0)
    assert "transaction_start_time" not in info
