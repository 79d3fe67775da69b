"""What leaves the charger: harmless settings, logs that can be read, and no secret."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from evse_daemon.config.model import BrokerLogin, DaemonSettings, HomeAssistantSettings, Settings, TlsFiles
from evse_daemon.framework.registry import find_module_class, module_classes
from evse_daemon.support_bundle.redaction import GONE, SHOWN, Redactor

HIDDEN = {
    "user",  # of the broker
    "master_pass_group_id",
    "token",
    "validation_reason",  # any text
    "dummy_meter_value_blob_start",
    "dummy_meter_value_blob_stop",
}
"""Options of module classes and settings that are texts and in no bundle."""


def redactor() -> Redactor:
    return Redactor(b"k" * 16)


def _is_text(annotation: Any) -> bool:
    if annotation is str or annotation is Path:
        return True
    return any(_is_text(part) for part in typing.get_args(annotation))


def _blocks(annotation: Any) -> list[Any]:
    """The model that is meant, and those inside it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        parts = [field.annotation for field in annotation.model_fields.values()]
        return [annotation, *(found for part in parts for found in _blocks(part))]
    return [found for part in typing.get_args(annotation) for found in _blocks(part)]


def test_every_option_that_is_a_text_is_known_to_be_harmless_or_left_out() -> None:
    models: list[Any] = [*_blocks(Settings), *_blocks(DaemonSettings)]
    assert {BrokerLogin, TlsFiles, HomeAssistantSettings} <= {*models}
    for name in module_classes():
        cls = find_module_class(name)
        assert cls is not None
        models += [cls.Options, *(provided.options for provided in cls.provides.values())]
    texts = {
        name
        for model in models
        for name, field in model.model_fields.items()
        if _is_text(field.annotation) and name != "external_limits"
    }
    assert texts - SHOWN - HIDDEN == set(), "is it harmless in a support bundle (SHOWN), or not (HIDDEN)?"
    assert set() == HIDDEN & SHOWN


def test_what_is_known_is_shown_and_everything_else_is_not() -> None:
    shown = redactor().configuration(
        {
            "active_modules": {
                "evse": {
                    "module": "EvseManager",
                    "config_module": {"connector_id": 1, "model": "X", "new_option": "hunter22", "ok": True},
                },
            },
            "daemon": {"broker": {"user": "alice", "password": "s3cret-pw", "password_file": "/etc/pw"}},
        }
    )
    assert shown == {
        "active_modules": {
            "evse": {
                "module": "EvseManager",
                "config_module": {
                    "connector_id": 1,
                    "model": "X",
                    "new_option": "[left out: 8 characters]",
                    "ok": True,
                },
            },
        },
        "daemon": {
            "broker": {
                "user": "[left out: 5 characters]",
                "password": "[left out: 9 characters]",
                "password_file": "/etc/pw",
            }
        },
    }


@pytest.mark.parametrize(
    "value",
    [
        {"password": 48213},
        {"pin": 48213},
        {"x": {"api_key": [48213]}},
        {"x": "48213"},
        {"48213 ": 1},
        {"mqtt_broker_host": "48213@broker"},
        {"mqtt_broker_host": "mqtt://me:48213@broker:1883"},
        ["48213"],
        "48213",
    ],
)
def test_a_secret_of_the_configuration_is_in_no_other_text_either(value: Any) -> None:
    know = redactor()
    assert "48213" not in repr(know.configuration(value))
    assert "48213" not in know.text("login with '48213' refused")


def test_equal_cards_are_seen_to_be_equal_and_only_within_a_bundle() -> None:
    one, other = Redactor(b"1" * 16), Redactor(b"2" * 16)
    assert one.card("04A1B2C3D4E5F6") == one.card("04a1b2c3d4e5f6")
    assert one.card("04A1B2C3D4E5F6") != one.card("14A1B2C3D4E5F6")
    assert one.card("04A1B2C3D4E5F6") != other.card("04A1B2C3D4E5F6")
    assert one.card("04A1B2C3D4E5F6").startswith("…E5F6#")


def test_a_card_that_is_known_is_named_the_same_in_every_text() -> None:
    know = redactor()
    know.learn_cards(["Alice1", "VIN:WP0ZZZ-1"])
    name = know.card("alice1")
    assert know.text("card ALICE1 and alice1, alice12 at WP0") == f"card {name} and {name}, alice12 at WP0"
    assert "WP0ZZZ" not in know.text("autocharge vin:wp0zzz-1!")


SECRET = "hunter22-x"

TEXTS = [
    f"mqtt://me:{SECRET}@broker:1883 refused",
    f"password={SECRET}",
    f"password: '{SECRET}'",
    f'{{"mqtt_password": "{SECRET}"}}',
    f"PASSWORD = {SECRET}",
    f"api_key={SECRET};",
    f"Authorization: Basic {SECRET}",
    f"authorization: Bearer {SECRET}",
    f"bearer {SECRET}",
    f'"id_token": {{"value": "{SECRET}", "type": "ISO14443"}}',
    f"id_tag={SECRET}",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_what_looks_like_a_secret_is_left_out(text: str) -> None:
    assert SECRET not in redactor().text(f"before {text} after")


@pytest.mark.parametrize(
    "number",
    ["04A1B2C3", "04a1b2c3d4e5f6", "04A1B2C3D4E5F6A7B8C9", "04:A1:B2:C3", "04:a1:b2:c3:d4:e5:f6"],
)
def test_the_number_of_a_card_is_known_by_its_form(number: str) -> None:
    assert number not in redactor().text(f"reader says {number}.")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T20:04:18.123456Z evse-daemon[417]: SessionStarted session=9f1c2d3e-aaaa-4bbb-8ccc-0123456789ab",
        "link/ether 02:42:ac:11:00:02 brd ff:ff:ff:ff:ff:ff",
        "token status=Accepted token=…BEEF evses=[1]",
        "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A10K5XYZ-if00-port0",
        "basic information: the password file cannot be read (Permission denied)",
        "energy 1234567 Wh, 230.1 V, error 0x1F",
    ],
)
def test_a_log_can_still_be_read(text: str) -> None:
    assert redactor().text(text) == text


def test_a_problem_of_a_configuration_is_told_without_the_value() -> None:
    tell = redactor().problem
    assert (
        tell(
            "option 'ready_within_s' of daemon must be a number (given: the text 'hunter22')",
            frozenset({"ready_within_s"}),
        )
        == "option 'ready_within_s' of daemon must be a number (given: …)"
    )
    assert "hunter22" not in tell("unknown module class 'hunter22'", frozenset())


@given(st.text(), st.text(min_size=4).filter(lambda text: len(text.strip()) >= 4))
def test_whatever_the_secret_and_the_text(text: str, secret: str) -> None:
    know = redactor()
    know.learn([secret])
    assert secret.strip().casefold() not in know.text(f"{text}{secret}{text}").casefold() or (
        secret.strip().casefold() in (GONE + text + text).casefold()
    )


def test_a_hostile_text_takes_no_time() -> None:
    know = redactor()
    for piece in ("a-", 'password="', "token: {value ", "://", "-----BEGIN ", "04:", "id_tag='\\"):
        assert know.text(piece * 20_000)
