"""A board for evse-daemon as a program of its own: the smallest that works (see docs/board-program.md). Needs paho-mqtt.

    python board_program.py --module board --plug-in-after 2 --charge 10

Hardware there is none: a car that is plugged in once stands in for it. Put your own in the place of `Car`.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

CAPABILITIES = {
    "max_current_A_import": 32.0,
    "min_current_A_import": 6.0,
    "max_phase_count_import": 3,
    "min_phase_count_import": 3,
    "max_current_A_export": 0.0,
    "min_current_A_export": 0.0,
    "max_phase_count_export": 3,
    "min_phase_count_export": 3,
    "supports_changing_phases_during_charging": False,
    "supports_cp_state_E": False,
    "connector_type": "IEC62196Type2Cable",
}
TICK_S = 0.05
LIFE_SIGN_S = 1.0
HEARTBEAT_TIMEOUT_S = 3.0


class Car:
    """Comes, asks for power as soon as there is PWM, and leaves."""

    def __init__(self, plug_in_after_s: float, charge_s: float) -> None:
        self._arrives_s = time.monotonic() + plug_in_after_s
        self._charge_s = charge_s
        self._leaves_s = float("inf")

    def state(self, pwm: bool, power: bool) -> str:
        now_s = time.monotonic()
        if power and self._leaves_s == float("inf"):
            self._leaves_s = now_s + self._charge_s
        if not self._arrives_s <= now_s < self._leaves_s:
            return "A"
        return "C" if pwm else "B"


class Board:
    """Does what it is told, and tells what it sees."""

    def __init__(self, module: str, car: Car) -> None:
        self._topics = f"everest_api/1/evse_board_support/{module}"
        self._car = car
        self._enabled = self._pwm = self._allowed = False
        self._state, self._closed = "A", False
        self._heartbeat_s = self._life_sign_s = 0.0
        self._heartbeat = float("inf")
        self._mqtt = paho.Client(CallbackAPIVersion.VERSION2)
        # If we die, the broker says so in our name, and power goes off at once.
        self._mqtt.will_set(f"{self._topics}/m2e/communication_check", "false", qos=1)
        self._mqtt.on_connect = self._connected
        self._mqtt.on_message = self._told

    def run(self, host: str, port: int) -> None:
        self._mqtt.connect(host, port, keepalive=5)
        self._mqtt.loop_start()
        while True:
            self._tick()
            time.sleep(TICK_S)

    def _connected(self, *_: Any) -> None:
        self._mqtt.subscribe(f"{self._topics}/e2m/#", qos=1)
        # We may have been away, and know nothing of what was told: all is told again after this.
        self._say("communication_check", False)
        self._say_everything()
        self._life_sign_s = 0.0

    def _say_everything(self) -> None:
        self._say("capabilities", CAPABILITIES)
        self._say("ac_nr_of_phases", 3)
        self._say("event", {"event": "PowerOn" if self._closed else "PowerOff"})
        self._say("event", {"event": self._state})

    def _told(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        value = json.loads(message.payload or b"null")
        match message.topic.rpartition("/")[2]:
            case "heartbeat":
                self._heartbeat_s = time.monotonic()
                if value <= self._heartbeat:  # the daemon has started anew, and has heard nothing of us
                    self._say_everything()
                self._heartbeat = value
            case "enable":
                self._enabled = value
            case "pwm_on":
                self._pwm = True
            case "cp_state_X1" | "cp_state_F" | "cp_state_E":
                self._pwm = False
            case "allow_power_on":
                self._allowed = value["allow_power_on"]
        self._switch()

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s - self._heartbeat_s > HEARTBEAT_TIMEOUT_S:  # nobody watches us
            self._allowed = self._pwm = False
        state = self._car.state(self._pwm, self._closed)
        if state != self._state:
            self._state = state
            self._say("event", {"event": state})
        self._switch()
        if now_s - self._life_sign_s >= LIFE_SIGN_S:
            self._life_sign_s = now_s
            self._say("communication_check", True)

    def _switch(self) -> None:
        """The contactor; nobody else may close it."""
        closed = self._enabled and self._allowed and self._state in ("C", "D")
        if closed != self._closed:
            self._closed = closed
            self._say("event", {"event": "PowerOn" if closed else "PowerOff"})

    def _say(self, name: str, value: Any) -> None:
        if self._mqtt.is_connected():
            self._mqtt.publish(f"{self._topics}/m2e/{name}", json.dumps(value), qos=1)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="A board for evse-daemon.")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=1883)
    options.add_argument("--module", default="board", help="module id of the evse_board_support_API")
    options.add_argument("--plug-in-after", type=float, default=2.0, metavar="S")
    options.add_argument("--charge", type=float, default=10.0, metavar="S")
    given = options.parse_args()
    Board(given.module, Car(given.plug_in_after, given.charge)).run(given.host, given.port)
