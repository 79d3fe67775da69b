"""Our modules in a station of somebody else's manager, over a real Mosquitto."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from evse_daemon.standalone import membership
from evse_daemon.standalone.join import Member, Part
from evse_daemon.standalone.joined import JoinError, joined_config
from evse_daemon.store import MemoryJournal
from simulators.yeti_simulator.module import YetiSimulator
from tests.support.brokers import Mosquitto, start_mosquitto
from tests.support.foreign_manager import ForeignManager, module_config
from tests.support.paho_client import PahoClient
from tests.support.waiting import run, until

NAMES = {"board": "YetiSimulator", "evse_manager": "EvseManager"}
BOARD = module_config(
    "board", "YetiSimulator", {"!module": [("connector_id", "integer", 1), ("unheard_of", "string", "x")]}
)
SUPPORT = "board/impl/board_support/cmd/"
ON = {"value": {"allow_power_on": True, "reason": "FullPowerCharging"}}


class Joined:
    """A member in this process, and a manager in another's place."""

    def __init__(self, broker: Mosquitto, messages: Any = None) -> None:
        self.broker = broker
        self.journal = MemoryJournal()
        self._part = Part(("board",), broker.settings, "everest", "", messages)
        self.begin()
        self.clients: list[PahoClient] = []

    def begin(self) -> None:
        self.ended = asyncio.Event()
        self.task = asyncio.create_task(Member(self._part, self.journal, self.ended).run())

    def manager(self, generation: str = "ConfigurationRequest") -> ForeignManager:
        manager = ForeignManager({"board": BOARD}, NAMES, generation)
        client = PahoClient(self.broker.settings, manager.hear)
        manager.client = client
        self.clients.append(client)
        manager.start()
        return manager

    async def close(self) -> None:
        self.ended.set()
        await self.task
        for client in self.clients:
            client.close()


def play(
    tmp_path: Path, scenario: Callable[[Joined], Awaitable[None]], messages: Any = None, timeout_s: float = 20
) -> None:
    broker = start_mosquitto(tmp_path)

    async def whole() -> None:
        joined = Joined(broker, messages)
        try:
            await scenario(joined)
        finally:
            await joined.close()

    try:
        run(whole(), timeout_s)
    finally:
        broker.stop()


def vars_of(manager: ForeignManager, name: str) -> list[Any]:
    return [data["data"] for topic, data in manager.heard if topic.endswith(f"/var/{name}")]


@pytest.mark.parametrize("generation", ["GetConfig", "ConfigurationRequest"])
def test_a_board_of_ours_serves_a_real_manager(tmp_path: Path, generation: str) -> None:
    async def scenario(joined: Joined) -> None:
        manager = joined.manager(generation)
        await until(lambda: manager.released)
        assert manager.died == ""
        await until(lambda: vars_of(manager, "capabilities"))
        manager.call(SUPPORT + "enable", {"value": True})
        manager.call(SUPPORT + "pwm_on", {"value": 101})
        await until(lambda: len(manager.answers) == 2)
        wrong, right = sorted(manager.answers, key=lambda answer: "retval" in answer)
        assert right == {"id": SUPPORT + "enable-0", "origin": "board", "retval": None}
        assert wrong["error"]["__everest__error_type"] == "SchemaValidationError"
        manager.shut_down()
        await asyncio.wait_for(joined.task, 5)

    play(tmp_path, scenario)


def test_nothing_is_asked_before_the_manager_has_shown_its_generation(tmp_path: Path) -> None:
    async def scenario(joined: Joined) -> None:
        manager = ForeignManager({"board": BOARD}, NAMES)
        manager.client = client = PahoClient(joined.broker.settings, manager.hear)
        joined.clients.append(client)
        client.subscribe("everest/config/request")
        await asyncio.sleep(0.3)
        assert manager.asked == []
        manager.start()
        await until(lambda: manager.released)

    play(tmp_path, scenario)


def test_a_running_manager_is_asked_as_the_user_says(tmp_path: Path) -> None:
    async def scenario(joined: Joined) -> None:
        manager = ForeignManager({"board": BOARD}, {})
        manager.client = client = PahoClient(joined.broker.settings, manager.hear)
        joined.clients.append(client)
        for topic in ("everest/config/request", "everest/modules/board/ready"):
            client.subscribe(topic)
        await until(lambda: manager.released, 10)

    play(tmp_path, scenario, "ConfigurationRequest")


@pytest.fixture
def made_safe(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows each time that the board opens its contactor by itself."""
    found: list[str] = []
    original = YetiSimulator.make_safe

    def make_safe(board: YetiSimulator) -> None:
        found.append(board.module_id)
        original(board)

    monkeypatch.setattr(YetiSimulator, "make_safe", make_safe)
    return found


def test_who_starts_again_asks_a_running_manager_as_before(tmp_path: Path) -> None:
    async def scenario(joined: Joined) -> None:
        manager = joined.manager("GetConfig")
        await until(lambda: vars_of(manager, "capabilities"))  # what was retained is cleared by now
        joined.ended.set()
        await joined.task
        joined.begin()
        await until(lambda: manager.asked == ["board", "board"])
        await until(lambda: manager.released == 2)
        assert manager.died == ""

    play(tmp_path, scenario)


def test_a_manager_that_starts_anew_is_joined_anew_and_the_contactor_opens_before(
    tmp_path: Path, made_safe: list[str]
) -> None:
    async def scenario(joined: Joined) -> None:
        manager = joined.manager()
        await until(lambda: manager.released)
        manager.call(SUPPORT + "enable", {"value": True})
        manager.call(SUPPORT + "pwm_on", {"value": 50})
        manager.call(SUPPORT + "allow_power_on", ON)
        await until(lambda: len(manager.answers) == 3)
        joined.clients.pop(0).close()
        assert made_safe == []
        again = joined.manager()
        await until(lambda: again.released)
        assert made_safe
        assert again.asked == ["board"]
        again.call(SUPPORT + "enable", {"value": True})
        await until(lambda: again.answers)

    play(tmp_path, scenario)


def test_a_kernel_or_broker_that_goes_away_opens_the_contactor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_safe: list[str]
) -> None:
    monkeypatch.setattr(membership, "KERNEL_S", 0.5)
    monkeypatch.setattr(membership, "LINK_S", 0.2)

    async def scenario(joined: Joined) -> None:
        manager = joined.manager()
        await until(lambda: manager.released)
        energy = "everest/modules/evse_manager/impl/energy_grid/var/energy_flow_request"
        manager.client.publish(energy, '{"data":{"data":{}},"msg_type":"Var"}')
        with capture_logs() as logs:
            manager.call(SUPPORT + "allow_power_on", ON)
            await until(lambda: made_safe)
            assert "evse_manager" in next(line["reason"] for line in logs if "reason" in line)
            manager.client.publish(energy, '{"data":{"data":{}},"msg_type":"Var"}')
            await until(lambda: any(line["event"] == "the station is there again" for line in logs))
            made_safe.clear()
            joined.broker.stop()
            await until(lambda: made_safe)
            joined.broker.start()
            again = joined.manager()
            await until(lambda: again.released, 10)

    play(tmp_path, scenario, timeout_s=30)


def test_what_cannot_be_joined_is_said() -> None:
    for answer, message in (
        (module_config("board", "NoSuchModule", {}), "NoSuchModule, which evse-daemon does not have"),
        (module_config("board", "YetiSimulator", {}), "connector_id"),
        (module_config("board", "EvseManager", {}), "connections 'bsp'"),
        ({"module_config": {"module_name": 5}}, "the manager's answer of board is wrong"),
    ):
        with pytest.raises(JoinError) as caught:
            joined_config({"board": {"mappings": {}, **answer["module_config"]}}, "everest", "")
        assert message in str(caught.value)


def test_options_that_a_class_does_not_have_are_told() -> None:
    config, warnings = joined_config({"board": BOARD["module_config"]}, "everest", "")
    assert config.modules["board"].mapping is not None
    assert ["unheard_of" in warning for warning in warnings] == [True]
