"""Whatever a client publishes in the name of a module of another process: nothing of the daemon fails."""

from __future__ import annotations

import asyncio
import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from evse_daemon.config import load_text
from evse_daemon.mqtt.client import Inbound
from tests.fuzz.messages import JSON, NO_JSON_TEXT, TEXT
from tests.fuzz.station import LogLines
from tests.fuzz.test_fuzz import CASES, log
from tests.standalone.world import Board, StandaloneWorld, config_text

__all__ = ["log"]

BOARD = "yeti_driver"
EVERY = 50
"""After so many messages time passes, and the module says that it is there."""

KINDS = [
    *("Var", "Cmd", "CmdResult", "RaiseError", "ClearError", "ModuleReady", "GlobalReady"),
    *(
        "GetConfig",
        "GetConfigResponse",
        "ConfigurationRequest",
        "ConfigurationResponse",
        "Telemetry",
        "",
        None,
        1,
    ),
]
NAMES = [
    *(
        "board_support",
        "powermeter",
        "rcd",
        "connector_lock",
        "event",
        "telemetry",
        "capabilities",
        "public_key_ocmf",
    ),
    *(
        "evse_board_support",
        "MREC8EmergencyStop",
        "allow_power_on",
        "evse_manager",
        BOARD,
        "nobody",
        "x" * 300,
    ),
]
ERROR = {
    "type": "evse_board_support/MREC8EmergencyStop", "sub_type": "", "message": "m", "description": "d",
    "severity": "High", "state": "Active", "timestamp": "2026-11-21T08:03:21.105Z", "uuid": "u",
    "vendor_id": "v", "origin": {"module_id": BOARD, "implementation_id": "board_support"},
}  # fmt: skip

_errors = st.builds(
    lambda name, value: {**ERROR, name: value},
    st.sampled_from([*ERROR, "more"]),
    JSON | st.sampled_from(["Low"]),
)
_answers = st.fixed_dictionaries(
    {}, optional={"id": JSON, "origin": JSON, "retval": JSON, "error": JSON}
).map(lambda data: {"data": data, "type": "result"})
_identifiers = JSON | st.fixed_dictionaries(
    {"module_id": st.sampled_from([BOARD, "evse_manager", "nobody"]), "configuration_parameter_name": TEXT}
)
_requests = st.fixed_dictionaries(
    {
        "origin": st.sampled_from([BOARD, "nobody", "", None, 1]),
        "type": st.sampled_from(["Get", "Set", "x", None]),
        "request": JSON
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["Module", "All", "Value", "AllMappings", "x", 1])},
            optional={"identifier": _identifiers, "value": JSON},
        ),
    }
)
_FITTING = {
    "/var/": ("Var", JSON.map(lambda value: {"data": value})),
    "/response/": ("CmdResult", _answers),
    "/error/": ("RaiseError", _errors),
    "/ready": ("ModuleReady", JSON.filter(lambda value: not isinstance(value, bool))),
    "config/request": ("ConfigurationRequest", _requests),
    "set_response": ("ConfigurationResponse", JSON),
}
"""What is said on a topic that has this in it."""


def _message(pattern: str) -> st.SearchStrategy[tuple[str, bytes, bool]]:
    """A message on a topic of this filter: of any form, or nearly right."""
    kind, data = next(found for part, found in _FITTING.items() if part in pattern)
    anything = st.fixed_dictionaries({"msg_type": st.sampled_from(KINDS), "data": JSON | _errors | _answers})
    nearly = st.fixed_dictionaries({"msg_type": st.just(kind), "data": data | JSON})
    kinds = [NO_JSON_TEXT, *(each.map(json.dumps).map(str.encode) for each in (anything, nearly, nearly))]
    payload = st.sampled_from(kinds).flatmap(lambda found: found)
    return st.tuples(_topic(pattern), payload, st.sampled_from([False, False, False, True]))


def _topic(pattern: str) -> st.SearchStrategy[str]:
    segments = [st.sampled_from(NAMES) if part in "+#" else st.just(part) for part in pattern.split("/")]
    return st.tuples(*segments).map("/".join)


def test_nothing_fails_of_what_is_said_in_the_name_of_another_process(log: LogLines) -> None:
    world = StandaloneWorld(load_text(config_text(BOARD)))
    board = Board()
    runner = asyncio.Runner()
    runner.run(world.start())
    world.connect(board)
    runner.run(world.advance(5))
    assert world.standalone.missing() == []
    filters = [topic for topic, _ in world.standalone.subscriptions() if not topic.endswith("/cmd/+")]
    cases = st.sampled_from([_message(pattern) for pattern in filters]).flatmap(lambda found: found)
    count = 0

    @settings(
        max_examples=max(300, CASES // 4),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(cases)
    def publish(case: tuple[str, bytes, bool]) -> None:
        nonlocal count
        topic, payload, retain = case
        world.broker._on_message(Inbound(topic, payload, 2, retain))
        runner.run(world.settle())
        count += 1
        if count % EVERY == 0:
            board.client.publish(f"everest/modules/{BOARD}/ready", '{"data":true,"msg_type":"ModuleReady"}')
            runner.run(world.advance(0.5))
        assert not world.station._failures

    publish()
    assert count >= 300
    runner.run(world.advance(5))
    assert not world.station._failures
    call = {"data": {"id": "1", "origin": "api", "args": {}}, "msg_type": "Cmd"}
    topic = "everest/modules/evse_manager/impl/evse/cmd/get_evse"
    world.broker._on_message(Inbound(topic, json.dumps(call).encode(), 0, False))
    runner.run(world.settle())
    answers = world.broker.on(f"{topic}/response/api")
    assert "retval" in answers[-1]
    assert not any(implementation.lost for implementation in world.bus.implementations.values())
    runner.run(world.stop())
    runner.close()
