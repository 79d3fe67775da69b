"""A Yeti board without its wire: its dialect, its meter, and what its hardware can carry."""

from __future__ import annotations

from pydantic import Field

from drivers.board import readings
from drivers.board.messages import BoardAlive, MeterReading
from drivers.board.module import BoardModule, BoardOptions
from drivers.board.state import Settings
from drivers.yeti.codec import YetiCodec
from evse_daemon.framework.module import Context, Provides
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.powermeter import TransactionReq, TransactionStartResponse, TransactionStopResponse

METER_ID = "YETI_POWERMETER"

UNKNOWN = BoardAlive(version="", max_current_A=16.0, min_current_A=6.0, max_phases=3, min_phases=1)
"""What is assumed of a board that has not spoken (board_support/evse_board_supportImpl.cpp:73-84)."""

NO_TRANSACTIONS = "the meter of a Yeti board signs nothing"


class YetiOptions(BoardOptions):
    caps_min_current_A: int = Field(-1, ge=-1, le=80)
    """The least current in A that is offered; -1: what the board says."""
    caps_max_current_A: int = Field(-1, ge=-1, le=80)
    """The most current in A that is offered, as where the cable or the fuse is weaker; -1: what the board says."""


class YetiBoard(BoardModule):
    """What every driver of a Yeti shares; a subclass adds ``make_link``."""

    class Options(YetiOptions):
        """Those of any Yeti."""

    powermeter = Provides(Powermeter)

    def __init__(self, context: Context) -> None:
        assert isinstance(context.options, YetiOptions)
        self.yeti_options = context.options
        super().__init__(context)

    def init(self) -> None:
        super().init()
        self.powermeter.handle(Powermeter.start_transaction, _no_start)
        self.powermeter.handle(Powermeter.stop_transaction, _no_stop)

    def make_codec(self) -> YetiCodec:
        return YetiCodec()

    def settings(self) -> Settings:
        return Settings(
            link_timeout_s=self.yeti_options.link_timeout_s,
            lock_time_s=self.yeti_options.lock_time_s,
            protocol_major=0,
            minimum_firmware=(2, 0),
        )

    def tell_meter(self, reading: MeterReading) -> None:
        self.powermeter.publish(
            Powermeter.powermeter, readings.powermeter(reading, METER_ID, self.context.bus.timestamp())
        )

    def capabilities(self, board: BoardAlive | None) -> HardwareCapabilities:
        """What the hardware says, where that is possible at all, within what the options say."""
        known = board if board is not None and plausible(board) else UNKNOWN
        if board is not None and known is UNKNOWN:
            self._limited_log.error(
                "capabilities",
                "the board tells impossible capabilities: cautious ones are assumed",
                currents_A=(board.min_current_A, board.max_current_A),
                phases=(board.min_phases, board.max_phases),
            )
        options = self.yeti_options
        min_A, max_A = options.caps_min_current_A, options.caps_max_current_A
        minimum = known.min_current_A if min_A < 0 else float(min_A)
        maximum = known.max_current_A if max_A < 0 else float(max_A)
        return HardwareCapabilities(
            min_current_A_import=minimum,
            max_current_A_import=maximum,
            min_phase_count_import=known.min_phases,
            max_phase_count_import=known.max_phases,
            min_current_A_export=minimum,
            max_current_A_export=maximum,
            min_phase_count_export=known.min_phases,
            max_phase_count_export=known.max_phases,
            supports_changing_phases_during_charging=known.changes_phases_while_charging,
            supports_cp_state_E=False,
            connector_type="IEC62196Type2Cable",
        )


def plausible(board: BoardAlive) -> bool:
    """Whether a board can be as it says it is."""
    return (
        0 <= board.min_current_A <= board.max_current_A <= 80
        and board.max_current_A > 0
        and 1 <= board.min_phases <= board.max_phases <= 3
    )


def _no_start(value: TransactionReq) -> TransactionStartResponse:  # noqa: ARG001 - named by the interface
    return TransactionStartResponse(status="NOT_SUPPORTED", error=NO_TRANSACTIONS)


def _no_stop(transaction_id: str) -> TransactionStopResponse:  # noqa: ARG001 - named by the interface
    return TransactionStopResponse(status="NOT_SUPPORTED", error=NO_TRANSACTIONS)
