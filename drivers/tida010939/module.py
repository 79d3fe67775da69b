"""EVerest's TIDA010939: the reference design of Texas Instruments on a serial line."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from drivers.board.gpio import ResetPin
from drivers.board.messages import BoardAlive, Codec
from drivers.board.module import BoardModule
from drivers.board.serial_options import SerialOptions
from drivers.board.state import Settings
from drivers.link.link import Link
from drivers.tida010939.codec import Tida010939Codec
from evse_daemon.framework.module import Context
from evse_daemon.types.evse_board_support import HardwareCapabilities


class TIDA010939(BoardModule):
    """The driver of a TIDA-010939 board on a serial line; docs/hardware.md says what it needs."""

    class Options(SerialOptions):
        """EVerest's, and those of any board: this one does not tell what its hardware can carry."""

        max_current_A_import: int = Field(16, ge=0)
        min_current_A_import: int = Field(6, ge=0)
        min_phase_count_import: int = Field(3, ge=1, le=3)
        max_phase_count_import: int = Field(3, ge=1, le=3)
        min_current_A_export: int = Field(0, ge=0, le=63)
        max_current_A_export: int = Field(0, ge=0, le=63)
        min_phase_count_export: int = Field(3, ge=1, le=3)
        max_phase_count_export: int = Field(3, ge=1, le=3)
        has_socket: bool = False
        """There is a socket; otherwise a cable that is attached for good."""

        @model_validator(mode="after")
        def _in_order(self) -> Self:
            for name in ("current_A_import", "phase_count_import", "current_A_export", "phase_count_export"):
                if getattr(self, f"min_{name}") > getattr(self, f"max_{name}"):
                    raise ValueError(f"min_{name} is more than max_{name}")
            return self

    def __init__(self, context: Context) -> None:
        assert isinstance(context.options, TIDA010939.Options)
        self.options = context.options
        super().__init__(context)

    def make_link(self) -> Link:
        return self.options.link()

    def make_codec(self) -> Codec:
        return Tida010939Codec()

    def make_reset_pin(self) -> ResetPin | None:
        return self.options.reset_pin(active_low=False)

    def settings(self) -> Settings:
        # Its monitor can be reset by a command, so a tripped one stands only as long as its flag.
        return Settings(
            link_timeout_s=self.options.link_timeout_s,
            lock_time_s=self.options.lock_time_s,
            rcd_error="ac_rcd/DC",
            latched=frozenset({"connector_lock_failed"}),
        )

    def capabilities(self, board: BoardAlive | None) -> HardwareCapabilities:  # noqa: ARG002 - it does not tell
        options = self.options
        return HardwareCapabilities(
            min_current_A_import=options.min_current_A_import,
            max_current_A_import=options.max_current_A_import,
            min_phase_count_import=options.min_phase_count_import,
            max_phase_count_import=options.max_phase_count_import,
            min_current_A_export=options.min_current_A_export,
            max_current_A_export=options.max_current_A_export,
            min_phase_count_export=options.min_phase_count_export,
            max_phase_count_export=options.max_phase_count_export,
            supports_changing_phases_during_charging=False,
            supports_cp_state_E=False,
            connector_type="IEC62196Type2Socket" if options.has_socket else "IEC62196Type2Cable",
        )
