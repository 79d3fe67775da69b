"""Whole sessions in virtual time, billed by a Modbus meter behind a hub."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.generic_powermeter.module import FAULT, GenericPowermeter
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.car_simulator import CarSimulator
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.interfaces.serial_communication_hub import SerialCommunicationHub
from evse_daemon.modules.evse_manager.module import EvseManager
from evse_daemon.types import powermeter as powermeter_types
from evse_daemon.types.energy import EnforcedLimits, IntegerWithSource, LimitsRes, NumberWithSource
from evse_daemon.types.evse_manager import SessionEvent
from evse_daemon.types.powermeter import TransactionReq
from evse_daemon.types.serial_comm_hub_requests import Result
from simulators.ev_manager.module import EvManager
from simulators.modbus_meter.device import Device
from simulators.modbus_meter.registers import MODELS
from simulators.yeti_simulator.module import YetiSimulator
from tests.modules.evse_manager.plant import ACCEPTED, TOKEN
from tests.support.harness import World

EVSE = ("evse", "evse")
METER = ("meter", "main")
HUB = ("bus", "main")

LAST_SECOND_WH = 3.1
"""What 11 kW add after the last reading: the end is billed by the latest one."""


class Metered(World):
    """A charger whose meter hangs on a bus; the bus is the test."""

    def __init__(self, simulated: str = "sdm630", model: str = "Eastron_SDM630-V2", **options: Any) -> None:
        super().__init__()
        self.device = Device(simulated, 7)
        self.device.electrics.set_energy(123_456.0)
        self.hub = self.fake("bus", main=SerialCommunicationHub)["main"]
        self.hub.handle(
            SerialCommunicationHub.modbus_read_input_registers,
            lambda target_device_id, first_register_address, num_registers_to_read: self.read(
                4, target_device_id, first_register_address, num_registers_to_read
            ),
        )
        self.hub.handle(
            SerialCommunicationHub.modbus_read_holding_registers,
            lambda target_device_id, first_register_address, num_registers_to_read: self.read(
                3, target_device_id, first_register_address, num_registers_to_read
            ),
        )
        self.yeti = self.add(YetiSimulator, "yeti", {"connector_id": 1})
        self.add(
            EvManager,
            "car",
            {"connector_id": 1, "auto_enable": True},
            connections={"ev_board_support": [("yeti", "ev_board_support")]},
        )
        self.add(
            GenericPowermeter,
            "meter",
            impl_options={"main": {"model": model, "powermeter_device_id": 7}},
            connections={"serial_comm_hub": [HUB]},
        )
        self.add(
            EvseManager,
            "evse",
            {"connector_id": 1, "has_ventilation": False, **options},
            connections={
                "bsp": [("yeti", "board_support")],
                "powermeter_grid_side": [METER],
                "connector_lock": [("yeti", "connector_lock")],
            },
        )
        self.start()
        self.advance(6.0)

    def read(self, function: int, unit: int, address: int, count: int) -> Result:
        assert unit == 7
        self.device.count(self.clock.now_s())
        self.device.electrics.current_a = self.yeti.measurement.current_a
        if self.device.fault == "silence":
            return Result(status_code="Timeout")
        registers = MODELS[self.device.model](self.device.electrics, self.device.fault == "nan")
        places = [(function, place) for place in range(address, address + count)]
        if self.device.fault == "exception" or any(place not in registers for place in places):
            return Result(status_code="Error")
        return Result(status_code="Success", value=[registers[place] for place in places])

    def charge(self, then: str = "sleep 600;unplug") -> None:
        limits = LimitsRes(
            ac_max_current_A=NumberWithSource(value=16.0, source="fuse"),
            ac_max_phase_count=IntegerWithSource(value=3, source="fuse"),
        )
        self.call(
            ("evse", "energy_grid"),
            Energy.enforce_limits,
            EnforcedLimits(uuid="evse", valid_for=36000, limits_root_side=limits, schedule=[]),
        )
        script = f"iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;{then}"
        self.begin(("car", "main"), CarSimulator.execute_charging_session, script)
        self.advance(2.0)
        self.call(EVSE, EvseManagerInterface.authorize_response, TOKEN, ACCEPTED)
        self.advance(4.0)

    @property
    def events(self) -> list[SessionEvent]:
        return self.published(EVSE, EvseManagerInterface.session_event)

    @property
    def names(self) -> list[str]:
        return [event.event for event in self.events]

    @property
    def readings(self) -> list[powermeter_types.Powermeter]:
        return self.published(METER, Powermeter.powermeter)

    def billed_wh(self) -> float:
        started = next(event.transaction_started for event in self.events if event.transaction_started)
        finished = next(event.transaction_finished for event in self.events if event.transaction_finished)
        return finished.meter_value.energy_Wh_import.total - started.meter_value.energy_Wh_import.total


@pytest.mark.parametrize(
    ("simulated", "model", "step_wh"),
    [
        ("sdm630", "Eastron_SDM630-V2", 0.1),
        ("sunspec203", "SunSpec_203", 1.0),
        ("em340", "CarloGavazzi_EM340", 100.0),
    ],
)
def test_a_session_is_billed_by_the_meter(simulated: str, model: str, step_wh: float) -> None:
    world = Metered(simulated, model)
    world.charge()
    assert world.names[-1] == "ChargingStarted"
    world.advance(620.0)
    assert world.names[-1] == "SessionFinished"
    counted_wh = sum(world.device.electrics.import_wh) - 123_456.0
    assert 1700 < counted_wh < 1900, "ten minutes of 11 kW"
    assert abs(world.billed_wh() - counted_wh) <= step_wh + LAST_SECOND_WH
    assert not world.errors(METER)
    assert not world.errors(EVSE)


def test_each_reading_has_the_time_at_which_its_energy_was_read() -> None:
    world = Metered()
    stamps = [reading.timestamp for reading in world.readings]
    assert len(stamps) == len(set(stamps)) == 7
    assert world.readings[0].meter_id == "meter"


@pytest.mark.parametrize("fault", ["silence", "exception", "nan"])
def test_a_meter_that_fails_stops_charging_and_charging_resumes_with_it(fault: Any) -> None:
    world = Metered()
    world.charge()
    world.advance(30.0)
    world.device.fault = fault
    count = len(world.readings)
    world.advance(10.0)
    assert world.names[-1] == "ChargingPausedEVSE"
    assert world.errors(METER) == [FAULT]
    assert len(world.readings) == count, "nothing old is published"
    world.device.fault = "none"
    world.advance(15.0)
    assert not world.errors(METER)
    assert world.names[-1] == "ChargingStarted" or world.names[-1] == "ChargingResumed"
    world.advance(600.0)
    assert world.names[-1] == "SessionFinished"
    counted_wh = sum(world.device.electrics.import_wh) - 123_456.0
    assert abs(world.billed_wh() - counted_wh) <= LAST_SECOND_WH, (
        "what flowed until the contactor opened is billed too"
    )


def test_a_meter_that_is_replaced_while_a_car_charges_does_not_make_the_bill_negative() -> None:
    world = Metered()
    world.charge()
    world.advance(30.0)
    world.device.electrics.set_energy(5.0)
    world.advance(640.0)
    assert world.names[-1] == "SessionFinished"
    assert world.billed_wh() >= 0.0


def test_a_hub_that_fails_is_a_meter_that_fails() -> None:
    world = Metered()

    def broken(target_device_id: int, first_register_address: int, num_registers_to_read: int) -> Result:
        raise CallError("HandlerException", "/dev/ttyUSB0 cannot be opened")

    world.hub.handle(SerialCommunicationHub.modbus_read_input_registers, broken)
    world.advance(6.0)
    (error,) = world.active_errors(METER)
    assert error.type == FAULT
    assert "/dev/ttyUSB0 cannot be opened" in error.message


def test_the_meter_signs_nothing_and_says_so() -> None:
    """As EVerest's: NOT_SUPPORTED, with which the EvseManager charges without signed values."""
    world = Metered()
    request = TransactionReq(
        evse_id="E",
        transaction_id="1",
        identification_status="ASSIGNED",
        identification_flags=[],
        identification_type="LOCAL",
    )
    started = world.call(METER, Powermeter.start_transaction, request)
    stopped = world.call(METER, Powermeter.stop_transaction, "1")
    assert (started.status, stopped.status) == ("NOT_SUPPORTED", "NOT_SUPPORTED")
    assert started.error
    assert stopped.error
    assert stopped.signed_meter_value is None


def in_state(state: str) -> Metered:
    """A charger in this state."""
    world = Metered()
    if state == "Idle":
        return world
    if state == "AuthRequired":
        script = "iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 600;unplug"
        world.begin(("car", "main"), CarSimulator.execute_charging_session, script)
        world.advance(3.0)
    else:
        world.charge("sleep 8;pause;sleep 600;unplug" if state == "ChargingPausedEV" else "sleep 600;unplug")
        world.advance(10.0)
    if state == "ChargingPausedEVSE":
        world.call(EVSE, EvseManagerInterface.pause_charging)
        world.advance(5.0)
    expected = "ChargingStarted" if state == "Charging" else state
    assert world.names[-1] == expected
    return world


@pytest.mark.parametrize("fault", ["silence", "exception", "nan"])
@pytest.mark.parametrize(
    "state", ["Idle", "AuthRequired", "Charging", "ChargingPausedEV", "ChargingPausedEVSE"]
)
def test_each_fault_in_each_state(state: str, fault: Any) -> None:
    """Told within 6 s, nothing old published, no power meanwhile, and over by itself."""
    world = in_state(state)
    relay_on = world.yeti.board.relay_on
    assert relay_on == (state == "Charging")
    world.device.fault = fault
    since_s = world.clock.now_s()
    count = len(world.readings)
    world.advance(8.0)
    (raised,) = world.recorder.select("error", *METER, FAULT)
    assert raised.at_s - since_s <= 6.0
    assert len(world.readings) == count
    assert not world.yeti.board.relay_on
    world.advance(30.0)
    assert not world.yeti.board.relay_on
    assert len(world.readings) == count
    world.device.fault = "none"
    world.advance(10.0)
    assert not world.errors(METER)
    assert not world.errors(EVSE)
    assert len(world.readings) > count
    assert world.yeti.board.relay_on == relay_on
