"""The TIDA-010939 dialect: neutral messages to and from protobuf (tida010939.proto); it has no meter and no phases."""

from __future__ import annotations

from typing import assert_never

try:
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ImportError("the board's messages need protobuf: pip install 'evse-daemon[serial]'") from error

from drivers.board import flags
from drivers.board import messages as m
from drivers.board.enums import (
    CABLES,
    LOCKS,
    MAX_VERSION,
    PILOTS,
    RESET_REASONS,
    finite,
    name_of,
    printable_version,
)
from drivers.board.messages import BadMessageError, UnsupportedMessageError
from drivers.tida010939 import tida010939_pb2 as pb


class Tida010939Codec:
    """See drivers.board.messages.Codec."""

    def encode_to_board(self, message: m.ToBoard) -> bytes:
        return _host_words(message).SerializeToString(deterministic=True)

    def decode_from_board(self, data: bytes) -> m.FromBoard:
        words = pb.FromBoard()
        _parse(words, data)
        kind = words.WhichOneof("payload")
        match kind:
            case "board_alive":
                return _board_alive(words.board_alive)
            case "was_reset":
                return m.WasReset(name_of(RESET_REASONS, words.was_reset, "reset reason"))
            case "pilot":
                return m.PilotState(name_of(PILOTS, words.pilot, "control pilot"))
            case "relay_closed":
                return m.RelayState(words.relay_closed)
            case "error_flags":
                return flags.read(words.error_flags)
            case "pilot_voltages":
                return _voltages(words.pilot_voltages)
            case "cable":
                return m.ProximityState(name_of(CABLES, words.cable, "proximity pilot"))
            case "lock":
                return m.LockState(name_of(LOCKS, words.lock, "lock state"))
            case None:
                raise BadMessageError("no message that a TIDA-010939 sends")
        assert_never(kind)

    def encode_from_board(self, message: m.FromBoard) -> bytes:
        return _board_words(message).SerializeToString(deterministic=True)

    def decode_to_board(self, data: bytes) -> m.ToBoard:
        words = pb.ToBoard()
        _parse(words, data)
        kind = words.WhichOneof("payload")
        match kind:
            case "enter_bootloader":
                return m.EnterBootloader(words.enter_bootloader.rom)
            case "host_alive":
                alive = words.host_alive
                return m.HostAlive(
                    alive.timestamp, alive.hardware_type, alive.hardware_revision, alive.version[:MAX_VERSION]
                )
            case "lock":
                return m.SetLock(words.lock)
            case "duty":
                return m.SetPilot(words.duty)
            case "allow_power":
                return m.AllowPower(words.allow_power)
            case "reset":
                return m.Reset(words.reset)
            case "rcd_command":
                return m.RcdCommand(words.rcd_command.test, words.rcd_command.reset)
            case None:
                raise BadMessageError("no message that a TIDA-010939 takes")
        assert_never(kind)


def _parse(words: pb.ToBoard | pb.FromBoard, data: bytes) -> None:
    try:
        words.ParseFromString(data)
    except DecodeError as error:
        raise BadMessageError(f"no protobuf: {error}") from error


def _host_words(message: m.ToBoard) -> pb.ToBoard:
    match message:
        case m.HostAlive():
            return pb.ToBoard(
                host_alive=pb.HostAlive(
                    timestamp=message.timestamp,
                    hardware_type=message.hardware_type,
                    hardware_revision=message.hardware_revision,
                    version=message.version,
                )
            )
        case m.SetPilot(duty):
            return pb.ToBoard(duty=duty)
        case m.AllowPower(allowed):
            return pb.ToBoard(allow_power=allowed)
        case m.SetPhases():
            raise UnsupportedMessageError("a TIDA-010939 cannot switch phases")
        case m.SetLock(locked):
            return pb.ToBoard(lock=locked)
        case m.Reset(value):
            return pb.ToBoard(reset=value)
        case m.EnterBootloader(rom):
            return pb.ToBoard(enter_bootloader=pb.EnterBootloader(rom=rom))
        case m.RcdCommand(test, reset):
            return pb.ToBoard(rcd_command=pb.RcdCommand(test=test, reset=reset))
        case m.Configure():
            raise UnsupportedMessageError("a TIDA-010939 knows what is wired to it")
    assert_never(message)


def _board_words(message: m.FromBoard) -> pb.FromBoard:
    match message:
        case m.BoardAlive():
            return pb.FromBoard(
                board_alive=pb.BoardAlive(
                    timestamp_ms=message.timestamp_ms,
                    hardware_type=message.hardware_type,
                    hardware_revision=message.hardware_revision,
                    protocol_major=message.protocol[0],
                    protocol_minor=message.protocol[1],
                    version=message.version,
                    max_current_A=message.max_current_A,
                    min_current_A=message.min_current_A,
                    max_phases=message.max_phases,
                    min_phases=message.min_phases,
                )
            )
        case m.WasReset(reason):
            return pb.FromBoard(was_reset=pb.ResetReason.ValueType(RESET_REASONS.index(reason)))
        case m.PilotState(state):
            return pb.FromBoard(pilot=pb.Pilot.ValueType(PILOTS.index(state)))
        case m.RelayState(closed):
            return pb.FromBoard(relay_closed=closed)
        case m.ErrorFlags():
            found = pb.FromBoard(error_flags=pb.ErrorFlags())
            flags.write(message, found.error_flags)
            return found
        case m.PilotVoltages(high_V, low_V, temperatures_C):
            first_C, second_C = (*temperatures_C, 0.0, 0.0)[:2]
            return pb.FromBoard(
                pilot_voltages=pb.PilotVoltages(
                    high_V=high_V, low_V=low_V, temperature_1_C=first_C, temperature_2_C=second_C
                )
            )
        case m.ProximityState(cable):
            return pb.FromBoard(cable=pb.Cable.ValueType(CABLES.index(cable)))
        case m.LockState(state):
            return pb.FromBoard(lock=pb.Lock.ValueType(LOCKS.index(state)))
        case m.MeterReading():
            raise UnsupportedMessageError("a TIDA-010939 has no meter")
        case m.ConfigurationRequest() | m.FanState():
            raise UnsupportedMessageError(f"a TIDA-010939 does not send {message}")
    assert_never(message)


def _board_alive(words: pb.BoardAlive) -> m.BoardAlive:
    finite("current of the hardware", words.max_current_A, words.min_current_A)
    return m.BoardAlive(
        version=printable_version(words.version),
        timestamp_ms=words.timestamp_ms,
        hardware_type=words.hardware_type,
        hardware_revision=words.hardware_revision,
        protocol=(words.protocol_major, words.protocol_minor),
        max_current_A=words.max_current_A,
        min_current_A=words.min_current_A,
        max_phases=words.max_phases,
        min_phases=words.min_phases,
    )


def _voltages(words: pb.PilotVoltages) -> m.PilotVoltages:
    temperatures_C = words.temperature_1_C, words.temperature_2_C
    finite("telemetry", words.high_V, words.low_V, *temperatures_C)
    return m.PilotVoltages(words.high_V, words.low_V, temperatures_C)
