"""A Modbus line over real ptys and sockets, with simulated meters at its far end: faults, neighbours, recovery."""

from __future__ import annotations

import asyncio
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from drivers.modbus import client
from drivers.modbus.client import SerialPort, TcpPlace
from drivers.modbus.line import Line, Patience
from drivers.modbus.requests import Answer, NoLine, Outcome, Refusal, Request, Silence
from simulators.modbus_meter import device as simulated
from simulators.modbus_meter.device import Device, Fault
from simulators.modbus_meter.server import Bus, on_pty, on_tcp
from tests.drivers.modbus.lines import QUICK, ask, raw_end, running
from tests.support.waiting import run

READ_V = Request(1, 4, 0, 2)
V230 = struct.unpack(">HH", struct.pack(">f", 230.0))


def kinds(outcomes: list[Outcome]) -> set[type[Outcome]]:
    return {type(outcome) for outcome in outcomes}


@pytest.mark.parametrize("wire", ["pty", "tcp"])
def test_two_meters_on_one_line_answer_each_their_own_questions(wire: str) -> None:
    async def main() -> None:
        sdm630, em340 = Device("sdm630", 1), Device("em340", 2)
        sdm630.electrics.voltage_v = 231.0
        em340.electrics.voltage_v = 229.0
        bus = Bus([sdm630, em340])
        async with on_pty(bus) as path, on_tcp(bus, "127.0.0.1", 0) as port:
            place = SerialPort(path, 115200) if wire == "pty" else TcpPlace("127.0.0.1", port)
            async with running(place) as line:
                asked = [ask(line, Request(unit, 4, 0, 2)) for unit in (1, 2) * 20]
                outcomes = await asyncio.gather(*asked)
        first = Answer(struct.unpack(">HH", struct.pack(">f", 231.0)))
        assert outcomes == [first, Answer((2290, 0))] * 20

    run(main())


@pytest.mark.parametrize("wire", ["pty", "tcp"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("silence", Silence),
        ("exception", Refusal),
        ("slow", Silence),
        ("short", Silence),
        ("wrong_unit", Silence),
    ],
)
def test_each_fault_has_its_outcome_and_the_line_recovers_by_itself(
    wire: str, fault: Fault, expected: type[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "SLOW_S", 0.2)

    async def main() -> None:
        meter, neighbour = Device("sdm630", 1), Device("sdm630", 2)
        bus = Bus([meter, neighbour])
        async with on_pty(bus) as path, on_tcp(bus, "127.0.0.1", 0) as port:
            place = SerialPort(path, 115200) if wire == "pty" else TcpPlace("127.0.0.1", port)
            async with running(place) as line:
                assert await ask(line, READ_V) == Answer(V230)
                meter.fault = fault
                for _ in range(2):
                    assert isinstance(await ask(line, READ_V), expected)
                    await asyncio.sleep(0.1)  # an answer to the same question may be late, and is one
                if fault != "slow" or wire == "pty":
                    assert isinstance(await ask(line, Request(2, 4, 0, 2)), Answer), "the neighbour answers"
                meter.fault = "none"
                await asyncio.sleep(0.2)
                assert await ask(line, READ_V) == Answer(V230)

    run(main())


def test_noise_never_becomes_a_value() -> None:
    async def main() -> None:
        meter = Device("sdm630", 1)
        async with on_pty(Bus([meter])) as path, running(SerialPort(path, 115200), Patience(0.02, 0)) as line:
            meter.fault = "noise"
            outcomes = [await ask(line, READ_V) for _ in range(60)]
            meter.fault = "none"
            assert kinds(outcomes) == {Answer, Silence}
            assert {outcome for outcome in outcomes if isinstance(outcome, Answer)} == {Answer(V230)}
            assert await ask(line, READ_V) == Answer(V230)

    run(main())


def test_a_lost_answer_is_asked_for_again() -> None:
    async def main() -> Outcome:
        with raw_end() as end:
            async with running(end.port, Patience(0.1, 2)) as line:
                asked = asyncio.create_task(ask(line, READ_V))
                await end.read(16)  # the first request and the second
                end.write(bytes.fromhex("010404436633341B38"))
                return await asked

    assert run(main()) == Answer((0x4366, 0x3334))


def test_a_neighbour_is_served_between_two_attempts_at_a_silent_device() -> None:
    """Where a meter dies, the one beside it must not miss two cycles: charging would stop there too."""

    async def main() -> list[int]:
        order: list[int] = []
        meter, dead = Device("sdm630", 1), Device("sdm630", 2)
        dead.fault = "silence"
        async with (
            on_pty(Bus([meter, dead])) as path,
            running(SerialPort(path, 115200), Patience(0.1, 2)) as line,
        ):
            silent = asyncio.create_task(ask(line, Request(2, 4, 0, 2)))
            while not silent.done():
                await ask(line, READ_V)
                order.append(dead.requests)
        assert isinstance(silent.result(), Silence)
        return order

    order = run(main())
    assert {1, 2} < set(order), "it was served after the first attempt, and after the second"
    assert order[-1] == 3


def test_an_adapter_that_reads_back_what_is_sent() -> None:
    async def main() -> list[Outcome]:
        with raw_end() as end:
            async with running(replace(end.port, echo=True)) as line:
                outcomes = []
                for _ in range(3):
                    asked = asyncio.create_task(ask(line, READ_V))
                    request = await end.read(8)
                    end.write(request[:5])
                    end.write(request[5:] + bytes.fromhex("010404436633341B38"))
                    outcomes.append(await asked)
                return outcomes

    assert run(main()) == [Answer((0x4366, 0x3334))] * 3


def test_a_device_that_is_off_is_tried_once_and_not_thrice() -> None:
    async def main() -> tuple[int, int]:
        with raw_end() as end:
            async with running(end.port, Patience(0.03, 2)) as line:
                await ask(line, READ_V)
                first = len(await end.read(24))
                await ask(line, READ_V)
                return first, len(await end.read(8))

    assert run(main()) == (24, 8)


def test_a_late_answer_is_not_taken_for_the_answer_to_the_next_question() -> None:
    """On a serial line an answer says whose it is, and not to which question."""

    async def main() -> tuple[Outcome, Outcome]:
        with raw_end() as end:
            async with running(end.port, Patience(0.1, 0)) as line:
                first = asyncio.create_task(ask(line, READ_V))
                second = asyncio.create_task(ask(line, Request(1, 4, 0x48, 2)))
                await end.read(8)
                outcome = await first
                end.write(bytes.fromhex("010404436633341B38"))  # too late
                await end.read(8)
                end.write(bytes.fromhex("01040400000000FB84"))
                return outcome, await second

    first, second = run(main())
    assert isinstance(first, Silence)
    assert second == Answer((0, 0))


def test_an_answer_to_another_function_or_of_another_length_is_none() -> None:
    async def main(answer: str) -> Outcome:
        with raw_end() as end:
            async with running(end.port) as line:
                asked = asyncio.create_task(ask(line, READ_V))
                await end.read(8)
                end.write(bytes.fromhex(answer))
                return await asked

    from simulators.modbus_meter import frames

    for pdu in ("030443663334", "04024366", "0406436633340000", "0400"):
        assert isinstance(run(main(frames.rtu(1, bytes.fromhex(pdu)).hex())), Silence), pdu


def test_garbage_before_an_answer_costs_that_answer_at_most() -> None:
    async def main() -> Outcome:
        with raw_end() as end:
            async with running(end.port) as line:
                asked = asyncio.create_task(ask(line, READ_V))
                await end.read(8)
                end.write(b"\xff\x00\x13" * 200)
                await asked
                asked = asyncio.create_task(ask(line, READ_V))
                await end.read(8)
                end.write(bytes.fromhex("010404436633341B38"))
                return await asked

    assert run(main()) == Answer((0x4366, 0x3334))


def test_a_port_that_is_not_there_and_then_is(tmp_path: Path) -> None:
    link = tmp_path / "ttyUSB0"

    async def main() -> None:
        async with running(SerialPort(str(link), 115200)) as line:
            outcome = await ask(line, READ_V)
            assert isinstance(outcome, NoLine)
            assert str(link) in outcome.reason
            async with on_pty(Bus([Device("sdm630", 1)])) as path:
                link.symlink_to(path)
                await answers(line)

    run(main())


def test_a_port_that_vanishes_and_comes_back(tmp_path: Path) -> None:
    link = tmp_path / "ttyUSB0"

    async def main() -> None:
        async with running(SerialPort(str(link), 115200)) as line:
            for _ in range(2):
                async with on_pty(Bus([Device("sdm630", 1)])) as path:
                    link.unlink(missing_ok=True)
                    link.symlink_to(path)
                    await answers(line)
                assert not isinstance(await ask(line, READ_V), Answer)

    run(main())


def test_a_server_that_is_restarted_on_its_port() -> None:
    async def main() -> None:
        bus = Bus([Device("sdm630", 1)])
        async with on_tcp(bus, "127.0.0.1", 0) as port:
            pass
        async with running(TcpPlace("127.0.0.1", port)) as line:
            assert isinstance(await ask(line, READ_V), NoLine)
            for _ in range(2):
                async with on_tcp(bus, "127.0.0.1", port):
                    await answers(line)
                await asyncio.sleep(0.05)
                assert not isinstance(await ask(line, READ_V), Answer)

    run(main())


async def answers(line: Line) -> None:
    """The line is tried again once a second."""
    for _ in range(100):
        if isinstance(await ask(line, READ_V), Answer):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the line did not recover")


def test_a_connection_on_which_nobody_answers_is_made_anew() -> None:
    opened: list[str] = []

    class Counted(client.ModbusClient):
        async def connect(self) -> str | None:
            opened.append(str(self.place))
            return await super().connect()

    async def main() -> None:
        async with on_tcp(Bus([]), "127.0.0.1", 0) as port:
            place = TcpPlace("127.0.0.1", port)
            line = Line(place, Patience(0.02, 0), structlog.get_logger(), Counted)
            task = asyncio.create_task(line.run())
            for _ in range(8):
                await ask(line, READ_V)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(main())
    assert len(opened) == 3


def test_who_waits_when_the_line_ends_is_told() -> None:
    async def main() -> list[Outcome]:
        outcomes: list[Outcome] = []
        with raw_end() as end:
            async with running(end.port, Patience(5.0, 0)) as line:
                line.submit(READ_V, 10.0, outcomes.append)
                line.submit(READ_V, 10.0, outcomes.append)
                await end.read(8)
            line.submit(READ_V, 10.0, outcomes.append)
        return outcomes

    assert run(main()) == [NoLine("the line is closed")] * 3


def test_a_line_that_is_told_to_end_in_the_moment_an_answer_comes_ends() -> None:
    async def main() -> None:
        for attempt in range(20):
            with raw_end() as end:
                line = Line(end.port, Patience(5.0, 0), structlog.get_logger())
                task = asyncio.create_task(line.run())
                outcomes: list[Outcome] = []
                line.submit(READ_V, 10.0, outcomes.append)
                await end.read(8)
                assert line._client is not None
                pymodbus = line._client._client.ctx
                answered = pymodbus.response_future
                answered.add_done_callback(lambda _, task=task: task.cancel())  # type: ignore[misc]
                end.write(bytes.fromhex("010404436633341B38"))
                done, _ = await asyncio.wait({task}, timeout=2)
                assert done, attempt

    run(main(), timeout_s=60)


def test_a_host_that_never_answers_does_not_hold_up_the_line_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 0.05)

    async def never() -> bool:
        await asyncio.sleep(3600)
        return True

    async def main() -> Outcome:
        made = client.ModbusClient(TcpPlace("192.0.2.1"))
        monkeypatch.setattr(made._client, "connect", never)
        line = Line(TcpPlace("192.0.2.1"), QUICK, structlog.get_logger(), lambda _: made)
        task = asyncio.create_task(line.run())
        outcome = await ask(line, READ_V)
        assert await ask(line, READ_V) == outcome, "at once: it is tried again once a second"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return outcome

    assert run(main()) == NoLine("192.0.2.1:502 does not answer")


def test_a_port_whose_driver_fails_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> bool:
        raise ValueError("no such speed")

    async def main() -> Outcome:
        made = client.ModbusClient(SerialPort("/dev/ttyX"))
        monkeypatch.setattr(made._client, "connect", broken)
        line = Line(SerialPort("/dev/ttyX"), QUICK, structlog.get_logger(), lambda _: made)
        task = asyncio.create_task(line.run())
        outcome = await ask(line, READ_V)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return outcome

    assert run(main()) == NoLine("/dev/ttyX cannot be opened: no such speed")


def test_without_pymodbus_the_log_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymodbus.client", None)

    async def main() -> Outcome:
        line = Line(TcpPlace("127.0.0.1"), QUICK, structlog.get_logger())
        task = asyncio.create_task(line.run())
        outcome = await ask(line, READ_V)
        await task
        assert await ask(line, READ_V) == outcome
        return outcome

    assert run(main()) == NoLine("Modbus needs pymodbus: pip install 'evse-daemon[modbus]'")
