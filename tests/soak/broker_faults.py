"""Charging sessions one after the other while the way to the broker breaks and the broker restarts or is killed."""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.brokers import Mosquitto
from tests.support.proxy import Proxy
from tests.system.clients import EVENTS, STATES, TOPICS, Client
from tests.system.processes import START_S, WAIT_S, Daemon, until

SPEED = "30"
RIGHT_AGAIN_S = 2.0
"""The aim: so long after kill -9 of a broker that is started again at once, the state is right."""

QUIET_S = 0.8
"""A fault comes up to so long after the last is over: anywhere in a session, which takes about 1.3 s."""

GET_EVSE = TOPICS.command("evse_manager", "evse", "get_evse")
SHOWN = re.compile(r"^\d\d:\d\d:\d\d  .* Wh  ([A-Z]\w+)")

Say = Callable[[str], None]


class Told(NamedTuple):
    """A session event as a client got it."""

    session: str
    name: str
    timestamp: str


@dataclass
class Result:
    """What a soak found; ``problems`` is empty where all held."""

    faults: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    events: int = 0
    repeated_at_qos_1: int = 0
    right_again_s: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def session_events(broker: Mosquitto, folder: Path, count: int, say: Say, seed: int = 1) -> Result:
    """Faults while sessions run; each event is to reach a client at QoS 2 once, one at QoS 1 at least once.

    What the daemon shows at its terminal comes from the bus and is the measure. The clients' sessions are kept by
    the broker, which has to be one with persistence.

    Args:
        broker: running.
        folder: for the daemon's output.
        count: of the faults: each third one a restart by SIGTERM, the others reset all connections of the daemon.
        say: told what goes on.
        seed: of the moments.
    """
    result = Result(faults={"connections reset": 0, "broker restarted": 0})
    moments = random.Random(seed)
    with (
        Proxy(broker.port) as network,
        Client(broker.port, EVENTS, kept_as="soak-2", qos=2) as twos,
        Client(broker.port, EVENTS, kept_as="soak-1", qos=1) as ones,
    ):
        daemon = _simulator(folder, network.port)
        try:
            twos.wait_event("TransactionStarted", timeout_s=START_S)
            for number in range(1, count + 1):
                time.sleep(moments.uniform(0, QUIET_S))
                if number % 3 == 0:
                    broker.restart()
                    result.faults["broker restarted"] += 1
                else:
                    network.abort()
                    result.faults["connections reset"] += 1
                twos.wait(EVENTS, since=twos.mark())
                if number % 10 == 0:
                    say(f"{number} faults, {len(_told(twos))} session events")
            twos.wait_event("SessionFinished", twos.mark())
        finally:
            daemon.end()
        shown = [found[1] for line in daemon.out.splitlines() if (found := SHOWN.match(line))]
        for client in (twos, ones):
            _arrived(client, len(shown))
        _judge(result, shown, _told(twos), _told(ones))
        if daemon.process.returncode or "Traceback" in daemon.err:
            result.problems.append(f"the daemon failed: {daemon.describe()}")
    return result


def state_after_kill(broker: Mosquitto, folder: Path, count: int, result: Result) -> None:
    """Kills the broker and starts it again empty; measures how long until a client that comes then finds all right.

    All is right when everything retained and every state has been said again, the status is online and a call is
    answered.
    """
    daemon = _simulator(folder, broker.port)
    try:
        for _ in range(count):
            with Client(broker.port, EVENTS) as client:
                client.wait_event("TransactionStarted", timeout_s=START_S)
            killed_s = time.monotonic()
            broker.stop(signal.SIGKILL)
            broker.forget()
            broker.start()
            with Client(broker.port, "#") as late:
                for topic in STATES:
                    late.wait(topic)
                late.wait(TOPICS.status, lambda heard: heard.payload == "online")
                late.call(GET_EVSE, {"id": "1", "origin": "soak", "args": {}}, answer_to="soak")
            result.right_again_s.append(time.monotonic() - killed_s)
    finally:
        daemon.end()
    if "Traceback" in daemon.err:
        result.problems.append(f"the daemon failed: {daemon.describe()}")


def _simulator(folder: Path, port: int) -> Daemon:
    return Daemon(folder, ["simulate", "--broker", f"127.0.0.1:{port}", "--speed", SPEED, "--demo"])


def _told(client: Client) -> list[Told]:
    found = [heard.data for heard in client.on(EVENTS)]
    return [Told(event["uuid"], event["event"], event["timestamp"]) for event in found]


def _arrived(client: Client, count: int) -> None:
    """Until as many different events have come, or nothing comes any more: then the judgement says so."""
    try:
        until(lambda: len(set(_told(client))) >= count, WAIT_S)
    except AssertionError:
        return


def _judge(result: Result, shown: Sequence[str], twos: Sequence[Told], ones: Sequence[Told]) -> None:
    result.events = len(shown)
    result.sessions = shown.count("SessionFinished")
    result.repeated_at_qos_1 = len(ones) - len(set(ones))
    if len(set(twos)) != len(twos):
        twice = sorted({event for event in twos if twos.count(event) > 1})
        result.problems.append(f"twice at QoS 2: {twice}")
    if [event.name for event in twos] != list(shown):
        result.problems.append(f"not what happened at QoS 2: {_difference(shown, twos)}")
    if list(dict.fromkeys(ones)) != list(dict.fromkeys(twos)):
        result.problems.append(
            f"lost or out of order at QoS 1: {_difference(shown, list(dict.fromkeys(ones)))}"
        )


def _difference(shown: Sequence[str], told: Sequence[Told]) -> str:
    names = [event.name for event in told]
    at = next(
        (n for n, (one, other) in enumerate(zip(shown, names, strict=False)) if one != other), len(names)
    )
    return (
        f"{len(shown)} events happened, {len(names)} were told; the first difference is at {at}: "
        f"{list(shown[at : at + 4])} became {names[at : at + 4]}"
    )
