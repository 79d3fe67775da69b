"""A command's round trip and calls per second, beside those of a bare gmqtt echo over the same broker, in turns.

The machine has other work, too: of each figure the best of several runs is taken, for the daemon and for the echo.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import echo
from tests.bench.daemon import Daemon
from tests.bench.report import Row, quantile
from tests.bench.wire import Client
from tests.support.brokers import Mosquitto

WARM_UP = 200
RUNS = 6
CALLS = 200
"""Of a run with one call at a time."""

PIPELINED_CALLS = 800
OUTSTANDING = (1, 4, 16)
DELAYED_RUNS, DELAYED_CALLS, DELAYED_PIPELINED = 2, 20, 64
"""Where the broker delays each answer by 40 ms."""

DIALECT_BY_QOS = {1: "documented", 2: "everest"}
"""The documented dialect answers at QoS 1, EVerest's at QoS 2: so both ways have the same QoS."""

RATIO_AIM = 1.6
P50_AIM_MS = {1: 0.4, 2: 0.7}
CALLS_AIM = 4000.0
"""Aims on a unix socket; the calls with 16 outstanding."""


@dataclass
class _Found:
    """Of one answerer: the median and 99 % quantile of each run, and the calls per second."""

    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    per_s: dict[int, list[float]] = field(default_factory=dict)

    def times(self) -> str:
        return f"{min(self.p50_ms):.3f}/{min(self.p99_ms):.3f}"

    def rates(self) -> str:
        return "/".join(f"{max(self.per_s[count]):,.0f}" for count in OUTSTANDING)


def rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    for unix in (True, False):
        for qos in (1, 2):
            ours, bare = _compare(broker, folder, qos, unix=unix)
            yield from _rows(ours, bare, qos, unix=unix)


def delayed_rows(broker: Mosquitto, folder: Path) -> Iterator[Row]:
    """On a broker without set_tcp_nodelay, as a stock one is: what everybody pays there, for information."""
    for qos in (1, 2):
        ours, bare = _compare(broker, folder, qos, unix=False, delayed=True)
        where = f"QoS {qos}, TCP, set_tcp_nodelay false"
        yield Row(
            f"round trip, {where}",
            min(ours.p50_ms),
            "ms",
            note=f"p50/p99 ms: daemon {ours.times()}, echo {bare.times()}",
        )
        yield _rates(ours, bare, where)


def _rows(ours: _Found, bare: _Found, qos: int, *, unix: bool) -> Iterator[Row]:
    where = f"QoS {qos}, {'unix socket' if unix else 'TCP'}"
    yield Row(
        f"round trip, {where}",
        min(ours.p50_ms),
        "ms",
        P50_AIM_MS[qos] if unix else None,
        note=f"p50/p99 ms: daemon {ours.times()}, echo {bare.times()}",
    )
    yield Row(
        f"round trip, {where}: of the echo",
        min(ours.p50_ms) / min(bare.p50_ms),
        "",
        RATIO_AIM,
        note=f"medians, best of {RUNS} runs of {CALLS} calls each, in turns",
    )
    yield _rates(ours, bare, where, CALLS_AIM if unix else None)


def _rates(ours: _Found, bare: _Found, where: str, aim: float | None = None) -> Row:
    count = OUTSTANDING[-1]
    return Row(
        f"calls, {where}, {count} outstanding",
        max(ours.per_s[count]),
        "/s",
        aim,
        at_least=True,
        note=f"with {'/'.join(map(str, OUTSTANDING))} outstanding: daemon {ours.rates()}, echo {bare.rates()}",
    )


def _compare(
    broker: Mosquitto, folder: Path, qos: int, *, unix: bool, delayed: bool = False
) -> tuple[_Found, _Found]:
    dialect = DIALECT_BY_QOS[qos]
    with Daemon(broker, folder, dialect=dialect, unix=unix) as daemon:
        ours = f"{daemon.prefix}/modules/evse_manager/impl/evse/cmd/get_evse"
        bare = f"echo/{daemon.prefix}/cmd"
        with _echo(broker, bare, dialect, qos, unix=unix):
            client = Client(broker, f"requester-{daemon.prefix}", unix=unix)
            found = {topic: _Found() for topic in (ours, bare)}
            for topic in found:
                client.subscribe(f"{topic}/response/bench", qos)
                _calls(client, topic, qos, DELAYED_CALLS if delayed else WARM_UP)
            for measure in (_measure_times, _measure_rates):
                _in_turns(measure, client, found, qos, delayed=delayed)
            client.close()
    return found[ours], found[bare]


def _in_turns(
    measure: Callable[..., None], client: Client, found: dict[str, _Found], qos: int, *, delayed: bool
) -> None:
    for turn in range(DELAYED_RUNS if delayed else RUNS):
        for topic in found if turn % 2 else reversed(found):
            measure(client, topic, found[topic], qos, delayed=delayed)


def _measure_times(client: Client, topic: str, found: _Found, qos: int, *, delayed: bool) -> None:
    took_s = _calls(client, topic, qos, DELAYED_CALLS if delayed else CALLS)
    found.p50_ms.append(1000 * quantile(took_s, 0.5))
    found.p99_ms.append(1000 * quantile(took_s, 0.99))


def _measure_rates(client: Client, topic: str, found: _Found, qos: int, *, delayed: bool) -> None:
    for outstanding in OUTSTANDING:
        calls = DELAYED_PIPELINED if delayed else PIPELINED_CALLS
        payloads = [_call()[1] for _ in range(calls)]
        took_s = client.pipelined_s(topic, payloads, qos, outstanding)
        found.per_s.setdefault(outstanding, []).append(calls / took_s)


_serial = iter(range(10**8))


def _call() -> tuple[bytes, bytes]:
    """The id of a new call, and its payload."""
    call_id = f"bench-{next(_serial):08d}"
    call = {"data": {"args": {}, "id": call_id, "origin": "bench"}, "msg_type": "Cmd"}
    return call_id.encode(), json.dumps(call).encode()


def _calls(client: Client, topic: str, qos: int, count: int) -> list[float]:
    found = []
    for _ in range(count):
        call_id, payload = _call()
        found.append(client.round_trip_s(topic, payload, qos, call_id))
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
