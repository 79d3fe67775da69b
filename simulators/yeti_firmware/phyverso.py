"""A simulated PhyVerso: its own mapping to protobuf, so that it shares no mistake with the driver's (codec.py).

The firmware behind it is that of connector 1; at connector 2 nobody plugs in. Its own firmware is not published: that it
asks for its configuration with each keep-alive until it has it is what its host expects (drivers.md §8).
"""

from __future__ import annotations

from typing import assert_never

try:
    from google.protobuf.message import DecodeError
except ImportError as error:
    raise ImportError("the board's messages need protobuf: pip install 'evse-daemon[serial]'") from error

from drivers.phy_verso_bsp import phyverso_pb2 as words
from simulators.yeti_firmware.heard import NOTHING, STRANGE, Heard
from simulators.yeti_firmware.messages import (
    AllowPowerOn,
    BoardAlive,
    CpIs,
    CpState,
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

WITH_CAR, WITHOUT_CAR = 1, 2
"""The connectors."""

COILS = {words.PORT_AC: words.COIL_AC, words.PORT_DC: words.COIL_DC1}


class PhyVerso:
    """See dialects.Dialect. It begins without its configuration, and reports nothing before it has that."""

    def __init__(self) -> None:
        self._ports: list[words.Port] = []
        self._relay_on = False
        self._missed: dict[type[ToHost], ToHost] = {}
        """What it would have reported, the latest of each kind."""

    def heard(self, message: bytes) -> Heard:
        said = words.ToBoard()
        try:
            said.ParseFromString(message)
        except DecodeError:
            return STRANGE
        match said.WhichOneof("payload"):
            case "host_alive":
                return Heard(HostAlive())
            case "reset":
                return Heard(ResetBoard())
            case "enter_bootloader" if said.enter_bootloader:
                return Heard(EnterBootloader())
            case "configuration" if len(said.configuration.ports) == 2:
                return Heard(answers=self._configured(said.configuration))
            case "duty" | "coil" | "lock" | "rcd_command":
                return self._of_connector(said)
            case _:
                return STRANGE

    def said(self, message: ToHost) -> tuple[bytes, ...]:
        if isinstance(message, HasReset):
            self._ports = []
            self._relay_on = False
            self._missed.clear()
            return (_bytes(words.FromBoard(was_reset=words.ResetReason.ValueType(message.reason))),)
        if isinstance(message, BoardAlive):
            alive = _bytes(words.FromBoard(board_alive=self._alive(message)))
            request = words.FromBoard(configuration_request=words.ConfigurationRequest())
            return (alive,) if self._ports else (alive, _bytes(request))
        if isinstance(message, RelayIs):
            self._relay_on = message.on
        if not self._ports:
            self._missed[type(message)] = message
            return ()
        return self._report(message)

    def _configured(self, configuration: words.Configuration) -> tuple[bytes, ...]:
        self._ports = list(configuration.ports)
        missed, self._missed = self._missed, {}
        reports = [report for message in missed.values() for report in self._report(message)]
        if self._is_used(WITHOUT_CAR):
            reports.append(
                _bytes(words.FromBoard(pilot=words.Pilot.ValueType(CpState.A), connector=WITHOUT_CAR))
            )
        return tuple(reports)

    def _of_connector(self, said: words.ToBoard) -> Heard:
        if not self._is_used(said.connector):
            return NOTHING
        kind = said.WhichOneof("payload")
        answers: tuple[bytes, ...] = ()
        if kind == "coil":
            if said.coil.type != COILS[self._ports[said.connector - 1].type]:
                return STRANGE
            on = self._relay_on and said.connector == WITH_CAR
            answers = (self._coil(said.connector, on),)
        if said.connector == WITHOUT_CAR or kind == "rcd_command":
            return Heard(answers=answers)
        match kind:
            case "duty":
                return Heard(SetPwm(said.duty))
            case "lock":
                return Heard(SetLock(said.lock))
            case _:
                return Heard(AllowPowerOn(said.coil.closed), answers)

    def _is_used(self, connector: int) -> bool:
        return 1 <= connector <= len(self._ports) and self._ports[connector - 1].type in COILS

    def _alive(self, message: BoardAlive) -> words.BoardAlive:
        return words.BoardAlive(
            timestamp_ms=message.tick_ms, version=message.version.software, configured=bool(self._ports)
        )

    def _coil(self, connector: int, on: bool) -> bytes:
        coil = words.Coil(type=COILS[self._ports[connector - 1].type], closed=on)
        return _bytes(words.FromBoard(coil=coil, connector=connector))

    def _report(self, message: ToHost) -> tuple[bytes, ...]:
        """Of connector 1."""
        if not self._is_used(WITH_CAR):
            return ()
        match message:
            case RelayIs(on):
                return (self._coil(WITH_CAR, on),)
            case CpIs(state):
                report = words.FromBoard(pilot=words.Pilot.ValueType(state))
            case PpIs(pp):
                report = words.FromBoard(cable=words.Cable.ValueType(pp))
            case LockIs(lock):
                report = words.FromBoard(lock=words.Lock.ValueType(lock))
            case CpVoltages(high_v, low_v):
                report = words.FromBoard(pilot_voltages=words.PilotVoltages(high_V=high_v, low_V=low_v))
            case ErrorFlags():
                report = words.FromBoard(error_flags=_flags(message))
            case Metered() | BoardAlive() | HasReset():
                return ()  # it has no meter; the others are of the board
            case _:
                assert_never(message)
        report.connector = WITH_CAR
        return (_bytes(report),)


def _flags(flags: ErrorFlags) -> words.ErrorFlags:
    """It has none for over-current."""
    return words.ErrorFlags(
        diode_fault=flags.diode_fault,
        rcd_selftest_failed=flags.rcd_selftest_failed,
        rcd_triggered=flags.rcd_triggered,
        ventilation_not_available=flags.ventilation_not_available,
        connector_lock_failed=flags.connector_lock_failed,
        cp_signal_fault=flags.cp_signal_fault,
    )


def _bytes(report: words.FromBoard) -> bytes:
    return report.SerializeToString(deterministic=True)
