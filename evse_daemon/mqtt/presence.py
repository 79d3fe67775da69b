"""Is another station on this prefix already? Two of them would drive and confuse the same clients."""

import asyncio

from evse_daemon.mqtt.link import Inbound
from evse_daemon.mqtt.probe import visitor
from evse_daemon.mqtt.settings import BrokerSettings

LISTEN_S = 1.2
_ONLINE = {b"online", b'"online"'}


async def live_station(
    settings: BrokerSettings, everest_prefix: str, status_topic: str, listen_s: float = LISTEN_S
) -> str | None:
    """A sentence on what was seen of another station, or None if it is quiet. Raises BrokerUnreachable.

    Its retained status tells at once. A station that has none (EVerest's own) is known by its traffic: charging
    modules publish at least once a second.
    """
    prefix = everest_prefix.strip("/")
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(message: Inbound) -> None:
        if seen.done():
            return
        if message.topic == status_topic:
            if message.payload.strip().lower() in _ONLINE:
                seen.set_result(f"a station is online there: {status_topic} says so")
        elif not message.retain:
            seen.set_result(
                f"something is publishing below {prefix}/ there; within {listen_s:g} s a message came on "
                f"{message.topic[:200]}"
            )

    async with visitor(settings, hear, [(status_topic, 1), (f"{prefix}/#", 0)]):
        try:
            async with asyncio.timeout(listen_s):
                return await seen
        except TimeoutError:
            return None
