"""The Yeti dialect: neutral messages to and from protobuf (drivers/yeti/yeti.proto)."""

from __future__ import annotations

from typing import assert_never

try:
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ImportError("the board's messages need protobuf: pip install 'evse-daemon[serial,can]'") from error

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
from drivers.yeti import yeti_pb2 as pb


class YetiCodec:
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
                return m.PilotVoltages(float(words.pilot_voltages.high_V), float(words.pilot_voltages.low_V))
            case "cable":
                return m.ProximityState(name_of(CABLES, words.cable, "proximity pilot"))
            case "lock":
                return m.LockState(name_of(LOCKS, words.lock, "lock state"))
            case "meter":
                return _meter_reading(words.meter)
            case None:
                raise BadMessageError("no message that a Yeti board sends")
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
            case "three_phases":
                return m.SetPhases(words.three_phases)
            case None:
                raise BadMessageError("no message that a Yeti board takes")
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
        case m.SetPhases(three):
            return pb.ToBoard(three_phases=three)
        case m.SetLock(locked):
            return pb.ToBoard(lock=locked)
        case m.Reset(value):
            return pb.ToBoard(reset=value)
        case m.EnterBootloader(rom):
            return pb.ToBoard(enter_bootloader=pb.EnterBootloader(rom=rom))
        case m.RcdCommand():
            raise UnsupportedMessageError(
                "a Yeti board cannot be told to test or reset its residual current monitor"
            )
        case m.Configure():
            raise UnsupportedMessageError("a Yeti board knows what is wired to it")
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
                    changes_phases_while_charging=message.changes_phases_while_charging,
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
        case m.PilotVoltages():
            # The board's fields are unsigned; its firmware sends 0 for what is below.
            return pb.FromBoard(
                pilot_voltages=pb.PilotVoltages(
                    high_V=max(0, int(message.high_V)), low_V=max(0, int(message.low_V))
                )
            )
        case m.ProximityState(cable):
            return pb.FromBoard(cable=pb.Cable.ValueType(CABLES.index(cable)))
        case m.LockState(state):
            return pb.FromBoard(lock=pb.Lock.ValueType(LOCKS.index(state)))
        case m.MeterReading():
            return pb.FromBoard(meter=_meter_words(message))
        case m.ConfigurationRequest() | m.FanState():
            raise UnsupportedMessageError(f"a Yeti board does not send {message}")
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
        changes_phases_while_charging=words.changes_phases_while_charging,
    )


def _meter_reading(words: pb.MeterReading) -> m.MeterReading:
    reading = m.MeterReading(
        timestamp=words.timestamp,
        voltage_V=(words.voltage_L1_V, words.voltage_L2_V, words.voltage_L3_V),
        current_A=(words.current_L1_A, words.current_L2_A, words.current_L3_A),
        neutral_A=words.current_N_A,
        energy_Wh=(words.energy_L1_Wh, words.energy_L2_Wh, words.energy_L3_Wh),
        total_energy_Wh=words.energy_Wh,
        temperature_C=(words.temperature_L1_C, words.temperature_L2_C, words.temperature_L3_C),
        neutral_temperature_C=words.temperature_N_C,
        power_W=(words.power_L1_W, words.power_L2_W, words.power_L3_W),
        frequency_Hz=(words.frequency_L1_Hz, words.frequency_L2_Hz, words.frequency_L3_Hz),
        wrong_phase_sequence=words.wrong_phase_sequence,
    )
    finite("meter", reading.neutral_A, reading.total_energy_Wh, reading.neutral_temperature_C)
    finite("meter", *reading.voltage_V, *reading.current_A, *reading.energy_Wh)
    finite("meter", *reading.temperature_C, *reading.power_W, *reading.frequency_Hz)
    return reading


def _meter_words(reading: m.MeterReading) -> pb.MeterReading:
    return pb.MeterReading(
        timestamp=reading.timestamp,
        voltage_L1_V=reading.voltage_V[0],
        voltage_L2_V=reading.voltage_V[1],
        voltage_L3_V=reading.voltage_V[2],
        current_L1_A=reading.current_A[0],
        current_L2_A=reading.current_A[1],
        current_L3_A=reading.current_A[2],
        current_N_A=reading.neutral_A,
        energy_L1_Wh=reading.energy_Wh[0],
        energy_L2_Wh=reading.energy_Wh[1],
        energy_L3_Wh=reading.energy_Wh[2],
        energy_Wh=reading.total_energy_Wh,
        temperature_L1_C=reading.temperature_C[0],
        temperature_L2_C=reading.temperature_C[1],
        temperature_L3_C=reading.temperature_C[2],
        temperature_N_C=reading.neutral_temperature_C,
        power_L1_W=reading.power_W[0],
        power_L2_W=reading.power_W[1],
        power_L3_W=reading.power_W[2],
        frequency_L1_Hz=reading.frequency_Hz[0],
        frequency_L2_Hz=reading.frequency_Hz[1],
        frequency_L3_Hz=reading.frequency_Hz[2],
        wrong_phase_sequence=reading.wrong_phase_sequence,
    )
