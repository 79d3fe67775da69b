"""Home Assistant beside a daemon that runs, on a real Mosquitto."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from evse_daemon.home_assistant.ids import device_topic
from evse_daemon.mqtt.topics import carsim_error, home_assistant_status
from tests.support.brokers import Mosquitto, mosquitto_binary, start_mosquitto
from tests.support.home_assistant import UNAVAILABLE, UNKNOWN, Device
from tests.system.clients import CARSIM, CARSIM_MODIFY, LONG_SESSION, TOPICS, Client
from tests.system.conftest import Start
from tests.system.processes import PROGRAM, START_S, Daemon, clean_environment, configuration, until

TOPIC = device_topic("homeassistant", "everest", "evse_manager")
BIRTH = home_assistant_status("homeassistant")


class HomeAssistant:
    """Finds a device as Home Assistant does, shows it and uses it.

    Args:
        broker: where.
        login: user and password.
    """

    def __init__(self, broker: Mosquitto, login: tuple[str, str] | None = None) -> None:
        self._client = Client(broker.port, "#", qos=1, login=login)
        self._read = 0
        self.device: Device | None = None
        self.announced = 0
        """How often the device was announced or taken back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__(None, None, None)

    def born(self) -> None:
        self._client.publish(BIRTH, "online")

    def publish(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload)

    def use(self, key: str, value: object = "") -> None:
        """A switch (on, off), a number, a button."""
        self._listen()
        assert self.device is not None
        self._client.publish(*self.device.command(key, value))

    def state(self, key: str) -> str:
        self._listen()
        return "no device" if self.device is None else self.device.state(key)

    def states(self) -> dict[str, str]:
        self._listen()
        return {} if self.device is None else {key: self.device.state(key) for key in self.device.entities}

    def shows(self, key: str, wanted: str | Callable[[str], bool], timeout_s: float = START_S) -> None:
        """Waits until an entity has a state."""

        def so() -> bool:
            state = self.state(key)
            return wanted(state) if callable(wanted) else state == wanted

        until(so, timeout_s, lambda: f"{key} is {self.state(key)}: {self.states()}")

    def _listen(self) -> None:
        messages = self._client.messages
        for message in messages[self._read :]:
            if message.topic == TOPIC:
                self.announced += 1
                self.device = None
                if message.payload:
                    self.device = Device(message.payload)
                    for earlier in messages:  # what is retained comes to who subscribes
                        self._hear(earlier)
            else:
                self._hear(message)
        self._read = len(messages)

    def _hear(self, message: Any) -> None:
        if self.device is not None and message.topic in self.device.topics:
            self.device.hear(message.topic, message.payload, message.at_s)


def write(folder: Path, broker: Mosquitto, daemon: dict[str, Any] | None = None, **how: Any) -> list[str]:
    """The arguments of a station with Home Assistant switched on, unless ``how`` says otherwise."""
    document = yaml.safe_load(configuration(folder, broker.port).read_text("utf-8"))
    document["daemon"] = {**(daemon or {}), "home_assistant": {"enabled": True, **how}}
    (folder / "config.yaml").write_text(yaml.safe_dump(document), "utf-8")
    return ["run", str(folder / "config.yaml"), "--state-dir", str(folder / "state")]


@pytest.fixture
def home(mosquitto: Mosquitto) -> Iterator[HomeAssistant]:
    with HomeAssistant(mosquitto) as found:
        yield found


@pytest.fixture
def station(mosquitto: Mosquitto, start: Start, tmp_path: Path) -> Daemon:
    return start(write(tmp_path, mosquitto))


def test_a_session_with_everything_that_can_be_switched(home: HomeAssistant, station: Daemon) -> None:
    home.shows("state", "Unplugged")
    home.shows("temperature", lambda state: state not in (UNAVAILABLE, UNKNOWN))
    home.publish(CARSIM, LONG_SESSION)
    home.shows("car_connected", "on")
    home.shows("charging", "on")
    home.shows("state", "Charging")
    home.shows("power", lambda state: float(state) > 9000)
    home.shows("session_energy", lambda state: float(state) > 0)
    home.use("current_limit", 10)
    home.shows("allowed_current", "10.0")
    home.shows("current_limit", "10")
    home.shows("power", lambda state: float(state) < 8000)
    home.use("pause")
    home.shows("state", "ChargingPausedEVSE")
    home.use("resume")
    home.shows("state", "Charging")
    home.publish(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "true"}))
    home.shows("problem", "on")
    assert UNAVAILABLE not in home.states().values(), "a fault is a state"
    home.publish(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "false"}))
    home.shows("problem", "off")
    home.use("enabled", "off")
    home.shows("enabled", "off")
    home.shows("state", "Disabled")
    home.use("enabled", "on")
    home.shows("enabled", "on")
    home.publish(CARSIM_MODIFY, "unplug")
    home.shows("car_connected", "off")
    assert home.announced == 1


def test_who_comes_later_finds_it(mosquitto: Mosquitto, home: HomeAssistant, station: Daemon) -> None:
    """Home Assistant starts after the daemon, or again."""
    home.shows("state", "Unplugged")
    with HomeAssistant(mosquitto) as later:
        later.shows("state", "Unplugged")
        later.shows("reason", "Ready, not charging: no car is plugged in. Plug a car in.")
        later.born()
        until(lambda: later.state("state") and later.announced >= 2)
        later.shows("state", "Unplugged")


def test_a_daemon_that_dies_ends_or_comes_again(
    mosquitto: Mosquitto, home: HomeAssistant, start: Start, tmp_path: Path
) -> None:
    daemon = start(write(tmp_path, mosquitto))
    home.shows("state", "Unplugged")
    home.shows("energy", lambda state: state not in (UNAVAILABLE, UNKNOWN))
    daemon.kill()
    home.shows("state", UNAVAILABLE)
    assert set(home.states().values()) == {UNAVAILABLE}
    daemon = start(write(tmp_path, mosquitto))
    home.shows("state", lambda state: state != UNAVAILABLE)
    home.shows("state", "Unplugged")
    daemon.end()
    home.shows("state", UNAVAILABLE)
    assert set(home.states().values()) == {UNAVAILABLE}
    assert home.device is not None, "it stays a device"


def test_a_broker_that_forgets_everything(mosquitto: Mosquitto, home: HomeAssistant, station: Daemon) -> None:
    home.shows("state", "Unplugged")
    mosquitto.stop()
    mosquitto.forget()
    mosquitto.start()
    with HomeAssistant(mosquitto) as new:
        new.shows("state", "Unplugged")
        new.shows("reason", lambda state: state.startswith("Ready"))


def test_switched_off_again_it_is_removed(
    mosquitto: Mosquitto, home: HomeAssistant, start: Start, tmp_path: Path
) -> None:
    daemon = start(write(tmp_path, mosquitto))
    home.shows("state", "Unplugged")
    daemon.end()
    daemon = start(write(tmp_path, mosquitto, commands=False))
    home.shows("state", "Unplugged")
    until(lambda: home.states() and "enabled" not in home.states())
    daemon.end()
    start(write(tmp_path, mosquitto, enabled=False))
    home.shows("state", "no device")
    with Client(mosquitto.port, "homeassistant/#") as late:
        late.publish(BIRTH, "online")
        late.wait(BIRTH)
        assert late.on(TOPIC) == [], "nothing is retained"


@pytest.mark.parametrize("dialect", ["everest", "classic"])
def test_in_each_dialect(
    dialect: str, mosquitto: Mosquitto, home: HomeAssistant, start: Start, tmp_path: Path
) -> None:
    start(write(tmp_path, mosquitto, {"mqtt_dialect": dialect}))
    home.shows("state", "Unplugged")
    home.use("enabled", "off")
    home.shows("enabled", "off")
    home.shows("reason", lambda state: "disabled by LocalAPI" in state)


def test_noise_where_home_assistant_speaks_changes_nothing(home: HomeAssistant, station: Daemon) -> None:
    home.shows("state", "Unplugged")
    for payload in ("", "x", '{"online": true}', "online " * 1000):
        home.publish(BIRTH, payload)
    for _ in range(300):
        home.born()
    home.publish(CARSIM, LONG_SESSION)
    home.shows("charging", "on")
    assert home.announced <= 4
    assert station.process.poll() is None


@pytest.mark.skipif(
    mosquitto_binary() is None or shutil.which("mosquitto_passwd") is None,
    reason="NOT TESTED: mosquitto and mosquitto_passwd are not installed (apt install mosquitto)",
)
@pytest.mark.parametrize("commands", [True, False])
def test_with_the_access_list_of_the_configuration(commands: bool, start: Start, tmp_path: Path) -> None:
    acl, passwords = tmp_path / "acl", tmp_path / "passwords"
    passwords.touch(mode=0o600)
    for user in ("evse-daemon", "home-assistant"):
        subprocess.run(
            ["mosquitto_passwd", "-b", passwords, user, f"{user}'s"], check=True, capture_output=True
        )
    (tmp_path / "mqtt-password").write_text("evse-daemon's\n")
    acl.touch(mode=0o600)
    lines = f"allow_anonymous true\npassword_file {passwords}\nacl_file {acl}"
    broker = start_mosquitto(tmp_path / "broker", lines)
    login = {"broker": {"user": "evse-daemon", "password_file": str(tmp_path / "mqtt-password")}}
    arguments = write(tmp_path, broker, login, commands=commands)
    done = subprocess.run(
        [*PROGRAM, "broker-acl", arguments[1]],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    acl.write_text(done.stdout)
    broker.restart()
    try:
        daemon = start(arguments)
        with HomeAssistant(broker, ("home-assistant", "home-assistant's")) as home:
            home.shows("state", "Unplugged")
            # None of this is for Home Assistant to say.
            home.publish(TOPICS.status, "offline")
            home.publish(carsim_error(1), json.dumps({"error_type": "DiodeFault", "raise": "true"}))
            home.born()
            until(lambda: home.state("state") and home.announced >= 2)
            assert (home.state("state"), home.state("problem")) == ("Unplugged", "off")
            if commands:
                home.use("enabled", "off")
                home.shows("enabled", "off")
            daemon.end()
            home.shows("state", UNAVAILABLE)
            start(write(tmp_path, broker, login, enabled=False))
            home.shows("state", "no device")
    finally:
        broker.stop()
