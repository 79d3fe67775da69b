"""Orders that are well formed, however odd and in whatever order: each is answered, no module fails of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from evse_daemon.framework.bus import Implementation
from evse_daemon.mqtt.topics import api_command, carsim_command, carsim_error, nodered_command
from tests.fuzz.messages import EVSE, TEXT
from tests.fuzz.station import FuzzStation, LogLines
from tests.fuzz.test_fuzz import CASES, log
from tests.fuzz.values import arguments_of

__all__ = ["log"]

ORDERS = 25
"""In one course; each begins on a station that charges."""


class Order(NamedTuple):
    topic: str
    payload: Any
    then_s: float
    """Seconds that pass afterwards."""


def orders(commands: Mapping[str, Implementation[Any]]) -> st.SearchStrategy[Order]:
    then_s = st.sampled_from([0.0, 0.0, 0.0, 0.1, 1.0, 7.0])
    calls = [
        st.builds(
            Order, st.just(topic), arguments_of(found.interface.commands[topic.rsplit("/", 1)[1]]), then_s
        )
        for topic, found in commands.items()
        if not found.interface.hardware
    ]
    connector = st.integers(-1, 3) | st.integers()
    disable = st.fixed_dictionaries(
        {},
        optional={
            "connector_id": connector,
            "state": st.sampled_from(["enable", "Disable", "unassigned"]),
            "source": st.sampled_from(["LocalAPI", "CSMS", "Unspecified"]),
            "priority": st.integers(-1, 10_001),
        },
    ).map(json.dumps)
    token = st.fixed_dictionaries(
        {
            "id_token": st.fixed_dictionaries(
                {"value": TEXT, "type": st.sampled_from(["ISO14443", "Local"])}
            ),
            "authorization_type": st.sampled_from(["RFID", "OCPP"]),
        },
        optional={"connectors": st.lists(connector, max_size=2), "prevalidated": st.booleans()},
    ).map(json.dumps)
    error = st.fixed_dictionaries(
        {"error_type": st.sampled_from(["DiodeFault", "ac_rcd_DC", "lock_ConnectorLockFailedLock"])},
        optional={"raise": st.sampled_from(["true", "false"])},
    ).map(json.dumps)
    number = (st.floats() | st.integers() | st.sampled_from([0, 5.9, 6, -6, 16, 1e-300])).map(str)
    phases = st.fixed_dictionaries(
        {"amps": st.floats(-100, 100), "phases": st.integers(-1, 4) | st.integers()}
    ).map(json.dumps)
    script = st.lists(
        st.sampled_from(
            [
                "sleep 1",
                "iec_wait_pwr_ready",
                "draw_power_regulated 16,3",
                "pause",
                "unplug",
                "error_e",
                "diode_fail",
            ]
        ),
        max_size=5,
    ).map(";".join)
    outside = [
        *(
            (api_command(EVSE, name), st.just(""))
            for name in ("pause_charging", "resume_charging", "stop_charging")
        ),
        (api_command(EVSE, "force_unlock"), connector.map(str)),
        (api_command(EVSE, "enable"), connector.map(str)),
        (api_command(EVSE, "disable"), connector.map(str)),
        (api_command(EVSE, "enable_disable"), disable),
        (api_command("dummy_token_provider", "provide"), token),
        *(
            (nodered_command(1, name), st.just("3a5423dc1feed224"))
            for name in ("enable", "disable", "pause_charging", "resume_charging")
        ),
        (nodered_command(1, "set_max_current"), number),
        (nodered_command(1, "set_max_watt"), number),
        (nodered_command(1, "switch_three_phases_while_charging"), st.sampled_from(["true", "false"])),
        (api_command(EVSE, "set_limit_amps"), number),
        (api_command(EVSE, "set_limit_watts"), number),
        (api_command(EVSE, "set_limit_amps_phases"), phases),
        (api_command(EVSE, "uk_random_delay"), st.sampled_from(["enable", "disable", "cancel"])),
        (api_command(EVSE, "uk_random_delay_set_max_duration_s"), st.integers(0, 10**9).map(str)),
        (carsim_command(1, "enable"), st.sampled_from(["true", "false"])),
        (carsim_command(1, "execute_charging_session"), script),
        (carsim_command(1, "modify_charging_session"), script),
        (carsim_error(1), error),
    ]
    others = [st.builds(Order, st.just(topic), payload, then_s) for topic, payload in outside]
    return st.sampled_from([*calls, *others]).flatmap(lambda found: found)


def test_every_order_is_answered_and_no_module_fails(log: LogLines) -> None:
    pattern = FuzzStation("documented")
    commands = pattern.commands
    pattern.close()
    answered = 0

    @settings(
        max_examples=max(5, CASES // ORDERS // 6),
        deadline=None,
        database=None,
        phases=[Phase.generate],  # a course is short enough to be read, and slow to shrink
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
    @given(st.lists(orders(commands), min_size=ORDERS // 2, max_size=ORDERS))
    def course(given_orders: list[Order]) -> None:
        nonlocal answered
        station = FuzzStation("documented")
        try:
            called = []
            for number, order in enumerate(given_orders):
                payload = order.payload
                if order.topic in commands:
                    payload = json.dumps({"id": number, "origin": "client", "args": payload})
                    called.append((f"{order.topic}/response/client", number))
                station.broker.send(order.topic, payload, 0)
                station.advance(order.then_s)
                assert not station.station._failures, order
            station.advance(20)
            assert not station.station._failures
            answers = [
                (sent.topic, json.loads(sent.payload)["data"]["id"])
                for sent in station.broker.sent
                if sent.topic.endswith("/response/client")
            ]
            assert sorted(answers) == sorted(called)
            answered += len(answers)
        finally:
            station.close()

    course()
    assert answered > 0
