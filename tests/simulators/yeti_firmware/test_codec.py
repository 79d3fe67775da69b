"""The board's own mapping, held against frames that EVerest's encoder made: not against the driver's mapping."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.link.framing import FrameDecoder, encode_frame
from simulators.yeti_firmware import codec
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpState,
    CpVoltages,
    EnterBootloader,
    ErrorFlags,
    FromHost,
    HasReset,
    HostAlive,
    LockIs,
    LockState,
    Metered,
    PpIs,
    PpState,
    RelayIs,
    ResetBoard,
    ResetReason,
    SetLock,
    SetPwm,
    SetThreePhases,
    ToHost,
    Version,
)
from tests.drivers import vectors

FROM_HOST: dict[str, tuple[FromHost, str]] = {
    'keep_alive{0,0,0,"n/a"}': (HostAlive(), "0DA2060532036E2F616FAF1CE200"),
    "reset(default payload = false)": (ResetBoard(), "03C80605934658C900"),
    "reset(true)": (ResetBoard(), "08C8060105765FBE00"),
    "connector_lock(false=unlock)": (SetLock(False), "03B006057B7FBA9300"),
    "connector_lock(true=lock)": (SetLock(True), "08B00601ED4FBDE400"),
    "pwm_duty_cycle(0 = F)": (SetPwm(0), "03B80605C32EA99D00"),
    "pwm_duty_cycle(500 = 5%)": (SetPwm(500), "09B806F403274F29EB00"),
    "pwm_duty_cycle(1000 = 10% 6A)": (SetPwm(1000), "09B806E80763D6330A00"),
    "pwm_duty_cycle(2666 = 16A)": (SetPwm(2666), "09B806EA143FF5BBBC00"),
    "pwm_duty_cycle(5333 = 32A)": (SetPwm(5333), "09B806D52912930DBC00"),
    "pwm_duty_cycle(10001 = X1)": (SetPwm(10001), "09B806914EE8EDCEFB00"),
    "allow_power_on(false)": (AllowPowerOn(False), "03C006052B174BC700"),
    "allow_power_on(true)": (AllowPowerOn(True), "08C00601BD274CB000"),
    "set_number_of_phases(false=1ph)": (SetThreePhases(False), "03D006055BB46DDB00"),
    "set_number_of_phases(true=3ph)": (SetThreePhases(True), "08D00601CD846AAC00"),
    "firmware_update{true}": (EnterBootloader(), "0A820102080185E21DF600"),
}

FROM_BOARD: dict[str, tuple[ToHost, str]] = {
    "reset(USER)": (HasReset(ResetReason.USER), "03A80605B38D8F8100"),
    "reset(WATCHDOG)": (HasReset(ResetReason.WATCHDOG), "08A8060125BD88F600"),
    "cp_state(A)": (CpIs(CpState.A), "03B006057B7FBA9300"),
    "cp_state(B)": (CpIs(CpState.B), "08B00601ED4FBDE400"),
    "cp_state(C)": (CpIs(CpState.C), "08B00602571EB47D00"),
    "cp_state(D)": (CpIs(CpState.D), "08B00603C12EB30A00"),
    "cp_state(E)": (CpIs(CpState.E), "08B0060462BBD79400"),
    "cp_state(F)": (CpIs(CpState.F), "08B00605F48BD0E300"),
    "relais_state(off)": (RelayIs(False), "03B80605C32EA99D00"),
    "relais_state(on)": (RelayIs(True), "08B80601551EAEEA00"),
    "pp_state(0)": (PpIs(PpState.NC), "03D006055BB46DDB00"),
    "pp_state(1)": (PpIs(PpState.A13), "08D00601CD846AAC00"),
    "pp_state(2)": (PpIs(PpState.A20), "08D0060277D5633500"),
    "pp_state(3)": (PpIs(PpState.A32), "08D00603E1E5644200"),
    "pp_state(4)": (PpIs(PpState.A70), "06D00604427002DC00"),
    "pp_state(5)": (PpIs(PpState.FAULT), "08D00605D44007AB00"),
    "lock_state(0)": (LockIs(LockState.UNDEFINED), "03D80605E3E57ED500"),
    "lock_state(1)": (LockIs(LockState.UNLOCKED), "08D8060175D579A200"),
    "lock_state(2)": (LockIs(LockState.LOCKED), "08D80602CF84703B00"),
    "error_flags{} (none)": (ErrorFlags(), "03C2060545C3CFC400"),
    "error_flags{diode_fault}": (ErrorFlags(diode_fault=True), "0AC2060208017582393300"),
    "error_flags{rcd_triggered}": (ErrorFlags(rcd_triggered=True), "0AC2060218012490FB7900"),
    "error_flags{over_current}": (ErrorFlags(over_current=True), "0AC20602380186B47FEC00"),
    "telemetry{hi=9,lo=0}": (CpVoltages(9, 0), "0ACA060208098641920D00"),
    'keep_alive{1234,0,0,0.1,"2.2",32,6,3,1,true}': (
        BoardAlive(1234, Version(0, 1, "2.2")),
        "0E1A1A08D20928013203322E323D0101034245010DC040480350015801468CD64F00",
    ),
    "power_meter{..}": (
        Metered(
            voltage_v=(230.0, 231.0, 229.5),
            current_a=(16.0, 15.5, 16.25),
            neutral_a=0.5,
            energy_wh=(100.0, 101.0, 102.0),
            total_wh=303.0,
            temperature_c=(40.0, 41.0, 42.0),
            neutral_temperature_c=39.0,
            power_w=(3680.0, 3580.5, 3729.25),
            frequency_hz=(50.0, 50.0, 50.0),
            timestamp=1000,
        ),
        (
            "08E2067308E80715010466431D0104674325058065432D0104804135010478413D01048241450101033F4D0104C842550104"
            "CA425D0104CC4265058097436D0104204275010424427D01052842850101051C428D0101056645950106C85F459D01061469"
            "45A50101054842AD0101054842B50101074842819676C700"
        ),
    ),
}


@pytest.mark.parametrize("name", FROM_HOST)
def test_commands_are_understood_as_everest_encodes_them(name: str) -> None:
    message, frame = FROM_HOST[name]
    (data,) = FrameDecoder().feed(bytes.fromhex(frame))
    assert codec.decode(data) == message


@pytest.mark.parametrize("name", FROM_BOARD)
def test_messages_are_those_of_everests_encoder(name: str) -> None:
    message, frame = FROM_BOARD[name]
    assert encode_frame(codec.encode(message)).hex().upper() == frame


@pytest.mark.skipif(not vectors.FILE.exists(), reason="the recorded frames are not beside this checkout")
def test_the_frames_above_are_all_that_were_recorded() -> None:
    for heading, ours in (("Yeti EVerest->MCU", FROM_HOST), ("Yeti MCU->EVerest", FROM_BOARD)):
        recorded = {vector.name: vector.frame.hex().upper() for vector in vectors.read(heading)}
        assert {name: frame for name, (_, frame) in ours.items()} == recorded


def test_a_command_that_the_firmware_does_not_know_is_ignored() -> None:
    assert codec.decode(b"") is None
    assert codec.decode(bytes.fromhex("E80601")) is None  # a field of number 109
    assert codec.decode(bytes.fromhex("82010208 00".replace(" ", ""))) is None  # no update is asked for


@given(st.binary(max_size=300))
def test_no_bytes_break_the_board(data: bytes) -> None:
    codec.decode(data)
