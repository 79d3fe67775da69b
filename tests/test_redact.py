"""No text for people tells a whole token: not a log, an error, a display or a session log."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from evse_daemon.framework.interface import ArgumentError
from evse_daemon.framework.redact import redacted
from evse_daemon.interfaces.auth import Auth
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.reservation import Reservation
from evse_daemon.types.authorization import IdToken, ProvidedIdToken

CARD = "04794B22C11C90"


@pytest.mark.parametrize(
    ("token", "shown"),
    [(CARD, "…1C90"), ("1234567", "…567"), ("1234", "…34"), ("123", "…3"), ("1", "…"), ("", "…")],
)
def test_a_token_is_shown_by_its_end_at_most_half_of_it(token: str, shown: str) -> None:
    assert redacted(token) == shown


@pytest.mark.parametrize(
    "wrong",
    [
        CARD,
        [CARD],
        {"id_token": CARD, "authorization_type": "RFID"},
        {"id_token": {"value": CARD * 3, "type": "ISO14443"}, "authorization_type": "RFID"},
        {"id_token": {"value": CARD}, "authorization_type": "RFID"},
        {"id_token": {"value": CARD, "type": CARD}, "authorization_type": ["RFID"], "uid": CARD},
        {"id_token": {"value": [CARD], "type": "ISO14443"}, "authorization_type": {"id_token": CARD}},
        json.dumps({"id_token": CARD}),
        {"id_token": {"uid": CARD, "type": "ISO14443"}, "authorization_type": "RFID"},
    ],
)
def test_an_error_about_a_token_does_not_tell_it(wrong: object) -> None:
    text = json.dumps(wrong)
    validations = (
        lambda: AuthTokenProvider.provided_token.validate_json(text),
        lambda: AuthTokenValidator.validate_token.validate_arguments({"provided_token": text}),
        lambda: EvseManager.authorize_response.validate_arguments({"provided_token": text}),
        lambda: EvseManager.stop_transaction.validate_arguments({"request": f'{{"id_tag": {text}}}'}),
        lambda: Reservation.reserve_now.validate_arguments({"request": f'{{"id_token": {text}}}'}),
        lambda: Auth.withdraw_authorization.validate_arguments({"request": f'{{"id_token": {text}}}'}),
    )
    for validate in validations:
        with pytest.raises(ArgumentError) as caught:
            validate()
        assert CARD not in str(caught.value)


def test_an_error_about_a_token_says_what_is_wrong() -> None:
    token = {"id_token": {"value": CARD * 3, "type": "ISO14443"}, "authorization_type": "RFIDX"}
    with pytest.raises(ArgumentError) as caught:
        AuthTokenProvider.provided_token.validate_json(json.dumps(token))
    assert "id_token.value" in str(caught.value)
    assert "36 characters" in str(caught.value)
    assert "str of length 42" in str(caught.value)
    assert "'OCPP', 'RFID'" in str(caught.value)


def test_an_exception_about_a_token_does_not_tell_it() -> None:
    with pytest.raises(ValidationError) as caught:
        ProvidedIdToken(id_token=IdToken(value=CARD * 3, type="ISO14443"), authorization_type="RFID")
    assert "36 characters" in str(caught.value)
    assert CARD not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        ProvidedIdToken.model_validate({"id_token": {"value": CARD}})
    assert CARD not in str(caught.value)
