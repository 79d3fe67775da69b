"""The button with which somebody ends the charging at a connector, on a line of this computer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from drivers.board.gpio import GpioButton


async def watch(button: GpioButton, pressed: Callable[[], None], log: Any) -> None:
    """Calls ``pressed`` at each press, until cancelled or the button's chip is gone.

    Args:
        button: on its line.
        pressed: told of presses; several at once are one.
        log: of the module.
    """
    loop = asyncio.get_running_loop()
    gone: asyncio.Future[OSError] = loop.create_future()

    def readable() -> None:
        try:
            presses = button.presses()
        except OSError as error:
            loop.remove_reader(button)
            gone.set_result(error)
            return
        if presses:
            pressed()

    loop.add_reader(button, readable)
    try:
        error = await gone
    finally:
        loop.remove_reader(button)
    log.error("the stop button cannot be read any more", reason=str(error))
