"""YetiDriver as its neighbours see it: in virtual time over a wire in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.board import messages as m
from drivers.link.framing import FrameDecoder, encode_frame
from drivers.link.link import Link, LinkListener
from drivers.yeti.codec import YetiCodec
from drivers.yeti_driver.module import YetiDriver
from evse_daemon.framework.calls import CallError
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.types.evse_board_support import PowerOnOff
from evse_daemon.types.powermeter import TransactionReq
from tests.drivers.fake_board import CYCLE_S, FakeBoard
from tests.support.harness import World

BOARD = ("yeti", "board_support")
LOCK = ("yeti", "connector_lock")
RCD = ("yeti", "rcd")
METER = ("yeti", "powermeter")
CODEC = YetiCodec()


class MemoryLink:
    def __init__(self) -> None:
        self.sent: list[m.ToBoard] = []
        self.board: FakeBoard | None = None
        self.now_s: Callable[[], float] = lambda: 0.0

    async def run(self, listener: LinkListener) -> None:
        raise NotImplementedError

    def send(self, message: bytes) -> None:
        decoded = CODEC.decode_to_board(message)
        self.sent.append(decoded)
        if self.board is not None:
            self.board.hear(decoded, self.now_s())


class Wired(YetiDriver):
    def make_link(self) -> Link:
        return MemoryLink()


class Pin:
    def __init__(self) -> None:
        self.held: list[bool] = []
        self.broken = False
        self.board: FakeBoard | None = None

    def hold(self, held: bool) -> None:
        if self.broken:
            raise OSError("no such line")
        self.held.append(held)
        if self.board is not None:
            self.board.held_in_reset(held)


class Rig:
    """A driver, its world, and a fake board at the other end of the wire."""

    def __init__(self, driver: type[Wired] = Wired, **options: Any) -> None:
        self.failures: list[Exception] = []
        self.world = World(failed=lambda _module, error: self.failed(error))
        self.module = self.world.add(driver, "yeti", {"reset_gpio_chip": ""} | options)
        self.board = FakeBoard()
        link = self.module.link
        assert isinstance(link, MemoryLink)
        self.link = link
        self.link.board, self.link.now_s = self.board, self.world.clock.now_s
        self.world.start()
        self.module.link_up()
        self.advance(1)

    def failed(self, error: Exception) -> None:
        self.failures.append(error)
        self.module.recover(error, len(self.failures))

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / CYCLE_S)):
            for message in self.board.cycle(self.world.clock.now_s()):
                self.module.received(CODEC.encode_from_board(message))
            self.world.advance(CYCLE_S)

    def events(self) -> list[str]:
        return [event.event for event in self.world.published(BOARD, EvseBoardSupport.event)]

    def allow(self, value: bool) -> None:
        reason = PowerOnOff(allow_power_on=value, reason="FullPowerCharging" if value else "PowerOff")
        self.world.call(BOARD, EvseBoardSupport.allow_power_on, reason)

    def charge(self) -> None:
        self.world.call(BOARD, EvseBoardSupport.enable, True)
        self.board.car = "C"
        self.world.call(BOARD, EvseBoardSupport.pwm_on, 16.0)
        self.allow(True)
        self.advance(0.5)
        assert self.board.relay


def test_a_session_from_plug_to_unplug() -> None:
    rig = Rig()
    rig.world.call(BOARD, EvseBoardSupport.enable, True)
    rig.board.car = "B"
    rig.advance(0.2)
    rig.world.call(BOARD, EvseBoardSupport.pwm_on, 26.666)
    assert rig.board.duty == 2667
    rig.board.car = "C"
    rig.advance(0.2)
    rig.allow(True)
    rig.advance(0.5)
    rig.world.call(BOARD, EvseBoardSupport.cp_state_X1)
    rig.board.car = "B"
    rig.advance(0.2)
    rig.allow(False)
    rig.advance(0.5)
    rig.board.car = "A"
    rig.advance(0.2)
    assert rig.events() == ["A", "A", "B", "C", "PowerOn", "B", "PowerOff", "A"]
    assert rig.world.errors(BOARD) == []


def test_the_capabilities_are_the_boards() -> None:
    (capabilities,) = Rig().world.published(BOARD, EvseBoardSupport.capabilities)
    assert (capabilities.min_current_A_import, capabilities.max_current_A_import) == (6.0, 32.0)
    assert (capabilities.min_phase_count_import, capabilities.max_phase_count_export) == (1, 3)
    assert capabilities.supports_changing_phases_during_charging


def test_the_configuration_may_say_what_cable_and_fuse_carry() -> None:
    (capabilities,) = Rig(caps_min_current_A=8, caps_max_current_A=16).world.published(
        BOARD, EvseBoardSupport.capabilities
    )
    assert (capabilities.min_current_A_import, capabilities.max_current_A_import) == (8.0, 16.0)
    assert (capabilities.min_current_A_export, capabilities.max_current_A_export) == (8.0, 16.0)


def test_impossible_capabilities_are_not_believed() -> None:
    rig = Rig()
    for alive in (
        m.BoardAlive("2.2", max_current_A=3200.0, min_current_A=6.0, max_phases=3, min_phases=1),
        m.BoardAlive("2.2", max_current_A=32.0, min_current_A=6.0, max_phases=7, min_phases=0),
        m.BoardAlive("2.2", max_current_A=-1.0, min_current_A=-5.0, max_phases=3, min_phases=1),
    ):
        rig.module.received(CODEC.encode_from_board(alive))
        rig.world.settle()
        last = rig.world.published(BOARD, EvseBoardSupport.capabilities)[-1]
        assert (last.max_current_A_import, last.max_phase_count_import) == (16.0, 3)


def test_the_meter_is_published_as_everest_names_it() -> None:
    rig = Rig()
    reading = m.MeterReading(
        voltage_V=(230.0, 231.0, 229.0),
        current_A=(16.0, 15.5, 16.25),
        neutral_A=0.5,
        energy_Wh=(100.0, 101.0, 102.0),
        total_energy_Wh=303.0,
        temperature_C=(40.0, 41.0, 42.0),
        neutral_temperature_C=39.0,
        power_W=(3680.0, 3580.5, 3721.25),
        frequency_Hz=(50.0, 50.01, 49.99),
        wrong_phase_sequence=True,
    )
    rig.module.received(CODEC.encode_from_board(reading))
    rig.world.settle()
    value = rig.world.published(METER, Powermeter.powermeter)[-1]
    assert value.meter_id == "YETI_POWERMETER"
    assert value.energy_Wh_import.total == 303.0
    assert value.power_W is not None
    assert value.power_W.total == 10981.75
    assert value.current_A is not None
    assert (value.current_A.L2, value.current_A.N) == (15.5, 0.5)
    assert value.frequency_Hz is not None
    assert value.frequency_Hz.L3 == 49.99
    assert value.phase_seq_error is True
    assert [part.temperature for part in value.temperatures or ()] == [40.0, 41.0, 42.0, 39.0]
    assert value.timestamp == rig.world.bus.timestamp(), "the board's clock is not believed"


def test_a_signed_transaction_is_refused_as_not_supported() -> None:
    rig = Rig()
    request = TransactionReq(
        evse_id="1",
        transaction_id="t",
        identification_status="ASSIGNED",
        identification_flags=[],
        identification_type="NONE",
    )
    assert rig.world.call(METER, Powermeter.start_transaction, request).status == "NOT_SUPPORTED"
    assert rig.world.call(METER, Powermeter.stop_transaction, "t").status == "NOT_SUPPORTED"


def test_state_e_and_the_tests_of_the_rcd_are_not_in_this_boards_power() -> None:
    rig = Rig()
    with pytest.raises(CallError, match="supports_cp_state_E"):
        rig.world.call(BOARD, EvseBoardSupport.cp_state_E)
    with pytest.raises(CallError, match="cannot be told to test"):
        rig.world.call(RCD, AcRcd.self_test)
    assert rig.world.call(RCD, AcRcd.reset) is False
    rig.world.call(BOARD, EvseBoardSupport.ac_set_overcurrent_limit_A, 16.0)


def test_lock_and_unlock_are_answered_when_the_motor_has_run() -> None:
    rig = Rig(lock_time_s=0.5)
    call = rig.world.begin(LOCK, ConnectorLock.lock)
    rig.advance(0.4)
    assert call.outcome is None
    rig.advance(0.2)
    assert call.outcome == (None,)
    assert rig.board.lock == "locked"


def test_a_stuck_lock_answers_with_an_error() -> None:
    rig = Rig(lock_time_s=0.5)
    rig.board.reports_lock = rig.board.lock_stuck = True
    rig.advance(0.2)
    call = rig.world.begin(LOCK, ConnectorLock.lock)
    rig.advance(2)
    assert isinstance(call.outcome, CallError)
    assert "did not move in time" in call.outcome.message
    assert rig.world.errors(LOCK) == ["connector_lock/ConnectorLockFailedLock"]


def test_under_power_neither_the_lock_opens_nor_the_phases_switch() -> None:
    rig = Rig()
    rig.charge()
    with pytest.raises(CallError, match="stays locked"):
        rig.world.call(LOCK, ConnectorLock.unlock)
    with pytest.raises(CallError, match="under load"):
        rig.world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    rig.allow(False)
    rig.advance(0.5)
    rig.world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    assert not rig.board.three_phases


def test_errors_are_raised_where_they_belong_and_cleared() -> None:
    rig = Rig()
    rig.board.flags = m.ErrorFlags(True, True, True, True, True, True, True)
    rig.advance(0.1)
    assert sorted(rig.world.errors(BOARD)) == [
        "evse_board_support/DiodeFault",
        "evse_board_support/MREC14PilotFault",
        "evse_board_support/MREC2GroundFailure",
        "evse_board_support/MREC4OverCurrentFailure",
        "evse_board_support/VentilationNotAvailable",
    ]
    assert rig.world.errors(RCD) == ["ac_rcd/Selftest"]
    assert rig.world.errors(LOCK) == ["connector_lock/MREC1ConnectorLockFailure"]
    rig.board.flags = m.ErrorFlags()
    rig.advance(0.1)
    assert rig.world.errors(BOARD) == rig.world.errors(RCD) == rig.world.errors(LOCK) == []


def test_a_lost_board_is_a_communication_fault_until_it_is_back() -> None:
    rig = Rig(link_timeout_s=1.0)
    rig.charge()
    rig.board.silent = True
    rig.advance(1.3)
    (error,) = rig.world.active_errors(BOARD)
    assert (error.type, error.sub_type) == ("evse_board_support/CommunicationFault", "McuToEverest")
    assert "not heard for 1 s" in error.message
    rig.board.silent = False
    rig.advance(5)
    assert rig.world.errors(BOARD) == []


def test_messages_that_make_no_sense_change_nothing() -> None:
    rig = Rig()
    rig.charge()
    before, told = rig.module.state, len(rig.events())
    for data in ("", "FF", "B00609", "1A053D0000C07F", "E20605150000807F"):
        rig.module.received(bytes.fromhex(data))
    rig.world.settle()
    assert rig.module.state == before
    assert len(rig.events()) == told
    assert rig.failures == []


def test_an_error_in_the_driver_switches_off_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    rig.charge()

    def explode(_value: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(rig.module, "tell_meter", explode)
        rig.advance(0.25)
    assert rig.failures
    assert not rig.board.relay
    rig.advance(3)
    assert rig.world.errors(BOARD) == []
    assert rig.events().count("PowerOff") == len(rig.failures), "told anew each time"
    assert "C" in rig.events()[-2:], "its state is told anew"
    rig.allow(True)
    rig.advance(0.5)
    assert rig.board.relay


def test_a_daemon_that_ends_says_power_off_last() -> None:
    rig = Rig()
    rig.charge()
    rig.module.make_safe()
    assert (rig.board.power, rig.board.duty) == (False, m.PILOT_X1)
    assert rig.link.sent[-1] == m.AllowPower(False)


def test_a_reset_line_is_used_where_there_is_one() -> None:
    pin = Pin()

    class WithPin(Wired):
        def make_reset_pin(self) -> Pin:
            return pin

    rig = Rig(WithPin)
    pin.board = rig.board
    rig.advance(1)
    assert rig.module.state.phase == "running"
    pin.held.clear()
    rig.charge()
    rig.module.link_lost("gone")
    rig.world.settle()
    assert pin.held == [True]
    assert not rig.board.relay
    pin.broken = True
    rig.module.link_up()
    rig.advance(1)
    assert rig.failures == []


def test_a_reset_line_that_cannot_be_had_leaves_the_reset_by_message() -> None:
    class WithoutPin(Wired):
        def make_reset_pin(self) -> None:
            raise PermissionError("/dev/gpiochip0")

    rig = Rig(WithoutPin)
    assert m.Reset() in rig.link.sent
    assert rig.module.state.phase == "running"


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
    assert m.AllowPower(True) not in rig.link.sent


@pytest.mark.parametrize(
    ("cable", "ampacity"),
    [
        ("13A", "A_13"),
        ("20A", "A_20"),
        ("32A", "A_32"),
        ("70A", "A_63_3ph_70_1ph"),
        ("none", "None"),
        ("fault", "None"),
    ],
)
def test_the_cable_is_told_as_everest_names_it(cable: m.Cable, ampacity: str) -> None:
    rig = Rig()
    for _ in range(2):
        rig.module.received(CODEC.encode_from_board(m.ProximityState(cable)))
    rig.world.settle()
    told = rig.world.published(BOARD, EvseBoardSupport.ac_pp_ampacity)
    assert [value.ampacity for value in told] == [ampacity], "once, though the board says it again"


def test_a_newer_command_to_the_lock_takes_the_place_of_an_older() -> None:
    rig = Rig()
    older = rig.world.begin(LOCK, ConnectorLock.lock)
    rig.advance(0.2)
    newer = rig.world.begin(LOCK, ConnectorLock.unlock)
    rig.advance(2)
    assert isinstance(older.outcome, CallError)
    assert "newer command" in older.outcome.message
    assert newer.outcome == (None,)
    assert rig.board.lock == "unlocked"


def test_a_phase_switch_while_the_board_is_away_holds_once_it_is_back() -> None:
    rig = Rig()
    rig.module.link_lost("gone")
    rig.world.call(BOARD, EvseBoardSupport.ac_switch_three_phases_while_charging, False)
    assert rig.board.three_phases
    rig.module.link_up()
    rig.advance(1)
    assert not rig.board.three_phases
