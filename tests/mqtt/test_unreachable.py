"""What is said where a certificate is refused for the time of day."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest

from evse_daemon.mqtt.unreachable import explain


def refused(code: int, message: str) -> str:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return explain("broker:8883 (TLS)", 5, error, tls_without_certificate=False)


@pytest.mark.parametrize(
    ("code", "message"), [(9, "certificate is not yet valid"), (10, "certificate has expired")]
)
def test_the_clock_is_named_where_it_may_be_at_fault(code: int, message: str) -> None:
    """In 1970 no certificate is valid, and none of them is wrong."""
    told = refused(code, message)
    assert (
        f"is not accepted: {message}. The clock of this computer says {dt.datetime.now(dt.UTC):%Y-}" in told
    )
    assert "set it if that is wrong, else renew the certificate." in told


def test_other_reasons_are_none_of_the_clock() -> None:
    told = refused(20, "unable to get local issuer certificate")
    assert "clock" not in told
    assert "Check the file of certificate authorities" in told
