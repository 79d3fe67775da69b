"""The topics of EVerest's API for other programs, from the channels of its module classes."""

from __future__ import annotations

import functools
import json
from typing import Any

from pydantic import TypeAdapter

from evse_daemon.everest_api.channels import Channel
from evse_daemon.everest_api.envelope import write_request
from evse_daemon.everest_api.module import QOS, EverestApiModule
from evse_daemon.framework.interface import Kind
from evse_daemon.mqtt.external import SUBSCRIPTION_QOS
from evse_daemon.mqtt.topics import (
    EVEREST_API_DISCOVER,
    EVEREST_API_READY_BEACON,
    everest_api_get,
    everest_api_heard,
    everest_api_query,
    everest_api_reply,
    everest_api_said,
)
from evse_daemon.reference.declared import classes
from evse_daemon.reference.examples import UUID, Examples
from evse_daemon.reference.external_topics import MODULE, ExternalTopic
from evse_daemon.reference.schemas import Schemas

SHARED = "EverestAPI"
"""Stands for every module class of the API."""

KIND, NAME, ID = "{kind}", "{name}", "{id}"
REPLY_TO = "my_program/replies/1"


@functools.cache
def everest_api() -> tuple[ExternalTopic, ...]:
    """All of them."""
    found = [*_shared()]
    for name, cls in classes().items():
        if issubclass(cls, EverestApiModule):
            found += [_topic(name, cls.api_type, channel) for channel in cls.channels]
    return tuple(found)


def _shared() -> list[ExternalTopic]:
    request = _compact(write_request(REPLY_TO, None))

    def heard(topic: str, payload: str, example: str) -> ExternalTopic:
        return ExternalTopic(SHARED, topic, "client", SUBSCRIPTION_QOS, payload, example)

    return [
        ExternalTopic(
            SHARED, EVEREST_API_READY_BEACON, "station", QOS, "once, when the station is ready", "{}"
        ),
        ExternalTopic(SHARED, everest_api_said(KIND, MODULE, "heartbeat"), "station", 0, "a counter", "42"),
        heard(
            EVEREST_API_DISCOVER, "who is there? Each module replies with its type, id and time-outs", request
        ),
        heard(everest_api_query(KIND), "the same for one type", request),
        heard(everest_api_heard(KIND, MODULE, "communication_check"), "that the program is there", "true"),
        heard(
            everest_api_get(KIND, MODULE, NAME),
            "the latest value of a variable; null before the first",
            request,
        ),
        heard(
            everest_api_reply(KIND, MODULE, ID),
            "replies to a request of the station: the bare result",
            "true",
        ),
    ]


def _topic(module_class: str, kind: str, channel: Channel) -> ExternalTopic:
    text = channel.text
    if channel.way in ("serves", "asks"):
        text += "; replied to" + (
            f" with {_example_text(channel.result, channel.name)}" if channel.result else ""
        )
    payload = "" if channel.payload is None else _example_text(channel.payload, channel.name)
    if channel.way == "serves":
        payload = _compact(write_request(REPLY_TO, json.loads(payload) if payload else None))
    if channel.way == "asks":
        reply = everest_api_reply(kind, MODULE, UUID)
        payload = _compact(write_request(reply, json.loads(payload) if payload else None))
    if channel.way in ("hears", "serves"):
        topic = everest_api_heard(kind, MODULE, channel.name)
        return ExternalTopic(module_class, topic, "client", SUBSCRIPTION_QOS, text, payload)
    topic = everest_api_said(kind, MODULE, channel.name)
    return ExternalTopic(
        module_class, topic, "station", 0 if channel.kind is Kind.TELEMETRY else QOS, text, payload
    )


def _example_text(type_: Any, name: str) -> str:
    adapter = TypeAdapter(type_)
    schemas = Schemas([(name, adapter)], "{name}")
    return json.dumps(Examples(schemas).of(schemas.of(name), name), separators=(",", ":"))


def _compact(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"))
