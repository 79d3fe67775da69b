"""A command's round trip, beside that of a bare gmqtt echo over the same broker and transport, in turns."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import echo
from tests.bench.daemon import Daemon
from tests.bench.report import Row, quantile
from tests.bench.wire import Client
from tests.support.brokers import Mosquitto

WARM_UP = 200
TURNS = 12
CALLS_A_TURN = 150

DIALECT_BY_QOS = {1: "documented", 2: "everest"}
"""The documented dialect answers at QoS 1, EVerest's at QoS 2: so both ways have the same QoS."""

RATIO_AIM = 1.6


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    for unix in (False, True):
        for qos in (1, 2):
            yield from _compare(broker, folder, qos, unix=unix)


def _compare(broker: Mosquitto, folder: Path, qos: int, *, unix: bool) -> Iterator[Row]:
    dialect = DIALECT_BY_QOS[qos]
    with Daemon(broker, folder, dialect=dialect, unix=unix) as daemon:
        ours = f"{daemon.prefix}/modules/evse_manager/impl/evse/cmd/get_evse"
        bare = f"echo/{daemon.prefix}/cmd"
        with _echo(broker, bare, dialect, qos, unix=unix):
            client = Client(broker, f"requester-{daemon.prefix}", unix=unix)
            for topic in (bare, ours):
                client.subscribe(f"{topic}/response/bench", qos)
                _calls(client, topic, qos, WARM_UP)
            took_s: dict[str, list[float]] = {bare: [], ours: []}
            for turn in range(TURNS):
                for topic in (bare, ours) if turn % 2 else (ours, bare):
                    took_s[topic] += _calls(client, topic, qos, CALLS_A_TURN)
            client.close()
    where = "unix socket" if unix else "TCP"
    p50, p99 = (
        {topic: 1e6 * quantile(found, part) for topic, found in took_s.items()} for part in (0.5, 0.99)
    )
    yield Row(
        f"round trip, QoS {qos}, {where}: of the echo",
        p50[ours] / p50[bare],
        "",
        RATIO_AIM,
        note=f"p50/p99 µs: daemon {p50[ours]:.0f}/{p99[ours]:.0f}, echo {p50[bare]:.0f}/{p99[bare]:.0f}; "
        f"{len(took_s[ours])} calls each, in turns",
    )


_serial = iter(range(10**8))


def _calls(client: Client, topic: str, qos: int, count: int) -> list[float]:
    found = []
    for _ in range(count):
        call_id = f"bench-{next(_serial):08d}"
        call = {"data": {"args": {}, "id": call_id, "origin": "bench"}, "msg_type": "Cmd"}
        found.append(client.round_trip_s(topic, json.dumps(call).encode(), qos, call_id.encode()))
    return found


@contextmanager
def _echo(broker: Mosquitto, topic: str, dialect: str, qos: int, *, unix: bool) -> Iterator[None]:
    address = [broker.socket_path] if unix else [broker.host, str(broker.port)]
    command = [sys.executable, echo.__file__, topic, dialect, str(qos), *address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "subscribed\n", "the echo does not start"
        try:
            yield
        finally:
            process.terminate()
