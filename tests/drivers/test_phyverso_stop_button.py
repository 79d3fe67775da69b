"""The stop button of a connector, from its line to the bus."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from drivers.board.gpio import GpioButton
from drivers.phy_verso_bsp import module as shell
from drivers.phy_verso_bsp.stop_button import watch
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from tests.drivers.test_phyverso_driver import Rig, bsp
from tests.support.waiting import run, until

EVENT = bytes(48)


class Button(GpioButton):
    """On a pipe instead of a line."""

    def __init__(self) -> None:
        self._descriptor, self.kernel = os.pipe()

    def press(self, times: int = 1) -> None:
        os.write(self.kernel, EVENT * times)


@pytest.fixture
def button() -> Iterator[Button]:
    made = Button()
    yield made
    for descriptor in (made.fileno(), made.kernel):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_each_press_is_told_once_though_it_bounces(button: Button) -> None:
    told: list[bool] = []

    async def scenario() -> None:
        watching = asyncio.create_task(watch(button, lambda: told.append(True), structlog.get_logger()))
        button.press(3)
        await until(lambda: len(told) == 1)
        button.press()
        await until(lambda: len(told) == 2)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching

    run(scenario())


def test_a_chip_that_is_gone_ends_the_watch_and_nothing_else(
    button: Button, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> int:
        raise OSError("No such device")

    monkeypatch.setattr(button, "presses", gone)
    button.press()
    run(watch(button, pytest.fail, structlog.get_logger()))


def test_the_transaction_at_its_connector_is_to_end(button: Button, monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[Any] = []

    async def watch_it(found: GpioButton, pressed: Any, _log: Any) -> None:
        """As the real one."""

    def record(found: GpioButton, pressed: Any, log: Any) -> Any:
        watched.append(pressed)
        assert found is button
        return watch_it(found, pressed, log)

    monkeypatch.setattr(shell, "watch", record)
    monkeypatch.setattr("drivers.phy_verso_bsp.options.GpioButton", lambda *_, **__: button)
    rig = Rig(conn2_gpio_stop_button_enabled=True)
    (pressed,) = watched
    pressed()
    rig.world.settle()
    (request,) = rig.world.published(bsp(2), EvseBoardSupport.request_stop_transaction)
    assert request.reason == "Local"
    assert rig.world.published(bsp(1), EvseBoardSupport.request_stop_transaction) == []


def test_a_line_that_cannot_be_had_leaves_the_rest_working(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError("/dev/gpiochip1")

    monkeypatch.setattr("drivers.phy_verso_bsp.options.GpioButton", refused)
    rig = Rig(conn1_gpio_stop_button_enabled=True)
    rig.charge(1)
    assert rig.failures == []
