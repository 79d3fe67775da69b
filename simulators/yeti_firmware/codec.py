"""The board's end of the Yeti's protobuf: its own mapping, so that it shares no mistake with the driver's.

Both use the classes that are generated from one description; the frames recorded from EVerest's own encoder hold that
description and each mapping (tests/simulators/yeti_firmware/test_codec.py).
"""

from __future__ import annotations

try:
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ImportError("the board's messages need protobuf: pip install 'evse-daemon[serial]'") from error

from drivers.yeti.yeti_pb2 import BoardAlive as AliveWords
from drivers.yeti.yeti_pb2 import Cable, FromBoard, Lock, MeterReading, Pilot, PilotVoltages, ToBoard
from drivers.yeti.yeti_pb2 import ErrorFlags as FlagWords
from drivers.yeti.yeti_pb2 import ResetReason as ReasonWords
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpVoltages,
    EnterBootloader,
    ErrorFlags,
    FromHost,
    HasReset,
    HostAlive,
    LockIs,
    Metered,
    PpIs,
    RelayIs,
    ResetBoard,
    SetLock,
    SetPwm,
    SetThreePhases,
    ToHost,
)

MAX_VERSION = 50
"""Characters of the version string that the firmware copies."""


def decode(data: bytes) -> FromHost | None:
    """A command of the host; None for what the firmware does not know, which it ignores."""
    message = ToBoard()
    try:
        message.ParseFromString(data)
    except DecodeError:
        return None
    match message.WhichOneof("payload"):
        case "host_alive":
            return HostAlive()
        case "duty":
            return SetPwm(message.duty)
        case "allow_power":
            return AllowPowerOn(message.allow_power)
        case "lock":
            return SetLock(message.lock)
        case "three_phases":
            return SetThreePhases(message.three_phases)
        case "reset":
            return ResetBoard()
        case "enter_bootloader" if message.enter_bootloader.rom:
            return EnterBootloader()
        case _:
            return None


def encode(message: ToHost) -> bytes:
    """What the board says, as it goes into a frame."""
    return _words(message).SerializeToString(deterministic=True)


def _words(message: ToHost) -> FromBoard:
    match message:
        case HasReset(reason):
            return FromBoard(was_reset=ReasonWords.ValueType(reason))
        case CpIs(state):
            return FromBoard(pilot=Pilot.ValueType(state))
        case RelayIs(on):
            return FromBoard(relay_closed=on)
        case PpIs(pp):
            return FromBoard(cable=Cable.ValueType(pp))
        case LockIs(lock):
            return FromBoard(lock=Lock.ValueType(lock))
        case CpVoltages(high_v, low_v):
            return FromBoard(pilot_voltages=PilotVoltages(high_V=high_v, low_V=low_v))
        case ErrorFlags():
            return FromBoard(error_flags=_flags(message))
        case BoardAlive():
            return FromBoard(board_alive=_alive(message))
        case Metered():
            return FromBoard(meter=_meter(message))


def _flags(flags: ErrorFlags) -> FlagWords:
    return FlagWords(
        diode_fault=flags.diode_fault,
        rcd_selftest_failed=flags.rcd_selftest_failed,
        rcd_triggered=flags.rcd_triggered,
        ventilation_not_available=flags.ventilation_not_available,
        connector_lock_failed=flags.connector_lock_failed,
        cp_signal_fault=flags.cp_signal_fault,
        over_current=flags.over_current,
    )


def _alive(alive: BoardAlive) -> AliveWords:
    return AliveWords(
        timestamp_ms=alive.tick_ms,
        protocol_major=alive.version.protocol_major,
        protocol_minor=alive.version.protocol_minor,
        version=alive.version.software[:MAX_VERSION],
        max_current_A=alive.max_current_a,
        min_current_A=alive.min_current_a,
        max_phases=alive.max_phases,
        min_phases=alive.min_phases,
        changes_phases_while_charging=alive.changes_phases_while_charging,
    )


def _meter(meter: Metered) -> MeterReading:
    u, i, p = meter.voltage_v, meter.current_a, meter.power_w
    wh, f, t = meter.energy_wh, meter.frequency_hz, meter.temperature_c
    return MeterReading(
        timestamp=meter.timestamp,
        voltage_L1_V=u[0],
        voltage_L2_V=u[1],
        voltage_L3_V=u[2],
        current_L1_A=i[0],
        current_L2_A=i[1],
        current_L3_A=i[2],
        current_N_A=meter.neutral_a,
        energy_L1_Wh=wh[0],
        energy_L2_Wh=wh[1],
        energy_L3_Wh=wh[2],
        energy_Wh=meter.total_wh,
        temperature_L1_C=t[0],
        temperature_L2_C=t[1],
        temperature_L3_C=t[2],
        temperature_N_C=meter.neutral_temperature_c,
        power_L1_W=p[0],
        power_L2_W=p[1],
        power_L3_W=p[2],
        frequency_L1_Hz=f[0],
        frequency_L2_Hz=f[1],
        frequency_L3_Hz=f[2],
        wrong_phase_sequence=meter.phase_sequence_wrong,
    )
