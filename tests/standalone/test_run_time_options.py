"""A manager changes an option of a module of ours while it runs, and what it is answered."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from evse_daemon.config import load_text
from evse_daemon.standalone.config_messages import MODULE, Identifier, SetValue
from evse_daemon.standalone.join import Member, Part
from evse_daemon.standalone.run_time_options import outcome
from evse_daemon.store import MemoryJournal
from tests.support.brokers import start_mosquitto
from tests.support.foreign_manager import ForeignManager, module_config
from tests.support.foreign_module import compact
from tests.support.paho_client import PahoClient
from tests.support.waiting import run, until
from tests.test_station import EVSE, STATION

CONFIG = load_text(STATION + EVSE.format(n=1) + EVSE.format(n=2))
GRID = CONFIG.modules["grid"]


def asked(name: str, text: str, module_id: str = "grid", block: str = MODULE) -> SetValue:
    return SetValue(Identifier(module_id, name, block), text)


def test_an_option_that_may_change_is_taken_with_the_others_as_they_were() -> None:
    found = outcome(GRID, asked("fuse_limit_A", "20"), begun=True)
    assert (found.status, found.reason) == ("Accepted", "")
    assert found.entry is not None
    assert found.entry.options.model_dump() == {**GRID.options.model_dump(), "fuse_limit_A": 20.0}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("fuse_limit_A", "-1", "greater than or equal to 0"),
        ("fuse_limit_A", "nan", "parse"),
        ("fuse_limit_A", "much", "parse"),
        ("phase_count", "4", "less than or equal to 3"),
        ("fuse", "20", "no such option"),
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(name: str, text: str, says: str) -> None:
    found = outcome(GRID, asked(name, text), begun=True)
    assert (found.status, found.entry) == ("Rejected", None)
    assert says in found.reason


def test_the_option_of_another_module_or_implementation_is_none_of_it() -> None:
    for request in (
        asked("fuse_limit_A", "20", module_id="other"),
        asked("fuse_limit_A", "20", block="energy_grid"),
        asked("fuse_limit_A", "20", block="none"),
    ):
        assert outcome(GRID, request, begun=True).status == "Rejected"


def test_what_cannot_change_now_counts_from_the_next_start() -> None:
    assert outcome(GRID, asked("fuse_limit_A", "20"), begun=False).status == "RebootRequired"
    evse = CONFIG.modules["evse_1"]
    request = asked("has_ventilation", "false", module_id="evse_1")
    assert outcome(evse, request, begun=True).status == "RebootRequired"


def test_a_real_managers_change_reaches_the_module(tmp_path: Path) -> None:
    """Its messages of 2026.10, over a real Mosquitto; the module is a part of its station."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("A\n")
    second.write_text("B\n")
    broker = start_mosquitto(tmp_path)
    config = module_config(
        "list", "LocalAllowlistTokenValidator", {MODULE: [("allowlist_file", "string", str(first))]}
    )
    manager = ForeignManager({"list": config}, {"list": "LocalAllowlistTokenValidator"})

    def validated(token: str) -> None:
        given = {"authorization_type": "RFID", "id_token": {"value": token, "type": "ISO14443"}}
        manager.call("list/impl/token_validator/cmd/validate_token", {"provided_token": given})

    def change(text: str) -> None:
        data = {"identifier": Identifier("list", "allowlist_file").as_json(), "value": text}
        message = compact({"data": data, "msg_type": "ConfigurationRequest"})
        manager.client.publish("everest/modules/list/config/set_request", message)

    def answers() -> list[str]:
        return [data["response"]["status"] for topic, data in manager.heard if topic.endswith("set_response")]

    def answered_more_than(count: int) -> bool:
        return len(answers()) > count

    async def scenario() -> None:
        ended = asyncio.Event()
        client = PahoClient(broker.settings, manager.hear)
        part = Part(("list",), broker.settings, "everest", "", "ConfigurationRequest")
        client.subscribe("everest/modules/list/config/set_response")
        client.subscribe("everest/modules/list/impl/+/cmd/+/response/+")
        manager.client = client
        manager.start()
        member = asyncio.create_task(Member(part, MemoryJournal(), ended).run())
        await until(lambda: manager.released, 15)
        # Until the module has begun it is told to start anew for it.
        while "Accepted" not in answers():
            count = len(answers())
            change(str(second))
            await until(partial(answered_more_than, count))
        validated("B")
        await until(lambda: manager.answers)
        ended.set()
        await member
        client.close()

    try:
        run(scenario(), 20)
    finally:
        broker.stop()
    assert manager.died == ""
    assert set(answers()) <= {"Accepted", "RebootRequired"}
    assert manager.answers[0]["retval"]["authorization_status"] == "Accepted"
