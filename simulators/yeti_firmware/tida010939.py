"""A simulated TIDA-010939: its own mapping to protobuf, so that it shares no mistake with the driver's (codec.py)."""

from __future__ import annotations

from typing import assert_never

try:
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ImportError("the board's messages need protobuf: pip install 'evse-daemon[serial]'") from error

from drivers.tida010939 import tida010939_pb2 as words
from simulators.yeti_firmware.heard import NOTHING, STRANGE, Heard
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpVoltages,
    EnterBootloader,
    ErrorFlags,
    HasReset,
    HostAlive,
    LockIs,
    Metered,
    PpIs,
    RelayIs,
    ResetBoard,
    SetLock,
    SetPwm,
    ToHost,
)

CABINET_C = 25.0
"""What both temperature sensors measure."""


class Tida010939:
    """See dialects.Dialect. Its firmware has no word for the meter and for phases."""

    def heard(self, message: bytes) -> Heard:
        said = words.ToBoard()
        try:
            said.ParseFromString(message)
        except DecodeError:
            return STRANGE
        match said.WhichOneof("payload"):
            case "host_alive":
                return Heard(HostAlive())
            case "duty":
                return Heard(SetPwm(said.duty))
            case "allow_power":
                return Heard(AllowPowerOn(said.allow_power))
            case "lock":
                return Heard(SetLock(said.lock))
            case "reset":
                return Heard(ResetBoard())
            case "enter_bootloader" if said.enter_bootloader.rom:
                return Heard(EnterBootloader())
            case "rcd_command":
                return NOTHING  # as the published firmware, which does not do it yet
            case _:
                return STRANGE

    def said(self, message: ToHost) -> tuple[bytes, ...]:
        told = _told(message)
        return () if told is None else (told.SerializeToString(deterministic=True),)


def _told(message: ToHost) -> words.FromBoard | None:
    match message:
        case HasReset(reason):
            return words.FromBoard(was_reset=words.ResetReason.ValueType(reason))
        case CpIs(state):
            return words.FromBoard(pilot=words.Pilot.ValueType(state))
        case RelayIs(on):
            return words.FromBoard(relay_closed=on)
        case PpIs(pp):
            return words.FromBoard(cable=words.Cable.ValueType(pp))
        case LockIs(lock):
            return words.FromBoard(lock=words.Lock.ValueType(lock))
        case CpVoltages(high_v, low_v):
            return words.FromBoard(
                pilot_voltages=words.PilotVoltages(
                    high_V=high_v, low_V=low_v, temperature_1_C=CABINET_C, temperature_2_C=CABINET_C
                )
            )
        case ErrorFlags():
            return words.FromBoard(
                error_flags=words.ErrorFlags(
                    diode_fault=message.diode_fault,
                    rcd_selftest_failed=message.rcd_selftest_failed,
                    rcd_triggered=message.rcd_triggered,
                    ventilation_not_available=message.ventilation_not_available,
                    connector_lock_failed=message.connector_lock_failed,
                    cp_signal_fault=message.cp_signal_fault,
                    over_current=message.over_current,
                )
            )
        case BoardAlive():
            return words.FromBoard(
                board_alive=words.BoardAlive(
                    timestamp_ms=message.tick_ms,
                    protocol_major=message.version.protocol_major,
                    protocol_minor=message.version.protocol_minor,
                    version=message.version.software,
                    max_current_A=message.max_current_a,
                    min_current_A=message.min_current_a,
                    max_phases=message.max_phases,
                    min_phases=message.min_phases,
                )
            )
        case Metered():
            return None
    assert_never(message)
