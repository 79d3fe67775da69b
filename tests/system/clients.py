"""The clients that people use beside the charger: paho-mqtt, mosquitto_sub and mosquitto_pub."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from evse_daemon.mqtt.topics import Topics, api_var, carsim_command
from tests.system.processes import START_S, WAIT_S, until

TOPICS = Topics()
EVENTS = TOPICS.var("evse_manager", "evse", "session_event")
POWER_COMMAND = TOPICS.command("yeti_driver", "board_support", "allow_power_on")
CARSIM = carsim_command(1, "execute_charging_session")
CARSIM_MODIFY = carsim_command(1, "modify_charging_session")

STATES = [
    TOPICS.ready,
    TOPICS.module_ready("evse_manager"),
    *(
        TOPICS.var("evse_manager", "evse", name)
        for name in (
            "ready", "evse_id", "hw_capabilities", "limits", "supported_energy_transfer_modes",
            "waiting_for_external_ready", "selected_protocol",
        )
    ),
    TOPICS.var("yeti_driver", "board_support", "capabilities"),
]  # fmt: skip
"""What somebody who comes to an empty broker must be told: the vars of kind state."""

SESSION = "sleep 1;iec_wait_pwr_ready;sleep 1;draw_power_regulated 16,3;sleep 20;unplug"
"""The issue's own session."""

LONG_SESSION = SESSION.replace("sleep 20", "sleep 100000")
"""A car that stays."""

BEGIN = (
    "SessionStarted",
    "AuthRequired",
    "Authorized",
    "TransactionStarted",
    "PrepareCharging",
    "ChargingStarted",
)
END = ("StoppingCharging", "ChargingFinished", "TransactionFinished", "SessionFinished")
WHOLE = [*BEGIN, *END]


class Heard(NamedTuple):
    """A message as the client got it."""

    at_s: float
    topic: str
    payload: str
    retain: bool

    @property
    def json(self) -> Any:
        return json.loads(self.payload)

    @property
    def data(self) -> Any:
        """What is in the envelope."""
        return self.json["data"]


class Client:
    """A paho client that keeps what it hears.

    Args:
        port: of the broker on this machine.
        filters: what it subscribes to.
        kept_as: client id of a session that the broker keeps while the client is away.
        qos: of the subscriptions.
        login: user and password.
    """

    def __init__(
        self,
        port: int,
        *filters: str,
        kept_as: str = "",
        qos: int = 2,
        login: tuple[str, str] | None = None,
    ) -> None:
        self._changed = threading.Condition()
        self._messages: list[Heard] = []
        self._subscribed = False
        self._filters = [(topic, qos) for topic in filters]
        self._done: deque[int] = deque(maxlen=20)
        self._paho = paho.Client(CallbackAPIVersion.VERSION2, client_id=kept_as, clean_session=not kept_as)
        if login is not None:
            self._paho.username_pw_set(*login)
        self._paho.max_inflight_messages_set(0)
        self._paho.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]
        self._paho.on_socket_open = _without_delay
        self._paho.on_message = self._on_message
        self._paho.on_connect = self._on_connect
        self._paho.on_subscribe = self._on_subscribe
        self._paho.connect("127.0.0.1", port)
        self._paho.loop_start()
        until(lambda: self._subscribed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()

    @property
    def messages(self) -> list[Heard]:
        """All so far."""
        with self._changed:
            return list(self._messages)

    def mark(self) -> int:
        """A place in what was heard: for ``since``."""
        with self._changed:
            return len(self._messages)

    def on(self, topic: str, since: int = 0) -> list[Heard]:
        """What was heard on a topic."""
        return [message for message in self.messages[since:] if message.topic == topic]

    def events(self, since: int = 0) -> list[str]:
        """The session events by name, but for the one that an EVSE begins with: it may come late, at QoS 2."""
        names = [message.data["event"] for message in self.on(EVENTS, since)]
        return names[1:] if names[:1] == ["Enabled"] else names

    def publish(self, topic: str, payload: str | bytes, qos: int = 1, *, retain: bool = False) -> None:
        """Publishes, and waits until the broker has it."""
        self._paho.publish(topic, payload, qos, retain).wait_for_publish(WAIT_S)

    def wait(
        self, topic: str, fits: Callable[[Heard], bool] = bool, *, since: int = 0, timeout_s: float = WAIT_S
    ) -> Heard:
        """The first message on a topic that fits."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for message in self._messages[since:]:
                    if message.topic == topic and fits(message):
                        return message
                    since += 1
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    last = [message for message in self._messages if message.topic == topic][-3:]
                    raise AssertionError(
                        f"not within {timeout_s:g} s: what is waited for on {topic}; last: {last}"
                    )
                self._changed.wait(left_s)

    def wait_event(self, name: str, since: int = 0, timeout_s: float = WAIT_S) -> Heard:
        """The first session event of a name."""
        return self.wait(EVENTS, lambda heard: heard.data["event"] == name, since=since, timeout_s=timeout_s)

    def wait_available(self) -> None:
        """Until the EVSE is enabled."""
        self.wait(
            api_var("evse_manager", "session_info"),
            lambda heard: heard.json["state"] == "Unplugged",
            timeout_s=START_S,
        )

    def call(self, topic: str, payload: Any, answer_to: str = "external") -> Heard:
        """Publishes a call, and waits for its answer."""
        since = self.mark()
        self.publish(topic, payload if isinstance(payload, str) else json.dumps(payload))
        return self.wait(f"{topic}/response/{answer_to}", since=since)

    def _on_connect(self, *_: Any) -> None:
        if self._filters:
            self._paho.subscribe(self._filters)
        else:
            self._subscribed = True

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed = True

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        # After its own restart, Mosquitto 2.0.11 sends a message of QoS 2 again whose PUBREL it had sent and whose
        # PUBCOMP it had not: the same packet id, flagged as a duplicate. That is between the two of them.
        if message.qos == 2 and message.dup and message.mid in self._done:
            return
        if message.qos == 2:
            self._done.append(message.mid)
        text = message.payload.decode("utf-8", "replace")
        with self._changed:
            self._messages.append(Heard(time.monotonic(), message.topic, text, message.retain))
            self._changed.notify_all()


def _without_delay(_client: paho.Client, _data: Any, connection: Any) -> None:
    """Or each acknowledged message takes 40 ms."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class MosquittoSub:
    """``mosquitto_sub -v``, its lines in a file."""

    def __init__(self, folder: Path, port: int, *filters: str) -> None:
        self._file = folder / "mosquitto_sub.txt"
        topics = [word for topic in filters for word in ("-t", topic)]
        with self._file.open("wb") as out:
            self._process = subprocess.Popen(
                [_program("mosquitto_sub"), "-v", "-p", str(port), *topics], stdout=out
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(5)

    def payloads(self, topic: str) -> list[str]:
        """What it has printed for a topic."""
        lines = self._file.read_text("utf-8").splitlines()
        return [line[len(topic) + 1 :] for line in lines if line.startswith(f"{topic} ")]


def mosquitto_pub(port: int, topic: str, payload: str) -> None:
    """``mosquitto_pub``; fails where it does."""
    subprocess.run(
        [_program("mosquitto_pub"), "-p", str(port), "-t", topic, "-m", payload], check=True, timeout=10
    )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"NOT TESTED: the program {name} is not installed (apt install mosquitto-clients)")
    return found
