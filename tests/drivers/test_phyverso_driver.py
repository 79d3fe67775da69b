"""PhyVersoBSP as its neighbours see it: both connectors, in virtual time over a wire in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import messages as m
from drivers.board import readings, switch_off
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.link import Link, LinkListener
from drivers.phy_verso_bsp.codec import PhyVersoCodec
from drivers.phy_verso_bsp.module import PhyVersoBSP
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.evse_board_support import PowerOnOff
from tests.drivers.fake_board import CYCLE_S
from tests.drivers.fake_phyverso import FakePhyVerso
from tests.support.harness import World
from tests.support.memory_wire import Forever
from tests.support.waiting import run

CODEC = PhyVersoCodec()
BOTH = (1, 2)


def bsp(connector: int) -> tuple[str, str]:
    return ("phyverso", f"connector_{connector}")


def lock(connector: int) -> tuple[str, str]:
    return ("phyverso", f"connector_lock_{connector}")


def rcd(connector: int) -> tuple[str, str]:
    return ("phyverso", f"rcd_{connector}")


class MemoryLink:
    def __init__(self) -> None:
        self.sent: list[tuple[int, m.ToBoard]] = []
        self.codec = CODEC
        self.board: FakePhyVerso | None = None
        self.now_s: Callable[[], float] = lambda: 0.0

    async def run(self, listener: LinkListener) -> None:
        self.listener = listener
        listener.link_up()
        await Forever()

    def send(self, message: bytes) -> None:
        connector, decoded = self.codec.decode_to_board(message)
        self.sent.append((connector, decoded))
        if self.board is not None:
            self.board.hear(connector, decoded, self.now_s())


class Wired(PhyVersoBSP):
    def make_link(self) -> Link:
        return MemoryLink()


class Rig:
    """The driver, its world, and a fake board at the other end of the wire."""

    def __init__(self, **options: Any) -> None:
        self.failures: list[Exception] = []
        self.world = World(failed=lambda _module, error: self.failed(error))
        self.module = self.world.add(Wired, "phyverso", options)
        self.board = FakePhyVerso()
        link = self.module.link
        assert isinstance(link, MemoryLink)
        self.link = link
        self.link.codec = self.module.codec
        self.link.board, self.link.now_s = self.board, self.world.clock.now_s
        self.world.start()
        self.module.link_up()
        self.advance(1)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)
        self.module.recover(error, len(self.failures))

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / CYCLE_S)):
            for connector, message in self.board.cycle(self.world.clock.now_s()):
                self.module.received(self.link.codec.encode_from_board(message, connector))
            self.world.advance(CYCLE_S)

    def events(self, connector: int) -> list[str]:
        return [event.event for event in self.world.published(bsp(connector), EvseBoardSupport.event)]

    def allow(self, connector: int, value: bool) -> None:
        reason = PowerOnOff(allow_power_on=value, reason="FullPowerCharging" if value else "PowerOff")
        self.world.call(bsp(connector), EvseBoardSupport.allow_power_on, reason)

    def charge(self, connector: int) -> None:
        self.world.call(bsp(connector), EvseBoardSupport.enable, True)
        self.board.ports[connector].car = "C"
        self.world.call(bsp(connector), EvseBoardSupport.pwm_on, 16.0)
        self.allow(connector, True)
        self.advance(0.5)
        assert self.board.ports[connector].relay


def test_sessions_on_both_connectors_at_once() -> None:
    rig = Rig()
    for connector in BOTH:
        rig.world.call(bsp(connector), EvseBoardSupport.enable, True)
    for connector in BOTH:
        rig.board.ports[connector].car = "B"
        rig.advance(0.2)
        rig.world.call(bsp(connector), EvseBoardSupport.pwm_on, 26.666 / connector)
    assert [rig.board.ports[connector].duty for connector in BOTH] == [2667, 1333]
    for connector in BOTH:
        rig.board.ports[connector].car = "C"
        rig.advance(0.2)
        rig.allow(connector, True)
    rig.advance(0.5)
    for connector in reversed(BOTH):
        rig.world.call(bsp(connector), EvseBoardSupport.cp_state_X1)
        rig.board.ports[connector].car = "B"
        rig.advance(0.2)
        rig.allow(connector, False)
        rig.advance(0.5)
        rig.board.ports[connector].car = "A"
        rig.advance(0.2)
    for connector in BOTH:
        assert rig.events(connector) == ["A", "A", "B", "C", "PowerOn", "B", "PowerOff", "A"]
        assert rig.world.errors(bsp(connector)) == []


def test_the_board_is_told_what_the_options_say_of_its_ports() -> None:
    rig = Rig(
        conn1_has_socket=True,
        conn1_motor_lock_type=1,
        conn2_dc=True,
        conn2_motor_lock_type=2,
        conn2_feedback_active_low=False,
        conn2_feedback_pull=1,
    )
    assert rig.board.configuration == m.Configure(
        (
            m.PortSetup("AC", lock="hella", has_socket=True),
            m.PortSetup("DC", feedback_active_low=False, feedback_pull="up", lock="valeo"),
        )
    )


def test_the_capabilities_of_each_connector_are_those_of_the_configuration() -> None:
    rig = Rig(conn1_max_current_A_import=32, conn2_min_phase_count_import=1)
    (first,) = rig.world.published(bsp(1), EvseBoardSupport.capabilities)
    (second,) = rig.world.published(bsp(2), EvseBoardSupport.capabilities)
    assert (first.max_current_A_import, first.min_phase_count_import) == (32, 3)
    assert (second.max_current_A_import, second.min_phase_count_import) == (16, 1)


def test_each_connector_has_its_own_lock_and_residual_current_monitor() -> None:
    rig = Rig(lock_time_s=0.5)
    call = rig.world.begin(lock(2), ConnectorLock.lock)
    rig.advance(1)
    assert call.outcome == (None,)
    assert (rig.board.ports[1].lock, rig.board.ports[2].lock) == ("unlocked", "locked")
    rig.world.call(rcd(1), AcRcd.self_test)
    assert rig.link.sent[-1] == (1, m.RcdCommand(test=True))
    assert rig.world.call(rcd(2), AcRcd.reset) is True
    assert rig.link.sent[-1] == (2, m.RcdCommand(reset=True))
    rig.board.ports[2].flags = m.ErrorFlags(rcd_triggered=True)
    rig.advance(0.1)
    assert rig.world.errors(rcd(2)) == ["ac_rcd/DC"]
    assert rig.world.errors(rcd(1)) == []


def test_a_lock_on_its_way_is_not_there_yet() -> None:
    rig = Rig(lock_time_s=0.5)
    call = rig.world.begin(lock(1), ConnectorLock.lock)
    for position in ("unlocked", "locking"):
        rig.module.received(CODEC.encode_from_board(m.LockState(position), 1))
        rig.advance(0.1)
        assert call.outcome is None
    rig.module.received(CODEC.encode_from_board(m.LockState("locked"), 1))
    rig.world.settle()
    assert call.outcome == (None,)
    rig.module.received(CODEC.encode_from_board(m.LockState("unlocking"), 1))
    rig.world.settle()
    assert rig.world.errors(lock(1)) == ["connector_lock/ConnectorLockUnexpectedOpen"]
    assert rig.world.errors(lock(2)) == []


def test_phases_and_state_e_are_not_in_this_boards_power() -> None:
    rig = Rig()
    with pytest.raises(CallError, match="cannot switch its phases"):
        rig.world.call(bsp(1), EvseBoardSupport.ac_switch_three_phases_while_charging, True)
    with pytest.raises(CallError, match="supports_cp_state_E"):
        rig.world.call(bsp(2), EvseBoardSupport.cp_state_E)


def test_an_error_in_the_driver_switches_both_off_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    for connector in BOTH:
        rig.charge(connector)

    with monkeypatch.context() as patched:
        patched.setattr(readings, "proximity", lambda cable: 1 / 0)
        rig.module.received(CODEC.encode_from_board(m.ProximityState("32A"), 1))
        rig.world.settle()
    assert len(rig.failures) == 1
    rig.advance(0.3)
    assert not any(port.relay for port in rig.board.ports.values())
    rig.advance(3)
    for connector in BOTH:
        assert rig.module.connectors[connector - 1].state.phase == "running"
    rig.allow(2, True)
    rig.advance(0.5)
    assert rig.board.ports[2].relay


def test_a_daemon_that_ends_says_power_off_last_to_both() -> None:
    rig = Rig()
    for connector in BOTH:
        rig.charge(connector)
    rig.module.make_safe()
    for connector in BOTH:
        port = rig.board.ports[connector]
        assert (port.power, port.duty) == (False, m.PILOT_X1)
        assert [message for to, message in rig.link.sent if to == connector][-1] == m.AllowPower(False)


def test_make_safe_commands_both_connectors_off_and_the_board_restarts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switch_off, "ANSWER_S", 0.5)

    class Answers(MemoryLink):
        async def run(self, listener: LinkListener) -> None:
            self.listener = listener
            listener.link_up()
            await asyncio.Event().wait()

        def send(self, message: bytes) -> None:
            super().send(message)
            if isinstance(self.sent[-1][1], m.Reset):
                self.listener.received(CODEC.encode_from_board(m.ConfigurationRequest()))

    class Dead(PhyVersoBSP):
        def make_link(self) -> Link:
            return Answers()

    module = World().add(Dead, "phyverso", {"conn2_disable_port": True})
    off, said = run(module.switch_off_alone())
    assert off, said
    assert isinstance(module.link, MemoryLink)
    sent = module.link.sent
    for connector in BOTH:
        assert sent.index((connector, m.AllowPower(False))) < sent.index((0, m.Reset()))
        assert (connector, m.SetPilot(m.PILOT_X1)) in sent
    assert sent.count((0, m.Reset())) == 1


# A port that is not used.


def test_a_disabled_port_says_nothing_but_what_it_could_do() -> None:
    rig = Rig(conn2_disable_port=True)
    assert rig.board.configuration is not None
    assert rig.board.configuration.ports[1].type == "disabled"
    for message in (m.PilotState("C"), m.ErrorFlags(diode_fault=True), m.RelayState(True)):
        rig.module.received(CODEC.encode_from_board(message, 2))
    rig.world.settle()
    rig.charge(1)
    rig.module.link_lost("gone")
    rig.world.settle()
    assert rig.world.errors(bsp(1)) == ["evse_board_support/CommunicationFault"]
    assert rig.world.errors(bsp(2)) == rig.world.errors(rcd(2)) == rig.world.errors(lock(2)) == []
    assert rig.events(2) == []
    assert len(rig.world.published(bsp(2), EvseBoardSupport.capabilities)) == 1
    assert {connector for connector, _ in rig.link.sent} == {0, 1}


def test_a_disabled_port_takes_what_leaves_it_off_and_refuses_the_rest() -> None:
    rig = Rig(conn1_disable_port=True)
    rig.world.call(bsp(1), EvseBoardSupport.enable, True)
    rig.world.call(bsp(1), EvseBoardSupport.cp_state_X1)
    rig.world.call(bsp(1), EvseBoardSupport.cp_state_F)
    rig.world.call(bsp(1), EvseBoardSupport.ac_set_overcurrent_limit_A, 16.0)
    rig.allow(1, False)
    rig.world.call(lock(1), ConnectorLock.unlock)
    assert rig.world.call(rcd(1), AcRcd.reset) is False
    asks: list[Callable[[], Any]] = [
        lambda: rig.allow(1, True),
        lambda: rig.world.call(bsp(1), EvseBoardSupport.pwm_on, 16.0),
        lambda: rig.world.call(bsp(1), EvseBoardSupport.ac_switch_three_phases_while_charging, True),
        lambda: rig.world.call(lock(1), ConnectorLock.lock),
        lambda: rig.world.call(rcd(1), AcRcd.self_test),
    ]
    for ask in asks:
        with pytest.raises(CallError, match=r"connector 1 is not used \(conn1_disable_port\)"):
            ask()
    rig.charge(2)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(encode_frame)), max_size=40))
def test_whatever_bytes_come_the_driver_stands_and_no_power_is_allowed(pieces: list[bytes]) -> None:
    rig = Rig()
    decoder = FrameDecoder()
    for piece in pieces:
        for message in decoder.feed(piece):
            rig.module.received(message)
    rig.world.settle()
    rig.advance(0.2)
    assert rig.failures == []
    assert m.AllowPower(True) not in [message for _, message in rig.link.sent]
