"""Where the broker is and how to log in to it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from evse_daemon.mqtt.unreachable import BrokerUnreachable, explain


@dataclass(frozen=True)
class TlsSettings:
    """Files in PEM form. The broker's certificate and host name are always verified.

    Without `ca_file` the certificate authorities of the operating system are trusted. `cert_file` and `key_file`
    are the client's own, where the broker asks for one; `cert_file` may contain the key too.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("TLS: a key file needs the certificate file it belongs to")

    def context(self) -> ssl.SSLContext:
        """The context of one connection; raises BrokerUnreachable if a file cannot be used."""
        context = _trusting(self.ca_file)
        if self.cert_file is not None:
            try:
                context.load_cert_chain(self.cert_file, self.key_file)
            except OSError as exc:
                files = " and ".join(name for name in (self.cert_file, self.key_file) if name)
                raise BrokerUnreachable(
                    f"The TLS client certificate cannot be used ({files}): {exc.strerror or exc}. "
                    "Check that the files exist, are readable for this user and belong together."
                ) from exc
        return context


@dataclass(frozen=True)
class BrokerSettings:
    """One broker. With `socket_path` the unix socket is used, and host, port and TLS have no meaning."""

    host: str = "localhost"
    port: int = 1883
    socket_path: str | None = None
    username: str | None = None
    password_file: str | None = None
    tls: TlsSettings | None = None
    keepalive_s: int = 10
    connect_timeout_s: float = 5

    def __post_init__(self) -> None:
        if self.socket_path is not None and self.tls is not None:
            raise ValueError("MQTT broker: TLS is not used on a unix socket; give host and port, or no TLS")
        if self.password_file is not None and self.username is None:
            raise ValueError("MQTT broker: a password file needs a user name")
        if not 1 <= self.keepalive_s <= 65535:
            raise ValueError(f"MQTT broker: keep-alive must be 1 to 65535 s, not {self.keepalive_s}")
        if not 0 < self.port <= 65535:
            raise ValueError(f"MQTT broker: port must be 1 to 65535, not {self.port}")

    def describe(self) -> str:
        """For humans: `127.0.0.1:1883`, `[::1]:8883 (TLS)`, `unix socket /run/mqtt.sock`."""
        if self.socket_path is not None:
            return f"unix socket {self.socket_path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" + (" (TLS)" if self.tls is not None else "")

    def explain(self, exc: BaseException, timeout_s: float | None = None) -> str:
        """What to tell the user if a connection attempt ended with `exc`."""
        timeout = self.connect_timeout_s if timeout_s is None else timeout_s
        without = self.tls is not None and self.tls.cert_file is None
        return explain(self.describe(), timeout, exc, tls_without_certificate=without)

    def password(self) -> str | None:
        """The password, read anew for each connection, so that it can be changed without a restart."""
        if self.password_file is None:
            return None
        try:
            return Path(self.password_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
            raise BrokerUnreachable(
                f"The password file of the MQTT broker cannot be read ({self.password_file}): {reason}. "
                "Check that it exists and is readable for this user."
            ) from exc


def client_id(name: str) -> str:
    """What the ids of a station's two connections begin with, by its name on the broker (``Topics.name``)."""
    # Mosquitto refuses clients with a slash in their id where its access list has %c.
    return f"evse_daemon-{name.replace('/', '.')}"


def _trusting(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:  # ssl.SSLError is one
        raise BrokerUnreachable(
            f"The file of TLS certificate authorities cannot be used ({ca_file}): {exc.strerror or exc}. "
            "It must exist, be readable for this user and hold certificates in PEM form."
        ) from exc
