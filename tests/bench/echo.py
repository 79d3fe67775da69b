"""The least that a Python process can do with a call: gmqtt, JSON in, JSON out. `python echo.py TOPIC QOS HOST PORT|PATH`

It is what the daemon's round trip is compared with, so it imports nothing of the daemon.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from typing import Any

import gmqtt
from gmqtt.mqtt.constants import MQTTv311

RESULT = {"connectors": [{"id": 1, "type": "cType2"}], "id": 1}


def answer(
    envelope: str, qos: int, client: gmqtt.Client, topic: str, payload: bytes, *_: Any
) -> int:  # pragma: no cover - in a process of its own
    call = json.loads(payload)["data"]
    data: Any = {"id": call["id"], "origin": "echo", "retval": RESULT}
    if envelope == "everest":
        data = {"data": data, "type": "result"}
    message = json.dumps({"data": data, "msg_type": "CmdResult"}, separators=(",", ":"))
    client.publish(f"{topic}/response/{call['origin']}", message, qos=qos)
    return 0


async def main(topic: str, envelope: str, qos: int, address: list[str]) -> None:
    if len(address) == 1:
        loop = asyncio.get_running_loop()
        path = address[0]

        def through_the_socket(factory: Any, *_: Any, **__: Any) -> Any:
            return loop.create_unix_connection(factory, path)

        loop.create_connection = through_the_socket  # type: ignore[method-assign, assignment]
        address = ["localhost", "1883"]
    client = gmqtt.Client("echo", clean_session=True)
    client.on_message = partial(answer, envelope, qos)
    subscribed = asyncio.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    await client.connect(address[0], int(address[1]), version=MQTTv311)
    client.subscribe(topic, qos=qos)
    await subscribed.wait()
    print("subscribed", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
