"""Who is on the station's topics: the daemon itself, nobody, or another station."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from typing import NamedTuple

from evse_daemon.doctor.broker import in_steps, quick
from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.exit_codes import ExitCode
from evse_daemon.mqtt.link import Inbound
from evse_daemon.mqtt.probe import visitor
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.topics import Topics
from evse_daemon.mqtt.unreachable import BrokerUnreachable
from evse_daemon.store.holders import Holder

LISTEN_S = 1.1
"""Modules of a charger that runs say something each second."""

SHOWN = 3


class Running(NamedTuple):
    """Daemons of this machine."""

    with_this_state: Collection[Holder] = ()
    """Those that have the folder of this configuration's state."""
    any: Collection[Holder] = ()
    """All of them."""


class _Heard:
    """What was heard on the station's topics."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.status = ""
        self.retained: list[str] = []
        self.live = ""
        """A topic on which somebody spoke."""
        self.news = asyncio.Event()

    def __call__(self, message: Inbound) -> None:
        if message.topic == self._topics.status:
            self.status = message.payload.decode("utf-8", "replace").strip().strip('"').lower()[:20]
        elif message.retain:
            self.retained.append(message.topic)
        elif not self.live:
            self.live = message.topic[:200]
        if self.status == "online" or self.live:
            self.news.set()


def look_at_prefix(
    settings: BrokerSettings,
    topics: Topics,
    module_ids: Collection[str],
    running: Running,
    subject: str,
) -> Iterator[Finding]:
    """Whether this station has its prefix for itself.

    Args:
        settings: the broker.
        topics: the station's.
        module_ids: of its configuration.
        running: the daemons of this machine.
        subject: what findings name it.
    """
    return in_steps(_prefix(quick(settings), topics, module_ids, running, subject))


async def _prefix(
    settings: BrokerSettings,
    topics: Topics,
    module_ids: Collection[str],
    running: Running,
    subject: str,
) -> AsyncIterator[Finding]:
    heard = _Heard(topics)
    filters = [(topics.status, 1), (f"{topics.prefix}#", 0)]
    try:
        async with visitor(settings, heard, filters) as link:
            # What is retained comes before the answer to the next packet.
            await link.subscribe(filters[:1])
            try:
                async with asyncio.timeout(LISTEN_S):
                    await heard.news.wait()
            except TimeoutError:
                pass
    except BrokerUnreachable:
        return  # the broker's own check says it
    yield _who(heard, topics, running, subject)
    strangers = _strangers(heard.retained, topics, module_ids)
    if strangers:
        shown = ", ".join(strangers[:SHOWN]) + (" …" if len(strangers) > SHOWN else "")
        yield warning(
            subject,
            f"there are retained messages of modules that this configuration does not have: {shown}",
            "of another station, which needs its own prefix; or old ones: mosquitto_pub -r -n -t TOPIC removes one",
        )


def _who(heard: _Heard, topics: Topics, running: Running, subject: str) -> Finding:
    own_prefix = "give this station its own mqtt_everest_prefix, or end the other one"
    if heard.status == "online" and running.with_this_state:
        return ok(subject, f"the daemon is online there ({_pids(running.with_this_state)})")
    if heard.status == "online" and running.any:
        return warning(
            subject,
            f"a station is online there; a daemon runs here ({_pids(running.any)}), with another folder for its state",
            f"if that is not this station: {own_prefix}",
        )
    if heard.status == "online":
        what = "another station is online, and no daemon runs here"
        return problem(subject, what, own_prefix, ExitCode.STATION_ONLINE)
    if running.with_this_state:
        return warning(
            subject,
            f"the daemon runs ({_pids(running.with_this_state)}), and is not online there",
            f"does it run with this configuration? mosquitto_sub -v -t {topics.status}",
        )
    if heard.live:
        what = f"something publishes there, on {heard.live}, and is no daemon of ours"
        return problem(subject, what, own_prefix, ExitCode.STATION_ONLINE)
    return ok(subject, "nobody is online there")


def _pids(holders: Collection[Holder]) -> str:
    return "pid " + ", ".join(str(holder.pid) for holder in holders)


def _strangers(retained: list[str], topics: Topics, module_ids: Collection[str]) -> list[str]:
    places = [topics.parse(topic) for topic in retained]
    return sorted({place.module_id for place in places if place is not None} - set(module_ids))
