"""What to tell a human when the broker cannot be used: what happened, where, and what to do."""

import asyncio
import datetime as dt
import errno
import socket
import ssl

SETTINGS_HINT = (
    "mqtt_broker_… in the settings of the configuration, EV_MQTT_BROKER_… in the environment, or where the command has "
    "them --broker, --socket, --config"
)

REFUSALS = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not accept the client id",
    3: "it is not available at present",
    4: "bad user name or password",
    5: "not authorized: it wants another user name or password, or does not admit this client",
}
_WRONG_TIME = {9, 10}
"""OpenSSL's codes for a certificate that is not valid yet, or no more."""
_CHECK_CLOCK = (
    "The clock of this computer says {:%Y-%m-%d}: set it if that is wrong, else renew the certificate."
)
_CHECK_CERTIFICATE = (
    "Check the file of certificate authorities and that the certificate was made for this host name."
)
_TLS_WANTS_CERTIFICATE = (
    "CERTIFICATE_REQUIRED",
    "HANDSHAKE_FAILURE",
    "BAD_CERTIFICATE",
    "CERTIFICATE_UNKNOWN",
    "UNKNOWN_CA",
)


class BrokerUnreachable(Exception):  # noqa: N818 - it says what the state is, and is caught by that name
    """The broker does not answer, or refuses. The text is complete and meant for the user."""


class Refused(Exception):  # noqa: N818 - inner signal
    """CONNACK with a return code other than 0."""

    def __init__(self, code: int) -> None:
        super().__init__(REFUSALS.get(code, f"return code {code}"))
        self.code = code


class ClosedEarly(Exception):  # noqa: N818 - inner signal
    """The connection ended before CONNACK or SUBACK."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__(str(cause) if cause is not None else "the broker closed the connection")
        self.cause = cause


def explain(where: str, timeout_s: float, exc: BaseException, *, tls_without_certificate: bool) -> str:
    """One text for any failure of a connection attempt to `where`."""
    if isinstance(exc, BrokerUnreachable):
        return str(exc)
    cause = exc.cause if isinstance(exc, ClosedEarly) and exc.cause is not None else exc
    if isinstance(cause, ssl.SSLError):
        return _explain_tls(where, cause)
    if isinstance(exc, Refused):
        return f"The MQTT broker at {where} refuses the connection: {exc}. {_login_hint(exc.code)}"
    if isinstance(exc, ClosedEarly | ConnectionResetError | BrokenPipeError) and tls_without_certificate:
        # With TLS 1.3 the refusal comes after the handshake, and may be lost in the reset that follows it.
        return (
            f"The MQTT broker at {where} closed the connection before it answered ({exc}). "
            "If it asks for a TLS client certificate, give one with its key; if not, check that this is its TLS port."
        )
    if isinstance(exc, ClosedEarly | ConnectionResetError | BrokenPipeError):
        return (
            f"The MQTT broker at {where} closed the connection before it answered ({exc}). "
            "Check that it is an MQTT broker and that host, port and TLS are those of the same listener."
        )
    if isinstance(exc, TimeoutError | asyncio.TimeoutError):
        return (
            f"The MQTT broker at {where} did not answer within {timeout_s:g} s. "
            "Check that it is an MQTT broker (with or without TLS, as set here), that it runs and is not blocked."
        )
    return _explain_os(where, cause)


def _explain_tls(where: str, exc: ssl.SSLError) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return (
            f"The TLS certificate of the MQTT broker at {where} is not accepted: {exc.verify_message}. "
            + (_CHECK_CLOCK if exc.verify_code in _WRONG_TIME else _CHECK_CERTIFICATE).format(
                dt.datetime.now(dt.UTC)
            )
        )
    reason = exc.reason or str(exc)
    if any(word in reason for word in _TLS_WANTS_CERTIFICATE):
        return (
            f"The MQTT broker at {where} does not accept the TLS client certificate ({reason}). "
            "Give a certificate and key that it trusts, or check that they are still valid."
        )
    return (
        f"TLS with the MQTT broker at {where} failed ({reason}). "
        "Check that this port is its TLS listener, usually 8883."
    )


def _login_hint(code: int) -> str:
    if code in {4, 5}:
        return "Check the user name, the password file, and the broker's password and access lists."
    if code == 2:
        return "Use another client id."
    return "See the log of the broker."


def _explain_os(where: str, exc: BaseException) -> str:
    text = f"No MQTT broker could be reached at {where}: {_os_reason(exc)}."
    if isinstance(exc, PermissionError):
        return f"{text} Add this user to the group that owns the socket, usually mosquitto."
    if isinstance(exc, socket.gaierror):
        return f"{text} Check the host name."
    return f"{text} Start a broker there, or say where it is ({SETTINGS_HINT})."


def _os_reason(exc: BaseException) -> str:
    if isinstance(exc, socket.gaierror):
        return "the host name is not known"
    if isinstance(exc, ConnectionRefusedError) or "Connect call failed" in str(exc):
        return "nothing listens there (connection refused)"
    if isinstance(exc, FileNotFoundError):
        return "there is no such socket"
    if isinstance(exc, PermissionError):
        return "permission denied"
    if isinstance(exc, OSError) and exc.errno == errno.ENOTSOCK:
        return "it is not a socket"
    if isinstance(exc, OSError) and exc.strerror:
        return exc.strerror
    return str(exc) or type(exc).__name__
