"""The configuration messages byte for byte, as the real manager and modules were captured (reference §5.2, §10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from evse_daemon.config import load_text
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.mqtt.dialects import to_json
from evse_daemon.standalone import config_messages as messages
from evse_daemon.standalone.config_messages import (
    GENERATIONS,
    Asked,
    GenerationName,
    Identifier,
    MessageError,
)
from evse_daemon.standalone.configuration import Change, Configuration, Reply
from evse_daemon.standalone.definitions import Described, Parameter, described, interface_definition
from tests.standalone.world import config_text

D1, D2 = GENERATIONS["GetConfig"], GENERATIONS["ConfigurationRequest"]

I_RW = Parameter("i_rw", "integer", "ReadWrite", 5)
IMPL_I = Parameter("impl_i", "integer", "ReadOnly", 3)
FLAG = Parameter("flag", "bool", "ReadOnly", False)
NUMBER = Parameter("n_ro", "number", "ReadOnly", 2.0)


def configuration(access: dict[str, Any] | None = None) -> Configuration:
    """``prov`` asks; ``other`` is another standalone module; ``auth`` runs inside."""
    entries = described(load_text(config_text("yeti_driver", "token_validator"))).values()
    by_name = {each.config.module_id: each.config for each in entries}
    prov = replace(by_name["yeti_driver"], access={} if access is None else {"config": access})
    parameters = {"!module": {"i_rw": I_RW, "flag": FLAG, "n_ro": NUMBER}, "pm": {"impl_i": IMPL_I}}
    modules = {
        "prov": Described(prov, parameters),
        "other": Described(by_name["token_validator"], {"!module": {"i_rw": I_RW}}),
        "auth": Described(by_name["auth"], {"!module": {"i_rw": I_RW}}),
    }
    return Configuration(D2, modules)


def answer(request: messages.Request, origin: str = "prov", access: dict[str, Any] | None = None) -> str:
    reply = configuration(access).answer(Asked(origin, request))
    assert isinstance(reply, Reply)
    return reply.payload.decode()


def wrapped(data: str) -> str:
    return '{"data":' + data + ',"msg_type":"ConfigurationResponse"}'


def test_a_module_asks_for_its_configuration() -> None:
    captured = b'{"data":{"origin":"prov","request":{"type":"Module"},"type":"Get"},"msg_type":"ConfigurationRequest"}'
    assert messages.get_module(D2, "prov") == captured
    assert messages.read_request(D2, captured) == Asked("prov", messages.GetModule())
    older = captured.replace(b"ConfigurationRequest", b"GetConfig")
    assert messages.get_module(D1, "prov") == older
    assert messages.read_request(D1, older) == Asked("prov", messages.GetModule())


@pytest.mark.parametrize(
    ("request_", "origin", "expected"),
    [
        (
            messages.GetValue(Identifier("prov", "impl_i", "pm")),
            "prov",
            (
                '{"response":{"data":{"characteristics":{"datatype":"integer","mutability":"ReadOnly"},"name":"impl_i",'
                '"value":3},"type":"Value"},"status":"Ok","status_info":"","type":"Get"}'
            ),
        ),
        (
            messages.GetValue(Identifier("prov", "nothing")),
            "prov",
            '{"response":{"data":null,"type":"Value"},"status":"Error","status_info":"","type":"Get"}',
        ),
        (
            messages.GetValue(None),
            "prov",
            (
                '{"response":{"data":null,"type":"Value"},"status":"Error","status_info":"No identifier provided",'
                '"type":"Get"}'
            ),
        ),
        (
            messages.GetValue(Identifier("other", "i_rw")),
            "prov",
            (
                '{"response":{"data":null,"type":"Value"},"status":"AccessDenied",'
                '"status_info":"Access to config item denied: prov cannot access other","type":"Get"}'
            ),
        ),
        (
            messages.GetModule(),
            "nobody",
            '{"response":null,"status":"Error","status_info":"Unknown origin module: nobody"}',
        ),
        (
            messages.SetValue(Identifier("prov", "i_rw"), "xx"),
            "prov",
            (
                '{"response":{"status":"Rejected","status_info":"Failed to parse config value \'xx\' as type integer"},'
                '"status":"Ok","status_info":"Failed to parse config value \'xx\' as type integer","type":"Set"}'
            ),
        ),
        (
            messages.SetValue(Identifier("prov", "zz"), "1"),
            "prov",
            (
                '{"response":{"status":"Rejected","status_info":"Unknown parameter: zz in module: prov"},"status":"Error",'
                '"status_info":"Config parameter zz not found in module prov","type":"Set"}'
            ),
        ),
        (
            messages.SetValue(Identifier("other", "i_rw"), "1"),
            "prov",
            (
                '{"response":{"status":"Rejected","status_info":""},"status":"AccessDenied",'
                '"status_info":"Access to config item denied: prov cannot access other","type":"Set"}'
            ),
        ),
        (
            messages.GetAllMappings(),
            "prov",
            (
                '{"response":{"data":{"auth":null,"other":null,"prov":{"module":{"evse":1}}},"type":"AllMappings"},'
                '"status":"Ok","status_info":"","type":"Get"}'
            ),
        ),
    ],
)
def test_answers_are_those_of_the_real_manager(
    request_: messages.Request, origin: str, expected: str
) -> None:
    assert answer(request_, origin) == wrapped(expected)


def test_a_set_is_answered_as_the_real_manager_does() -> None:
    assert messages.was_set(D2, "Accepted").decode() == wrapped(
        '{"response":{"status":"Accepted","status_info":""},"status":"Ok","status_info":"","type":"Set"}'
    )
    reason = "Runtime change rejected by module"
    assert messages.was_set(D2, "RebootRequired", reason, "Ok", reason).decode() == wrapped(
        '{"response":{"status":"RebootRequired","status_info":"Runtime change rejected by module"},"status":"Ok",'
        '"status_info":"Runtime change rejected by module","type":"Set"}'
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("i_rw", "6", 6),
        ("flag", "true", True),
        ("flag", "1", True),
        ("flag", "yes", False),
        ("n_ro", "3", 3.0),
    ],
)
def test_a_value_comes_as_text(name: str, text: str, value: object) -> None:
    reply = configuration().answer(Asked("prov", messages.SetValue(Identifier("prov", name), text)))
    assert isinstance(reply, Change)
    assert reply.parameter.value == value
    assert type(reply.parameter.value) is type(value)
    assert reply.at_run_time == (name == "i_rw")


@pytest.mark.parametrize(
    ("name", "text"), [("i_rw", str(2**63)), ("n_ro", "nan"), ("n_ro", "1e999"), ("i_rw", "")]
)
def test_a_value_that_is_none_is_rejected(name: str, text: str) -> None:
    assert '"Rejected"' in answer(messages.SetValue(Identifier("prov", name), text))


@pytest.mark.parametrize(
    ("access", "read", "write"),
    [
        (None, False, False),
        ({"allow_global_read": True}, True, False),
        ({"allow_global_write": True}, False, True),
        ({"modules": {"other": {"allow_read": True}}}, True, False),
        ({"modules": {"other": {"allow_write": True}}}, False, True),
        ({"modules": {"third": {"allow_read": True, "allow_write": True}}}, False, False),
        ({"allow_global_read": "yes"}, False, False),
    ],
)
def test_other_modules_parameters_need_access(access: dict[str, Any] | None, read: bool, write: bool) -> None:
    there = Identifier("other", "i_rw")
    assert ("AccessDenied" not in answer(messages.GetValue(there), access=access)) == read
    assert ('"other":{' in answer(messages.GetAll(), access=access)) == read
    reply = configuration(access).answer(Asked("prov", messages.SetValue(there, "1")))
    assert isinstance(reply, Change) == write


def test_set_read_only_changes_what_is_shown() -> None:
    shown = answer(messages.GetAll(), access={"allow_set_read_only": True})
    assert '"mutability":"ReadOnly"' not in shown
    assert '"mutability":"ReadOnly"' in answer(messages.GetAll())


def test_a_module_inside_of_the_daemon_is_changed_in_its_file() -> None:
    request = messages.SetValue(Identifier("auth", "i_rw"), "1")
    assert "in its configuration file" in answer(request, access={"allow_global_write": True})


@pytest.mark.parametrize("generation", ["GetConfig", "ConfigurationRequest"])
@pytest.mark.parametrize(
    "payload",
    [
        b"", b"x", b"\xff", b"[]", b"5", b"{}", b"[" * 100_000, b'{"data":NaN,"msg_type":"X"}',
        b'{"data":{},"msg_type":"X"}', b'{"data":{"origin":5,"request":{},"type":"Get"},"msg_type":"X"}',
        b'{"data":{"origin":"a","request":{"type":"Nothing"},"type":"Get"},"msg_type":"X"}',
        b'{"data":{"origin":"a","request":5,"type":"Get"},"msg_type":"X"}',
        b'{"data":{"origin":"a","request":{"value":5},"type":"Set"},"msg_type":"X"}',
        b'{"data":{"origin":"a","request":{"identifier":{"module_id":"m"},"value":"5"},"type":"Set"},"msg_type":"X"}',
    ],
)  # fmt: skip
def test_what_is_no_request_is_none(generation: GenerationName, payload: bytes) -> None:
    for read in (messages.read_request, messages.read_set_request, messages.read_module_response):
        for msg_type in (generation, GENERATIONS[generation].response):
            with pytest.raises(MessageError):
                read(GENERATIONS[generation], payload.replace(b'"X"', f'"{msg_type}"'.encode()))


def test_the_definition_of_an_interface() -> None:
    found = interface_definition(Powermeter)
    for error in found["errors"]["powermeter"].values():
        assert error.pop("description")
    assert to_json(found).decode() == (
        '{"cmds":{"start_transaction":{"arguments":{"value":{"$ref":"/powermeter#/TransactionReq","type":"object"}},'
        '"result":{"$ref":"/powermeter#/TransactionStartResponse","type":"object"}},"stop_transaction":{"arguments":'
        '{"transaction_id":{"type":"string"}},"result":{"$ref":"/powermeter#/TransactionStopResponse","type":'
        '"object"}}},"errors":{"powermeter":{"CommunicationFault":{"name":"CommunicationFault","namespace":'
        '"powermeter"},"VendorError":{"name":"VendorError","namespace":"powermeter"},"VendorWarning":{"name":'
        '"VendorWarning","namespace":"powermeter"}}},"vars":{"powermeter":{"$ref":"/powermeter#/Powermeter","qos":2,'
        '"type":"object"},"public_key_ocmf":{"qos":2,"type":"string"}}}'
    )
