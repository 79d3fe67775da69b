"""Meters in a running station over real wires: a pty or TCP, two meters on one bus, every fault, no restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.generic_powermeter import cycle
from drivers.generic_powermeter.module import FAULT
from evse_daemon.config import load_text
from evse_daemon.framework.bus import Client, Inbox
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.clock import RealClock
from evse_daemon.interfaces.serial_communication_hub import SerialCommunicationHub
from evse_daemon.station import Station
from evse_daemon.store import MemoryJournal
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.serial_comm_hub_requests import VectorUint16
from simulators.modbus_meter import device as simulated
from simulators.modbus_meter.device import Device, Fault
from simulators.modbus_meter.server import Bus, on_pty, on_tcp
from tests.drivers.modbus.lines import crossed
from tests.support.fakes import FakeMqtt
from tests.support.waiting import run, until

SERIAL = """
active_modules:
  bus:
    module: SerialCommHub
    config_implementation:
      main: {{serial_port: {place}, baudrate: 115200, initial_timeout_ms: 80, within_message_timeout_ms: 20}}
"""
TCP = """
active_modules:
  bus:
    module: ModbusTcpHub
    config_implementation: {{main: {{host: 127.0.0.1, port: {place}, timeout_ms: 100}}}}
"""
METER = """
  meter_{unit}:
    module: GenericPowermeter
    config_implementation: {{main: {{model: {model}, powermeter_device_id: {unit}}}}}
    connections:
      serial_comm_hub: [{{module_id: bus, implementation_id: main}}]
"""

MODELS = {
    "sdm630": "Eastron_SDM630-V2",
    "sdm230": "Eastron_SDM230",
    "sdm72": "Eastron_SDM72DM-V2",
    "em340": "CarloGavazzi_EM340",
    "sunspec203": "SunSpec_203",
}


class Running:
    """A station that runs, and what its meters published."""

    def __init__(self, config: str) -> None:
        self.station = Station(
            load_text(config), RealClock(), MemoryJournal(), asyncio.get_running_loop().call_soon
        )
        self.station.build(FakeMqtt())
        self.readings: dict[int, list[Powermeter]] = {}
        self._inbox = Inbox(self.station.bus, "test")
        for (module_id, _), implementation in self.station.bus.implementations.items():
            if module_id.startswith("meter_"):
                found = self.readings[int(module_id.removeprefix("meter_"))] = []
                implementation.subscribe(self._inbox, "powermeter", found.append)

    def faulty(self, unit: int) -> bool:
        return self.station.bus.implementations[f"meter_{unit}", "main"].errors.is_active(FAULT)

    async def more(self, unit: int, count: int = 1) -> Powermeter:
        """Waits for new readings of a meter, and gives the last."""
        wanted = len(self.readings[unit]) + count
        await until(lambda: len(self.readings[unit]) >= wanted, timeout_s=10)
        return self.readings[unit][-1]

    async def call(self, command: Any, **arguments: Any) -> Any:
        client: Client[Any] = Client(self.station.bus.implementations["bus", "main"], self._inbox)
        call = client.call(command, **arguments).then(lambda _: None, lambda _: None)
        await until(lambda: call.outcome is not None)
        assert call.outcome is not None
        return call.outcome if isinstance(call.outcome, CallError) else call.outcome[0]


@asynccontextmanager
async def running(config: str) -> AsyncIterator[Running]:
    station = Running(config)
    end = asyncio.Event()
    task = asyncio.create_task(station.station.supervise(end))
    try:
        yield station
    finally:
        end.set()
        await task


@asynccontextmanager
async def metered(wire: str, devices: list[Device]) -> AsyncIterator[Running]:
    """A station with a meter for each simulated device, all on one line."""
    bus = Bus(devices)
    async with AsyncExitStack() as stack:
        if wire == "pty":
            config = SERIAL.format(place=await stack.enter_async_context(on_pty(bus)))
        else:
            config = TCP.format(place=await stack.enter_async_context(on_tcp(bus, "127.0.0.1", 0)))
        for device in devices:
            config += METER.format(unit=device.unit, model=MODELS[device.model])
        yield await stack.enter_async_context(running(config))


@pytest.fixture
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules, several times as fast."""
    monkeypatch.setattr(cycle, "PERIOD_S", 0.1)
    monkeypatch.setattr(cycle, "PAUSE_S", 0.02)
    monkeypatch.setattr(cycle, "CYCLE_TIMEOUT_S", 1.5)
    monkeypatch.setattr(cycle, "FAULT_S", 1.5)
    monkeypatch.setattr(cycle, "BACK_OFF_S", (0.05, 0.1, 0.2, 0.4))
    monkeypatch.setattr(simulated, "SLOW_S", 0.3)
    monkeypatch.setattr(simulated, "NOISY", 0.1)


pytestmark = pytest.mark.usefixtures("_in_a_hurry")


@pytest.mark.parametrize("wire", ["pty", "tcp"])
def test_two_meters_of_different_makers_on_one_bus(wire: str) -> None:
    async def main() -> None:
        devices = [Device("sdm630", 1), Device("em340", 2)]
        devices[0].electrics.current_a = (16.0, 16.0, 16.0)
        devices[0].electrics.set_energy(1000.0)
        devices[1].electrics.current_a = (0.0, 10.0, 0.0)
        devices[1].electrics.set_energy(5_000_000.0)
        async with metered(wire, devices) as station:
            first, second = await station.more(1, 3), await station.more(2, 3)
        assert first.power_W is not None
        assert second.power_W is not None
        assert first.power_W.total == 11040.0
        assert second.power_W.L2 == 2300.0
        assert 1000.0 <= first.energy_Wh_import.total < 1020.0
        assert second.energy_Wh_import.total == 5_000_000.0
        energies = [reading.energy_Wh_import.total for reading in station.readings[1]]
        assert energies == sorted(energies)
        assert energies[-1] > energies[0], "it follows the current that is set"

    run(main())


@pytest.mark.parametrize("model", MODELS)
def test_every_model_over_the_wire(model: str) -> None:
    async def main() -> Powermeter:
        device = Device(model, 3)
        device.electrics.voltage_v = 231.0
        async with metered("pty", [device]) as station:
            return await station.more(3)

    reading = run(main())
    assert reading.voltage_V is not None
    assert reading.voltage_V.L1 == 231.0


FAULTS: tuple[Fault, ...] = ("silence", "exception", "slow", "nan", "short", "wrong_unit")


@pytest.mark.parametrize("wire", ["pty", "tcp"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_after_the_deadline_the_neighbour_goes_on_and_it_recovers(
    wire: str, fault: Fault
) -> None:
    async def main() -> None:
        meter, neighbour = Device("sdm630", 1), Device("em340", 2)
        async with metered(wire, [meter, neighbour]) as station:
            await station.more(1)
            meter.fault = fault
            await until(lambda: station.faulty(1), timeout_s=10)
            count = len(station.readings[1])
            await station.more(2, 3)
            assert not station.faulty(2)
            assert len(station.readings[1]) == count, "nothing is published meanwhile"
            meter.fault = "none"
            await until(lambda: not station.faulty(1), timeout_s=10)
            assert len(station.readings[1]) > count
        stamps = [reading.timestamp for reading in station.readings[1]]
        assert stamps == sorted(stamps)

    run(main(), timeout_s=40)


def test_noise_on_the_bus_costs_readings_and_never_makes_a_wrong_one() -> None:
    async def main() -> None:
        meter = Device("sdm630", 1)
        meter.electrics.set_energy(777.0)
        async with metered("pty", [meter]) as station:
            meter.fault = "noise"
            await station.more(1, 3)
            meter.fault = "none"
            await until(lambda: not station.faulty(1), timeout_s=10)
        for reading in station.readings[1]:
            assert reading.energy_Wh_import.total == 777.0
            assert reading.voltage_V is not None
            assert reading.voltage_V.L2 == 230.0

    run(main(), timeout_s=40)


def test_a_bus_whose_port_vanishes_and_comes_back(tmp_path: Any) -> None:
    link = tmp_path / "ttyUSB0"

    async def main() -> None:
        async with AsyncExitStack() as stack:
            config = SERIAL.format(place=link) + METER.format(unit=1, model="Eastron_SDM630-V2")
            station = await stack.enter_async_context(running(config))
            for _ in range(2):
                async with on_pty(Bus([Device("sdm630", 1)])) as path:
                    link.unlink(missing_ok=True)
                    link.symlink_to(path)
                    await station.more(1, 2)
                    assert not station.faulty(1)
                await until(lambda: station.faulty(1), timeout_s=10)
            (error,) = station.station.bus.implementations["meter_1", "main"].errors.active
            assert error.message.startswith("no reading for ")

    run(main(), timeout_s=40)


def test_a_bus_whose_port_was_never_there_says_so_in_the_error(tmp_path: Any) -> None:
    port = tmp_path / "ttyUSB9"

    async def main() -> str:
        config = SERIAL.format(place=port) + METER.format(unit=1, model="SunSpec_203")
        async with running(config) as station:
            await until(lambda: station.faulty(1), timeout_s=10)
            return station.station.bus.implementations["meter_1", "main"].errors.active[0].message

    assert f"{port} cannot be opened" in run(main())


def test_a_meter_that_is_replaced_by_one_that_has_counted_less() -> None:
    async def main() -> None:
        meter = Device("sdm630", 1)
        meter.electrics.set_energy(9000.0)
        async with metered("pty", [meter]) as station:
            await station.more(1, 2)
            meter.electrics.set_energy(3.0)
            await until(lambda: station.readings[1][-1].energy_Wh_import.total == 3.0)
            assert not station.faulty(1)

    run(main())


def test_writes_and_coils_go_through_the_bus() -> None:
    """The simulated meters know no such functions: they refuse, and the caller is told."""

    async def main() -> None:
        async with metered("pty", [Device("sdm630", 1)]) as station:
            hub = SerialCommunicationHub
            assert (
                await station.call(
                    hub.modbus_write_multiple_registers,
                    target_device_id=1,
                    first_register_address=12,
                    data_raw=VectorUint16(data=[0, 1]),
                )
                == "Error"
            )
            assert (
                await station.call(
                    hub.modbus_write_single_coil, target_device_id=9, coil_address=0, data=True
                )
                == "Timeout"
            )
            coils = await station.call(
                hub.modbus_read_coils, target_device_id=1, first_coil_address=0, num_coils_to_read=3
            )
            assert coils.status_code == "Error"
            for command in (hub.nonstd_read, hub.nonstd_write):
                refused = await station.call(
                    command, target_device_id=1, first_register_address=0, num_registers_to_read=1
                )
                assert isinstance(refused, CallError)
                assert "not supported" in refused.message
            for data in ([], [0] * 124):
                refused = await station.call(
                    hub.modbus_write_multiple_registers,
                    target_device_id=1,
                    first_register_address=0,
                    data_raw=VectorUint16(data=data),
                )
                assert isinstance(refused, CallError)
            for address, count in ((65535, 2), (0, 5000)):
                refused = await station.call(
                    hub.modbus_read_input_registers,
                    target_device_id=1,
                    first_register_address=address,
                    num_registers_to_read=count,
                )
                assert isinstance(refused, CallError)

    run(main())


# Against pymodbus' own server: neither end is ours alone.


def independent(unit: int, voltage_v: float, energy_kwh: float) -> SimDevice:
    """An SDM630 as pymodbus encodes it."""
    zeros = SimData(address=0, count=400, values=0, datatype=DataType.REGISTERS)
    values = {0: voltage_v, 6: 10.0, 52: 3 * voltage_v * 10.0, 70: 50.0, 72: energy_kwh}
    blocks: list[SimData] = []
    address = 0
    for place, value in sorted(values.items()):
        if place > address:
            blocks.append(
                SimData(address=address, count=place - address, values=0, datatype=DataType.REGISTERS)
            )
        blocks.append(SimData(address=place, values=value, datatype=DataType.FLOAT32))
        address = place + 2
    blocks.append(
        SimData(address=address, count=zeros.count - address, values=0, datatype=DataType.REGISTERS)
    )
    return SimDevice(id=unit, simdata=blocks)


@pytest.mark.parametrize("wire", ["pty", "tcp"])
def test_a_real_modbus_server_with_two_meters(wire: str) -> None:
    async def main() -> None:
        devices = [independent(1, 230.5, 12.5), independent(2, 228.0, 99.25)]
        async with AsyncExitStack() as stack:
            server: ModbusSerialServer | ModbusTcpServer
            if wire == "pty":
                ours, theirs = await stack.enter_async_context(crossed())
                server = ModbusSerialServer(devices, port=theirs, baudrate=115200)
                config = SERIAL.format(place=ours)
            else:
                server = ModbusTcpServer(devices, address=("127.0.0.1", 0))
            await server.serve_forever(background=True)
            stack.push_async_callback(server.shutdown)
            if wire == "tcp":
                assert isinstance(server.transport, asyncio.Server)
                port = server.transport.sockets[0].getsockname()[1]
                config = TCP.format(place=port)
            for unit in (1, 2):
                config += METER.format(unit=unit, model="Eastron_SDM630-V2")
            station = await stack.enter_async_context(running(config))
            first, second = await station.more(1, 2), await station.more(2, 2)
            for address in (100, 250):
                result = await station.call(
                    SerialCommunicationHub.modbus_write_single_register,
                    target_device_id=1,
                    register_address=address,
                    data=address,
                )
                assert result == "Success"
            result = await station.call(
                SerialCommunicationHub.modbus_read_holding_registers,
                target_device_id=1,
                first_register_address=99,
                num_registers_to_read=200,
            )
            assert len(result.value) == 200, "which takes two requests"
            coils = await station.call(
                SerialCommunicationHub.modbus_read_coils,
                target_device_id=1,
                first_coil_address=0,
                num_coils_to_read=3,
            )
            assert coils.value == [False, True, True], "the lowest bits of 0x4366"
            assert {99 + place: word for place, word in enumerate(result.value) if word} == {
                100: 100,
                250: 250,
            }
        assert (first.energy_Wh_import.total, second.energy_Wh_import.total) == (12500.0, 99250.0)
        assert first.voltage_V is not None
        assert second.voltage_V is not None
        assert (first.voltage_V.L1, second.voltage_V.L1) == (230.5, 228.0)

    run(main(), timeout_s=30)
