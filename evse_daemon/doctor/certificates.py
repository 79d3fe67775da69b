"""Certificates of the way to the broker: until when they are valid."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import time
from collections.abc import Iterator

from evse_daemon.doctor.findings import Finding, ok, problem, warning
from evse_daemon.doctor.machine import Machine
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable

SOON_S = 30 * 86400
CONNECT_S = 1.5


def look_at_certificates(settings: BrokerSettings, machine: Machine) -> Iterator[Finding]:
    """The broker's and our own; the broker's check says what keeps TLS from coming about."""
    assert settings.tls is not None
    try:
        context = settings.tls.context()
        with (
            socket.create_connection((settings.host, settings.port), CONNECT_S) as plain,
            context.wrap_socket(plain, server_hostname=settings.host) as secure,
        ):
            certificate = secure.getpeercert() or {}
        yield _judged("certificate of the broker", str(certificate.get("notAfter", "")))
    except (OSError, BrokerUnreachable):
        pass
    if settings.tls.cert_file is not None:
        told = machine.ask(("openssl", "x509", "-noout", "-enddate", "-in", settings.tls.cert_file))
        if told is not None:
            subject = f"certificate {settings.tls.cert_file}"
            yield _judged(subject, told.strip().removeprefix("notAfter="))


def _judged(subject: str, not_after: str) -> Finding:
    try:
        end_s = ssl.cert_time_to_seconds(not_after)
    except ValueError:
        return warning(subject, "it does not say until when it is valid")
    day = dt.datetime.fromtimestamp(end_s, dt.UTC).date()
    if end_s < time.time():
        return problem(subject, f"it was valid until {day}", "renew it; is the clock right?")
    if end_s < time.time() + SOON_S:
        return warning(subject, f"it is valid until {day}", "renew it")
    return ok(subject, f"valid until {day}")
