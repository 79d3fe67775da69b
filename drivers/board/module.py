"""The driver of a board with one connector, as a module: a subclass says its dialect and wire."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from pydantic import Field

from drivers.board import state
from drivers.board.connector import Connector, Implementations
from drivers.board.messages import BoardAlive, Codec, FromBoard, MeterReading, ToBoard
from drivers.board.shell import BoardShell
from evse_daemon.framework.module import Context, ModuleOptions, Provides
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.types.evse_board_support import HardwareCapabilities

NOBODY_SWITCHES_OFF = (
    "no line resets the board: where its cable breaks or this computer hangs while a car charges, only the board "
    "itself can switch off, which the published firmware of the Yeti does not (docs/hardware.md)"
)


class BoardOptions(ModuleOptions):
    """Options that the driver of any board has; EVerest's manifests lack them."""

    link_timeout_s: float = Field(2.0, ge=0.5, le=60)
    """Seconds without the board's keep-alive after which it counts as lost; boards send it at 5 Hz."""
    lock_time_s: float = Field(1.2, ge=0, le=8)
    """Seconds that the lock's motor takes at most; the published firmware drives it for 1 s."""
    board_watches_host: bool = False
    """Somebody has seen to it that the board opens its contactor by itself when its host is silent (docs/hardware.md)."""

    def without_reset_line(self, option: str, remedy: str) -> Iterator[tuple[str, str, str]]:
        """What check-config warns of where no line of this computer resets the board, unless the board watches its host.

        Args:
            option: what says so.
            remedy: what can be done beside telling that the board watches its host.
        """
        if not self.board_watches_host:
            yield (
                option,
                NOBODY_SWITCHES_OFF,
                f"{remedy}set board_watches_host once you have seen the board do so",
            )


class BoardModule(BoardShell):
    """The driver of a board with one connector, without its dialect and wire: a subclass says these.

    Four methods make a driver: ``make_link``, ``make_codec``, ``settings``, ``capabilities``.
    """

    class Options(BoardOptions):
        """Those of any board."""

    board_support = Provides(EvseBoardSupport)
    rcd = Provides(AcRcd)
    connector_lock = Provides(ConnectorLock)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.codec = self.make_codec()
        on_bus = Implementations(self.board_support, self.rcd, self.connector_lock)
        (number,) = self.numbers
        self.use(Connector(self, number, on_bus, self.capabilities, self._meter), self.settings())

    @abstractmethod
    def make_codec(self) -> Codec:
        """The board's dialect."""

    @abstractmethod
    def settings(self) -> state.Settings:
        """What the driver's logic is set to; ``reset_line`` follows from ``make_reset_pin``."""

    @abstractmethod
    def capabilities(self, board: BoardAlive | None) -> HardwareCapabilities:
        """What the board can do; None where it has not been heard of."""

    def tell_meter(self, reading: MeterReading) -> None:
        """Publishes a reading of the board's meter, where it has one."""

    def encode(self, number: int, message: ToBoard) -> bytes:  # noqa: ARG002 - there is one connector
        return self.codec.encode_to_board(message)

    def decode(self, data: bytes) -> tuple[int | None, FromBoard]:
        return None, self.codec.decode_from_board(data)

    @property
    def state(self) -> state.State:
        """What the driver knows and wants."""
        return self.connectors[0].state

    def _meter(self, reading: MeterReading) -> None:
        self.tell_meter(reading)
