"""What a client may publish that is no order: each message with what is to come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import CallIds
from evse_daemon.framework.interface import Command
from evse_daemon.mqtt.topics import Topics, api_command, nodered_command, service_command
from tests.fuzz.values import arguments_of

EVSE = "evse_manager"

Outcome = Literal["nothing", "refused", "nothing or refused"]


@dataclass(frozen=True, slots=True)
class Case:
    """A message, and what the daemon answers to it."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    outcome: Outcome = "nothing or refused"
    response: str = ""
    """The topic of the answer, where it is known."""
    call_id: Any = None


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
WORDS = st.sampled_from(["id", "origin", "data", "type", "name", "args", "retval", "error"])
JSON = st.recursive(
    SCALARS,
    lambda each: st.lists(each, max_size=4) | st.dictionaries(TEXT | WORDS, each, max_size=4),
    max_leaves=12,
)
LARGE: tuple[bytes, ...] = (
    b"",
    b"\0" * 1000,
    bytes(range(256)),
    b"x" * 70_000,
    b"[" * 100_000,
    b'{"a":' * 30_000,
    b'"' + b"\\u0000" * 20_000 + b'"',
    b"9" * 10_000,
    b"-" * 10,
    b"\xef\xbb\xbf{}",
)
NO_JSON_TEXT = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(LARGE),
    st.lists(JSON, max_size=4).map(json.dumps).map(str.encode),
    SCALARS.map(json.dumps).map(str.encode),
)
"""Payloads that name no call: there is no id, or it is no JSON object."""

OBJECTS = st.dictionaries(TEXT | WORDS, JSON, max_size=5).map(json.dumps).map(str.encode)
"""Objects that may look like calls; without a msg_type, or arguments of the right names, they are no orders."""

ORIGINS = st.sampled_from(["api", "node-red", "evse_manager", "yeti_driver", "x" * 128, "ä 😀", "$SYS", " "])
IDS = st.integers() | st.booleans() | TEXT | st.floats(allow_nan=False, allow_infinity=False)
BAD_ORIGINS: st.SearchStrategy[Any] = st.sampled_from(
    ["", "a/b", "+", "#", "a\nb", "x" * 129, "\0", None, 1, [], {}, True]
)
BAD_IDS: st.SearchStrategy[Any] = st.sampled_from([None, [], {}, "x" * 257, int("9" * 300), [1]])
WRONG: tuple[Any, ...] = (None, [], "x" * 11_000, 1e308, [[[[]]]], [None])
"""Values that no argument of a command takes."""

QOS = st.sampled_from([0, 1, 2])


def any_case(
    topics: Topics, commands: Mapping[str, Implementation[Any]], heard: Sequence[str]
) -> st.SearchStrategy[Case]:
    """Whatever is no order.

    Args:
        topics: of the station.
        commands: its commands by topic.
        heard: its topics outside the tree.
    """
    with_arguments = [
        topic
        for topic, found in commands.items()
        if _command(topic, found).arguments or found.interface.hardware
    ]
    # Made once: a strategy is slow to build.
    calls = _one_of([_call(topic, found) for topic, found in commands.items()])
    kinds = [
        st.builds(Case, st.sampled_from([*commands]), NO_JSON_TEXT, QOS, outcome=st.just("nothing")),
        st.builds(Case, st.sampled_from(with_arguments), OBJECTS, QOS, outcome=st.just("nothing or refused")),
        calls,
        calls,
        calls,
        _nowhere(topics),
        _retained(commands),
        _outside(topics, heard),
    ]
    return _one_of(kinds)


def _one_of(kinds: list[st.SearchStrategy[Case]]) -> st.SearchStrategy[Case]:
    """Each kind as often as the others: st.one_of would count each kind within a kind as one of its own."""
    return st.sampled_from(kinds).flatmap(lambda kind: kind)


def _call(topic: str, found: Implementation[Any]) -> st.SearchStrategy[Case]:
    """Calls of a command that is there, with one thing wrong."""
    command = _command(topic, found)
    good = st.fixed_dictionaries({"id": IDS, "origin": ORIGINS, "args": arguments_of(command)})
    changes = [
        st.builds(_unanswerable, st.just(topic), good, st.just("id"), BAD_IDS),
        st.builds(_unanswerable, st.just(topic), good, st.just("origin"), BAD_ORIGINS),
        st.builds(_cut, st.just(topic), good, st.floats(0, 1, exclude_max=True)),
        st.builds(_own, st.just(topic), good),
        st.builds(_refused, st.just(topic), good.map(_with_nan), st.booleans(), QOS),
        st.builds(
            _refused,
            st.just(topic),
            st.builds(_with, good, st.just("args"), st.lists(JSON, max_size=3) | TEXT | st.integers()),
            st.booleans(),
            QOS,
        ),
        st.builds(
            _refused,
            st.just(topic),
            good,
            st.sampled_from(["Var", "cmd", "CmdResult", "GlobalReady", None, 1, {}]),
            QOS,
        ),
    ]
    if command.arguments:
        changes.append(
            st.builds(
                _refused,
                st.just(topic),
                st.builds(_spoilt, good, _names(command), _WRONG),
                st.booleans(),
                QOS,
            )
        )
    if found.interface.hardware:
        changes.append(st.builds(_refused, st.just(topic), good, st.booleans(), QOS))
    return _one_of(changes)


def _command(topic: str, found: Implementation[Any]) -> Command[..., Any]:
    commands: Mapping[str, Command[..., Any]] = found.interface.commands
    return commands[topic.rsplit("/", 1)[1]]


_ABSENT = object()
_WRONG = st.sampled_from([*WRONG, _ABSENT])


def _names(command: Command[..., Any]) -> st.SearchStrategy[str]:
    return st.sampled_from([*command.arguments])


def _spoilt(call: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    arguments = {**call["args"], name: value}
    if value is _ABSENT:
        del arguments[name]
    return {**call, "args": arguments}


def _with(call: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**call, name: value}


def _with_nan(call: dict[str, Any]) -> dict[str, Any]:
    return {**call, "args": {**call["args"], "more": float("nan")}}


def _encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


def _refused(
    topic: str, call: dict[str, Any], envelope: bool | str | int | dict[str, Any] | None, qos: int
) -> Case:
    """True, False: in an envelope, without one; else the msg_type of an envelope."""
    message: Any = call
    if envelope is True:
        message = {"data": call, "msg_type": "Cmd"}
    elif envelope is not False:
        message = {"data": call, "msg_type": envelope}
    response = f"{topic}/response/{call['origin']}"
    return Case(topic, _encoded(message), qos, outcome="refused", response=response, call_id=call["id"])


def _unanswerable(topic: str, call: dict[str, Any], name: str, value: Any) -> Case:
    return Case(topic, _encoded({**call, name: value}), 0, outcome="nothing")


def _cut(topic: str, call: dict[str, Any], part: float) -> Case:
    whole = _encoded(call)
    return Case(topic, whole[: int(part * len(whole))], 1, outcome="nothing")


def _own(topic: str, call: dict[str, Any]) -> Case:
    """With an id as the daemon makes them: the echo of a mirrored call, it may think."""
    return Case(topic, _encoded({**call, "id": CallIds("everest").new()}), 1, outcome="nothing")


def _nowhere(topics: Topics) -> st.SearchStrategy[Case]:
    """Topics of the tree behind which there is nothing."""
    segment = st.one_of(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/+#\0"), max_size=30),
        st.sampled_from(["evse_manager", "evse", "yeti_driver", "board_support", "get_evse", "x" * 5000]),
    )
    topic = st.builds(topics.command, segment, segment, segment).filter(
        lambda topic: "/evse_manager/impl/evse/cmd/get_evse" not in topic
    )
    call = st.fixed_dictionaries({"id": IDS, "origin": ORIGINS}, optional={"args": JSON})
    return st.one_of(
        st.builds(_refused, topic, call, st.booleans(), QOS),
        st.builds(Case, topic, NO_JSON_TEXT, QOS, outcome=st.just("nothing")),
    )


def _retained(commands: Mapping[str, Implementation[Any]]) -> st.SearchStrategy[Case]:
    def order(topic: str) -> st.SearchStrategy[Case]:
        command = _command(topic, commands[topic])
        call = st.fixed_dictionaries({"id": IDS, "origin": ORIGINS, "args": arguments_of(command)})
        payload = call.map(_encoded)
        return st.builds(Case, st.just(topic), payload, QOS, st.just(True), outcome=st.just("nothing"))

    return _one_of([order(topic) for topic in commands])


def _outside(topics: Topics, heard: Sequence[str]) -> st.SearchStrategy[Case]:
    """Orders outside the tree, refused for what they hold; some there carry nothing but their topic."""
    bare = [
        api_command(EVSE, name)
        for name in ("pause_charging", "resume_charging", "stop_charging", "force_unlock")
    ] + [nodered_command(1, name) for name in ("enable", "disable", "pause_charging", "resume_charging")]
    service = service_command(topics.name, EVSE, "clear_latched_error")
    told = sorted({*heard} - {*bare, service})
    no_text = st.binary(max_size=40).map(b"\xff".__add__) | st.just(b"x" * 70_000)
    wrong = st.one_of(
        no_text,
        st.lists(JSON, max_size=4).map(_encoded),
        st.dictionaries(TEXT, JSON, max_size=3).map(lambda found: _encoded({**found, "boom!": 1})),
        st.builds(lambda head, tail: f"explode {head};{tail}".encode(), TEXT, TEXT),
        st.sampled_from(
            [b"null", b"1,5", b"1e400", b"NaN", b"-inf", b"{", b'{"connector_id":NaN}', b"sleep nan"]
        ),
    )
    return st.one_of(
        st.builds(Case, st.sampled_from(told), wrong, QOS, outcome=st.just("nothing")),
        st.builds(Case, st.just(service), wrong, QOS, outcome=st.just("nothing or refused")),
        st.builds(Case, st.sampled_from(bare), no_text, QOS, outcome=st.just("nothing")),
        st.builds(Case, st.sampled_from(heard), NO_JSON_TEXT, QOS, st.just(True), outcome=st.just("nothing")),
    )
