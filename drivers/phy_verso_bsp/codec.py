"""The PhyVerso dialect: neutral messages to and from protobuf (phyverso.proto), each with the connector it is for."""

from __future__ import annotations

from typing import assert_never, get_args

try:
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ImportError("the board's messages need protobuf: pip install 'evse-daemon[serial]'") from error

from drivers.board import flags
from drivers.board import messages as m
from drivers.board.enums import (
    CABLES,
    MAX_VERSION,
    MOVING_LOCKS,
    PILOTS,
    RESET_REASONS,
    name_of,
    printable_version,
)
from drivers.board.messages import BadMessageError, UnsupportedMessageError
from drivers.phy_verso_bsp import phyverso_pb2 as pb

CONNECTORS = (1, 2)

WHOLE_BOARD = 0
"""The connector of a message that is for none in particular."""

DUTY_X1 = 10_000
"""The duty cycle for X1; other boards of the family take it as 10001."""

MOTOR_LOCKS: dict[int, m.MotorLock] = {0: "unknown", 1: "hella", 2: "valeo", -1: "none"}

_COILS: dict[m.PortType, int] = {"disabled": pb.COIL_AC, "AC": pb.COIL_AC, "DC": pb.COIL_DC1}
_PORT_TYPES: tuple[m.PortType, ...] = get_args(m.PortType)
_PULLS: tuple[m.Pull, ...] = get_args(m.Pull)
_REVISIONS: tuple[m.HardwareRevision, ...] = get_args(m.HardwareRevision)
_MOTOR_LOCK_NUMBERS = {lock: number for number, lock in MOTOR_LOCKS.items()}


class PhyVersoCodec:
    """As drivers.board.messages.Codec, with the connector of each message.

    Args:
        ports: what is wired to connector 1 and 2: each has its own coil.
    """

    def __init__(self, ports: tuple[m.PortType, m.PortType] = ("AC", "AC")) -> None:
        self._coils = {WHOLE_BOARD: pb.COIL_UNKNOWN} | {
            connector: _COILS[port] for connector, port in zip(CONNECTORS, ports, strict=True)
        }

    def encode_to_board(self, message: m.ToBoard, connector: int = WHOLE_BOARD) -> bytes:
        """The host's words to the board; raises UnsupportedMessageError."""
        words = _host_words(message, self._coils[connector])
        words.connector = connector
        return words.SerializeToString(deterministic=True)

    def decode_from_board(self, data: bytes) -> tuple[int, m.FromBoard]:
        """The connector and what is said of it, as the host reads it; raises BadMessageError."""
        words = pb.FromBoard()
        _parse(words, data)
        connector = self._known(words.connector)
        kind = words.WhichOneof("payload")
        match kind:
            case "board_alive":
                return WHOLE_BOARD, _board_alive(words.board_alive)
            case "was_reset":
                return WHOLE_BOARD, m.WasReset(name_of(RESET_REASONS, words.was_reset, "reset reason"))
            case "configuration_request":
                return WHOLE_BOARD, m.ConfigurationRequest()
            case "fan":
                fan = words.fan
                state = m.FanState(fan.number, fan.enabled, fan.duty_tenths_percent / 10, fan.speed_rpm)
                return WHOLE_BOARD, state
            case "error_flags":
                return connector, flags.read(words.error_flags)
            case None:
                raise BadMessageError("no message that a PhyVerso sends")
        if connector == WHOLE_BOARD:
            raise BadMessageError(f"{kind} of no connector")
        match kind:
            case "pilot":
                return connector, m.PilotState(name_of(PILOTS, words.pilot, "control pilot"))
            case "coil":
                if words.coil.type != self._coils[connector]:
                    raise BadMessageError(f"coil {words.coil.type} is not that of connector {connector}")
                return connector, m.RelayState(words.coil.closed)
            case "pilot_voltages":
                voltages = words.pilot_voltages
                return connector, m.PilotVoltages(float(voltages.high_V), float(voltages.low_V))
            case "cable":
                return connector, m.ProximityState(name_of(CABLES, words.cable, "proximity pilot"))
            case "lock":
                return connector, m.LockState(name_of(MOVING_LOCKS, words.lock, "lock state"))
        assert_never(kind)

    def encode_from_board(self, message: m.FromBoard, connector: int = WHOLE_BOARD) -> bytes:
        """The board's words to the host; raises UnsupportedMessageError."""
        words = _board_words(message, self._coils[connector])
        words.connector = connector
        return words.SerializeToString(deterministic=True)

    def decode_to_board(self, data: bytes) -> tuple[int, m.ToBoard]:
        """The connector and the host's words for it, as the board reads them; raises BadMessageError."""
        words = pb.ToBoard()
        _parse(words, data)
        connector = self._known(words.connector)
        kind = words.WhichOneof("payload")
        match kind:
            case "host_alive":
                alive = words.host_alive
                return connector, m.HostAlive(
                    alive.timestamp, alive.hardware_type, alive.hardware_revision, alive.version[:MAX_VERSION]
                )
            case "enter_bootloader":
                return connector, m.EnterBootloader(words.enter_bootloader)
            case "lock":
                return connector, m.SetLock(words.lock)
            case "duty":
                return connector, m.SetPilot(m.PILOT_X1 if words.duty >= DUTY_X1 else words.duty)
            case "coil":
                if words.coil.type != self._coils[connector]:
                    raise BadMessageError(f"coil {words.coil.type} is not that of connector {connector}")
                return connector, m.AllowPower(words.coil.closed)
            case "reset":
                return connector, m.Reset(words.reset)
            case "configuration":
                return connector, _configure(words.configuration)
            case "rcd_command":
                return connector, m.RcdCommand(words.rcd_command.test, words.rcd_command.reset)
            case None:
                raise BadMessageError("no message that a PhyVerso takes")
        assert_never(kind)

    def _known(self, connector: int) -> int:
        if connector not in self._coils:
            raise BadMessageError(f"there is no connector {connector}")
        return connector


def _parse(words: pb.ToBoard | pb.FromBoard, data: bytes) -> None:
    try:
        words.ParseFromString(data)
    except DecodeError as error:
        raise BadMessageError(f"no protobuf: {error}") from error


def _host_words(message: m.ToBoard, coil: int) -> pb.ToBoard:
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
            return pb.ToBoard(duty=min(duty, DUTY_X1))
        case m.AllowPower(allowed):
            return pb.ToBoard(coil=pb.Coil(type=pb.CoilType.ValueType(coil), closed=allowed))
        case m.SetPhases():
            raise UnsupportedMessageError("a PhyVerso cannot switch phases")
        case m.SetLock(locked):
            return pb.ToBoard(lock=locked)
        case m.Reset(value):
            return pb.ToBoard(reset=value)
        case m.EnterBootloader(rom):
            return pb.ToBoard(enter_bootloader=rom)
        case m.RcdCommand(test, reset):
            return pb.ToBoard(rcd_command=pb.RcdCommand(test=test, reset=reset))
        case m.Configure(ports, revision):
            return pb.ToBoard(
                configuration=pb.Configuration(
                    hardware_revision=pb.HardwareRevision.ValueType(_REVISIONS.index(revision)),
                    ports=[_port(port) for port in ports],
                )
            )
    assert_never(message)


def _board_words(message: m.FromBoard, coil: int) -> pb.FromBoard:
    match message:
        case m.BoardAlive():
            return pb.FromBoard(
                board_alive=pb.BoardAlive(
                    timestamp_ms=message.timestamp_ms,
                    hardware_type=message.hardware_type,
                    hardware_revision=message.hardware_revision,
                    version=message.version,
                    configured=message.configured,
                )
            )
        case m.WasReset(reason):
            return pb.FromBoard(was_reset=pb.ResetReason.ValueType(RESET_REASONS.index(reason)))
        case m.ConfigurationRequest():
            return pb.FromBoard(configuration_request=pb.ConfigurationRequest())
        case m.PilotState(state):
            return pb.FromBoard(pilot=pb.Pilot.ValueType(PILOTS.index(state)))
        case m.RelayState(closed):
            return pb.FromBoard(coil=pb.Coil(type=pb.CoilType.ValueType(coil), closed=closed))
        case m.ErrorFlags():
            found = pb.FromBoard(error_flags=pb.ErrorFlags())
            flags.write(message, found.error_flags)
            return found
        case m.PilotVoltages():
            return pb.FromBoard(
                pilot_voltages=pb.PilotVoltages(
                    high_V=max(0, int(message.high_V)), low_V=max(0, int(message.low_V))
                )
            )
        case m.ProximityState(cable):
            return pb.FromBoard(cable=pb.Cable.ValueType(CABLES.index(cable)))
        case m.LockState(state):
            return pb.FromBoard(lock=pb.Lock.ValueType(MOVING_LOCKS.index(state)))
        case m.FanState(number, on, duty_percent, speed_rpm):
            return pb.FromBoard(
                fan=pb.Fan(
                    number=number,
                    enabled=on,
                    duty_tenths_percent=round(duty_percent * 10),
                    speed_rpm=speed_rpm,
                )
            )
        case m.MeterReading():
            raise UnsupportedMessageError("a PhyVerso has no meter")
    assert_never(message)


def _port(port: m.PortSetup) -> pb.Port:
    motor = pb.MotorLockType.ValueType(_MOTOR_LOCK_NUMBERS[port.lock])
    return pb.Port(
        type=pb.PortType.ValueType(_PORT_TYPES.index(port.type)),
        feedback_active_low=port.feedback_active_low,
        feedback_pull=pb.Pull.ValueType(_PULLS.index(port.feedback_pull)),
        lock=pb.MotorLock(type=motor),
        has_socket=port.has_socket,
    )


def _configure(words: pb.Configuration) -> m.Configure:
    if len(words.ports) != len(CONNECTORS):
        raise BadMessageError(f"a configuration of {len(words.ports)} ports instead of {len(CONNECTORS)}")
    revision = name_of(_REVISIONS, words.hardware_revision, "hardware revision")
    return m.Configure(tuple(_port_setup(port) for port in words.ports), revision)


def _port_setup(words: pb.Port) -> m.PortSetup:
    lock = MOTOR_LOCKS.get(words.lock.type)
    if lock is None:
        raise BadMessageError(f"motor lock {words.lock.type} is none of {sorted(MOTOR_LOCKS)}")
    return m.PortSetup(
        type=name_of(_PORT_TYPES, words.type, "port type"),
        feedback_active_low=words.feedback_active_low,
        feedback_pull=name_of(_PULLS, words.feedback_pull, "pull of the feedback"),
        lock=lock,
        has_socket=words.has_socket,
    )


def _board_alive(words: pb.BoardAlive) -> m.BoardAlive:
    return m.BoardAlive(
        version=printable_version(words.version),
        timestamp_ms=words.timestamp_ms,
        hardware_type=words.hardware_type,
        hardware_revision=words.hardware_revision,
        configured=words.configured,
    )
