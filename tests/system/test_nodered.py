"""A stand-in for EVerest's Node-RED flow: it hears and publishes what the real one did (reference api.md §4.4)."""

from __future__ import annotations

import re

from evse_daemon.mqtt.topics import (
    api_command,
    carsim_command,
    carsim_error,
    nodered_command,
    nodered_powermeter,
    nodered_state,
)
from tests.system.clients import Client
from tests.system.conftest import Running

QOS = 1
"""Of what the flow publishes; it subscribes at QoS 2, but for the temperature."""

SHOWN = {
    nodered_state("+", "max_current"): r"-?\d+\.\d{5}",
    nodered_state("+", "state_string"): r"[A-Za-z_ ]+",
    nodered_state("+", "temperature"): r"-?\d+\.\d{5}",
    nodered_state("+", "max_watt"): r"-?\d+\.\d{5}",
    nodered_powermeter("+", "totalKw"): r"-?\d+\.\d",
    nodered_powermeter("+", "totalKWattHr"): r"-?\d+\.\d{5}",
}
"""What the dashboard subscribes to, and the form of what it can show."""

PLUG_IN = b"sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 36000"
EV_PAUSE = b"pause;sleep 3600"
EV_RESUME = b"draw_power_regulated 16,3;sleep 36000"
BUTTON = b"3a5423dc1feed224"
RFID = b'{"id_token":{"value":"DEADBEEF","type":"ISO14443"},"authorization_type":"RFID","prevalidated":false,"connectors":[1]}'
FAULT, NO_FAULT = (
    b'{"error_type":"DiodeFault","raise":"true"}',
    b'{"error_type":"DiodeFault","raise":"false"}',
)


class Flow:
    """The dashboard: what it shows, and its buttons and sliders for EVSE 1."""

    def __init__(self, port: int) -> None:
        self.client = Client(port, *SHOWN)

    def press(self, topic: str, payload: bytes) -> int:
        since = self.client.mark()
        self.client.publish(topic, payload, QOS)
        return since

    def slide(self, name: str, *payloads: bytes) -> int:
        """A slider publishes at each step of the drag."""
        since = self.client.mark()
        for payload in payloads:
            self.client.publish(nodered_command(1, name), payload, QOS)
        return since

    def shows(self, name: str, text: str, since: int) -> None:
        self.client.wait(nodered_state(1, name), lambda heard: heard.payload == text, since=since)


def test_the_flow_charges_pauses_limits_and_breaks_a_car(running: Running) -> None:
    flow = Flow(running.broker.port)
    with flow.client:
        since = flow.press(carsim_command(1, "execute_charging_session"), PLUG_IN)
        flow.press(api_command("dummy_token_provider", "provide"), RFID)
        for state in ("Wait for Auth", "PrepareCharging", "Charging"):
            flow.shows("state_string", state, since)
        since = flow.slide("set_max_current", b"16.5", b"12.3", b"7")
        flow.shows("max_current", "7.00000", since)
        since = flow.slide("set_max_watt", b"22000", b"4140")
        flow.shows("max_watt", "4140.00000", since)
        since = flow.slide("set_max_current", b"32")
        since = flow.slide("set_max_watt", b"22000")
        flow.shows("max_current", "31.88406", since)  # 22 kW on three phases of 230 V
        since = flow.press(nodered_command(1, "pause_charging"), BUTTON)
        flow.shows("state_string", "EVSE Paused", since)
        since = flow.press(nodered_command(1, "resume_charging"), BUTTON)
        flow.shows("state_string", "Charging", since)
        since = flow.press(carsim_command(1, "modify_charging_session"), EV_PAUSE)
        flow.shows("state_string", "Car Paused", since)
        since = flow.press(carsim_command(1, "modify_charging_session"), EV_RESUME)
        flow.shows("state_string", "Charging", since)
        since = flow.press(carsim_error(1), FAULT)
        flow.shows("state_string", "EVSE Paused", since)
        since = flow.press(carsim_error(1), NO_FAULT)
        flow.shows("state_string", "Charging", since)
        since = flow.press(carsim_command(1, "modify_charging_session"), b"unplug")
        flow.shows("state_string", "Idle", since)
        running.client.wait_event("SessionFinished", 0)
        heard = flow.client.messages
    for topic, form in SHOWN.items():
        texts = [each.payload for each in heard if each.topic == topic.replace("+", "1")]
        assert texts, topic
        assert all(re.fullmatch(form, text) for text in texts), topic
    assert not any(each.retain for each in heard)


def test_who_opens_the_dashboard_later_sees_the_state(running: Running) -> None:
    flow = Flow(running.broker.port)
    with flow.client:
        flow.shows("state_string", "Idle", 0)
        flow.client.wait(nodered_state(1, "max_current"))
