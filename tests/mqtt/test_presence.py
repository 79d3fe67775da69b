"""Another station on the prefix is seen by its status or by its traffic."""

import asyncio
import time

import pytest

from evse_daemon.mqtt.client import BrokerUnreachable
from evse_daemon.mqtt.presence import live_station
from evse_daemon.mqtt.settings import BrokerSettings
from tests.mqtt.helpers import publisher
from tests.support.brokers import Mosquitto, free_port
from tests.support.waiting import run

STATUS = "evse_daemon/everest/status"


def test_presence(mosquitto: Mosquitto) -> None:
    settings = mosquitto.settings

    async def scenario() -> None:
        connection = publisher(settings)
        await connection.start()
        assert await live_station(settings, "everest/", STATUS, 0.1) is None

        await connection.publish("everest/m/main/var", "1", 1, retain=True)  # a leftover is no station
        await connection.publish(STATUS, "offline", 1, retain=True)
        assert await live_station(settings, "everest", STATUS, 0.1) is None

        await connection.publish(STATUS, "online", 1, retain=True)
        started = time.monotonic()
        seen = await live_station(settings, "everest", STATUS)
        assert seen is not None
        assert STATUS in seen
        assert time.monotonic() - started < 0.5
        await connection.publish(STATUS, "", 1, retain=True)

        looking = asyncio.create_task(live_station(settings, "everest", STATUS, 5))
        while not looking.done():
            await connection.publish("everestish/x", "1", 0)
            await connection.publish("everest/evse/main/var/limits", "1", 0)
            await asyncio.sleep(0.01)
        seen = await looking
        assert seen is not None
        assert "everest/evse/main/var/limits" in seen
        await connection.stop()

    run(scenario())


def test_presence_without_a_broker() -> None:
    with pytest.raises(BrokerUnreachable, match="refused"):
        run(live_station(BrokerSettings(host="127.0.0.1", port=free_port()), "everest", STATUS))
