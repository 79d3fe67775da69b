"""Linux' socketcan where the kernel has none: what the C library says to python-can's own class, on AF_UNIX datagrams.

python-can's SocketcanBus runs unchanged on it, with the kernel's frames (struct can_frame), timestamps, filters, error
frames and error codes: net/can/raw.c, net/can/af_can.c and include/uapi/linux/can/error.h say which come when.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
from can.interfaces.socketcan import constants, socketcan

from drivers.link.can_wire import CanFrame

FRAME = struct.Struct("=IB3x8s")
"""struct can_frame."""


class CanInterface:
    """A network interface of the kind can, its bus, and the kernel between them and the sockets.

    Args:
        name: can0.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.plugged = True
        self.up = True
        self.queue_full = False
        """The controller's queue takes no frames: nobody acknowledges, or it is bus-off."""
        self.sent: list[CanFrame] = []
        self.sockets: list[CanSocket] = []
        self.tried = 0
        """How often somebody has tried to open it."""

    def give(self, frame: CanFrame) -> None:
        """A frame of another node."""
        self._pass(raw(frame), None)

    def give_error(self, classes: int) -> None:
        """An error frame of the controller."""
        self._pass(FRAME.pack(constants.CAN_ERR_FLAG | classes, 8, bytes(8)), None)

    def set_down(self) -> None:
        """``ip link set can0 down``"""
        self.up = False
        for each in self.sockets:
            each.fails(errno.ENETDOWN)

    def set_up(self) -> None:
        self.up = True

    def unplug(self) -> None:
        """The adapter's USB plug: the kernel takes it down, and then it is gone."""
        self.plugged = self.up = False
        for each in self.sockets:
            each.fails(errno.ENODEV)

    def plug(self) -> None:
        """It has the same name again, and somebody has set it up."""
        self.plugged = self.up = True

    def take(self, data: bytes, sender: CanSocket) -> None:
        """A socket sends.

        Raises:
            OSError: as the kernel's sendmsg.
        """
        if not self.plugged:
            raise _error(errno.ENXIO)
        if not self.up:
            raise _error(errno.ENETDOWN)
        if self.queue_full:
            raise _error(errno.ENOBUFS)
        self.sent.append(frame_of(data))
        self._pass(data, sender)

    def _pass(self, data: bytes, sender: CanSocket | None) -> None:
        for each in list(self.sockets):
            if each is not sender and self.up:
                each.arrives(data)


class CanSocket(socket.socket):
    """A raw socket of AF_CAN, as much of it as python-can asks for."""

    def __init__(self, interfaces: Callable[[str], CanInterface | None]) -> None:
        near, self._far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        super().__init__(fileno=near.detach())
        self._interfaces = interfaces
        self._interface: CanInterface | None = None
        self._pending = 0
        """sk_err: told once, and before the frames that wait."""
        self._filters: list[tuple[int, int]] = [(0, 0)]
        self._errors = 0

    def bind(self, address: Any) -> None:
        found = self._interfaces(address[0])
        if found is not None:
            found.tried += 1
        if found is None or not found.plugged:
            self.close()  # python-can leaves that to Python
            raise _error(errno.ENODEV)
        self._interface = found
        found.sockets.append(self)
        if not found.up:
            self.fails(errno.ENETDOWN)  # bound all the same: raw_bind, notify_enetdown

    def setsockopt(self, level: int, option: int, value: Any, *more: Any) -> None:
        if level != constants.SOL_CAN_RAW:
            super().setsockopt(level, option, value, *more)
        elif option == constants.CAN_RAW_FILTER:
            self._filters = list(struct.iter_unpack("=II", value))
        elif option == constants.CAN_RAW_ERR_FILTER:
            self._errors = value

    def getsockopt(self, level: int, option: int, *more: Any) -> Any:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            code, self._pending = self._pending, 0
            if code:
                self._drain()
            return code
        return super().getsockopt(level, option, *more)

    def recvmsg(self, *arguments: Any) -> Any:
        if code := self.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise _error(code)
        return super().recvmsg(*arguments)

    def send(self, data: Any, flags: int = 0) -> int:
        del flags
        assert self._interface is not None
        self._interface.take(bytes(data), self)
        return len(data)

    def close(self) -> None:
        if self._interface is not None and self in self._interface.sockets:
            self._interface.sockets.remove(self)
        self._far.close()
        super().close()

    def arrives(self, data: bytes) -> None:
        """A frame from the bus, if this socket wants it; error frames pass no filter of identifiers."""
        number = FRAME.unpack(data)[0]
        if number & constants.CAN_ERR_FLAG:
            wanted = bool(number & self._errors)
        else:
            wanted = any(number & mask == id_ & mask for id_, mask in self._filters)
        if wanted:
            self._far.send(data)

    def fails(self, code: int) -> None:
        """Whoever reads is woken up, and told."""
        self._pending = code
        self._far.send(b"")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                super().recvmsg(FRAME.size, 0, socket.MSG_DONTWAIT)


def raw(frame: CanFrame) -> bytes:
    flag = constants.CAN_EFF_FLAG if frame.extended else 0
    return FRAME.pack(frame.id | flag, len(frame.data), frame.data.ljust(8, b"\0"))


def frame_of(data: bytes) -> CanFrame:
    number, length, content = FRAME.unpack(data)
    extended = bool(number & constants.CAN_EFF_FLAG)
    return CanFrame(number & (0x1FFFFFFF if extended else 0x7FF), content[:length], extended)


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def install(monkeypatch: pytest.MonkeyPatch, *interfaces: CanInterface) -> None:
    """The kernel of this test has these interfaces."""
    known = {each.name: each for each in interfaces}
    monkeypatch.setattr(socketcan, "create_socket", lambda: CanSocket(known.get))
