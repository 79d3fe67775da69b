"""EVerest's PhyVersoBSP: a board with two connectors on a serial line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from drivers.board.connector import Connector, Implementations
from drivers.board.connectors import concerns_all
from drivers.board.gpio import ResetPin
from drivers.board.messages import BoardAlive, Configure, FromBoard, ToBoard
from drivers.board.shell import BoardShell
from drivers.board.state import Settings
from drivers.link.link import Link
from drivers.phy_verso_bsp.codec import CONNECTORS, WHOLE_BOARD, PhyVersoCodec
from drivers.phy_verso_bsp.disabled_port import DisabledPort
from drivers.phy_verso_bsp.options import PhyVersoOptions, Port
from drivers.phy_verso_bsp.stop_button import watch
from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.module import Context, Provides
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import StopTransactionRequest

RESET_PULSE_S = 0.025
"""As the reference implementation's (phyverso_mcu_comms/evSerial.cpp:377-406)."""


class PhyVersoBSP(BoardShell):
    """The driver of a PhyVerso board on a serial line, for both of its connectors; docs/hardware.md says what it needs."""

    class Options(PhyVersoOptions):
        """EVerest's, and those of any board."""

    numbers = CONNECTORS

    connector_1 = Provides(EvseBoardSupport)
    connector_2 = Provides(EvseBoardSupport)
    rcd_1 = Provides(AcRcd)
    """The residual current monitor of connector 1, which is not on the board."""
    rcd_2 = Provides(AcRcd)
    """The residual current monitor of connector 2, which is on the board."""
    connector_lock_1 = Provides(ConnectorLock)
    connector_lock_2 = Provides(ConnectorLock)

    def __init__(self, context: Context) -> None:
        assert isinstance(context.options, PhyVersoBSP.Options)
        self.options = context.options
        super().__init__(context)
        ports = [self.options.port(number) for number in CONNECTORS]
        first, second = (port.setup for port in ports)
        self.codec = PhyVersoCodec((first.type, second.type))
        on_bus = (
            Implementations(self.connector_1, self.rcd_1, self.connector_lock_1),
            Implementations(self.connector_2, self.rcd_2, self.connector_lock_2),
        )
        # Its monitors can be reset by a command, so a tripped one stands only as long as its flag.
        settings = Settings(
            link_timeout_s=self.options.link_timeout_s,
            lock_time_s=self.options.lock_time_s,
            reset_pulse_s=RESET_PULSE_S,
            configuration=Configure((first, second)),
            rcd_error="ac_rcd/DC",
            latched=frozenset({"connector_lock_failed"}),
        )
        self._disabled: list[DisabledPort] = []
        self._board_supports: dict[int, Implementation[EvseBoardSupport]] = {}
        for number, port, implementations in zip(CONNECTORS, ports, on_bus, strict=True):
            if port.setup.type == "disabled":
                self._disabled.append(DisabledPort(number, implementations, port.capabilities))
            else:
                self._board_supports[number] = implementations.board_support
                self.use(Connector(self, number, implementations, _told(port)), settings)

    def make_link(self) -> Link:
        return self.options.link()

    def make_reset_pin(self) -> ResetPin | None:
        return self.options.reset_pin()

    def init(self) -> None:
        super().init()
        for port in self._disabled:
            port.handle_commands()

    def ready(self) -> None:
        super().ready()
        for port in self._disabled:
            port.tell()
        for number, board_support in self._board_supports.items():
            self._watch_stop_button(number, board_support)

    def _watch_stop_button(self, number: int, board_support: Implementation[EvseBoardSupport]) -> None:
        try:
            button = self.options.stop_button(number)
        except OSError as error:
            self.log.error(  # noqa: TRY400 - no stack helps whoever reads this
                "the stop button cannot be used; see docs/hardware.md", connector=number, reason=str(error)
            )
            return
        if button is not None:
            request = StopTransactionRequest(reason="Local")
            pressed = partial(board_support.publish, EvseBoardSupport.request_stop_transaction, request)
            told = partial(self.context.inbox.put, pressed)
            self.spawn(f"stop button {number}", watch(button, told, self.log.bind(connector=number)))

    def encode(self, number: int, message: ToBoard) -> bytes:
        return self.codec.encode_to_board(message, WHOLE_BOARD if concerns_all(message) else number)

    def decode(self, data: bytes) -> tuple[int | None, FromBoard]:
        number, message = self.codec.decode_from_board(data)
        return None if number == WHOLE_BOARD else number, message


def _told(port: Port) -> Callable[[BoardAlive | None], HardwareCapabilities]:
    """The board does not tell what it can carry."""
    return lambda _board: port.capabilities
