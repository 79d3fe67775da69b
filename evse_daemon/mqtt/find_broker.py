"""The broker of `evse-daemon simulate`: the one that was named, one that runs, or one of our own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from evse_daemon.mqtt.embedded import EmbeddedBrokerMissing, start_embedded_broker
from evse_daemon.mqtt.private_mosquitto import (
    HOST,
    find_mosquitto,
    free_port,
    port_is_free,
    start_private_mosquitto,
)
from evse_daemon.mqtt.probe import probe
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import SETTINGS_HINT, BrokerUnreachable, Refused

DEFAULT_PORT = 1883
PROBE_S = 0.3

Kind = Literal["configured", "running", "mosquitto", "embedded"]


async def _nothing() -> None:
    """Stops a broker that is not ours."""


@dataclass
class _Search:
    """What was tried: all of it for the error message, what is worth telling in any case as notes."""

    port: int
    prefix: str
    tried: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.tried.append(text)
        self.notes.append(text)


@dataclass
class FoundBroker:
    """A broker that answers. `stop` ends it if it is ours."""

    settings: BrokerSettings
    kind: Kind
    description: str
    subscribe_hint: str
    notes: list[str] = field(default_factory=list)
    _stop: Callable[[], Awaitable[None]] = _nothing

    async def stop(self) -> None:
        await self._stop()


async def find_broker(
    explicit: BrokerSettings | None = None,
    *,
    only: Kind | None = None,
    port: int = DEFAULT_PORT,
    prefix: str = "everest",
) -> FoundBroker:
    """Named explicitly → running on `port` → a private Mosquitto → embedded. `only` forces one of them.

    Raises BrokerUnreachable: a broker that was named is used or nothing is.
    """
    if explicit is not None or only == "configured":
        settings = explicit or BrokerSettings()
        await probe(settings)
        where = settings.describe()
        return FoundBroker(
            settings, "configured", f"the configured broker at {where}", _hint(settings, prefix)
        )
    search = _Search(port, prefix)
    for kind, attempt in (("running", _running), ("mosquitto", _mosquitto), ("embedded", _embedded)):
        if only is not None and kind != only:
            continue
        found = await attempt(search)
        if found is not None:
            return found
    raise BrokerUnreachable(
        f"No MQTT broker: {'; '.join(search.tried)}. Install one (apt install mosquitto, or "
        f"pip install evse-daemon[simulator] for the embedded one), or say where one is ({SETTINGS_HINT})."
    )


async def _running(search: _Search) -> FoundBroker | None:
    settings = BrokerSettings(host=HOST, port=search.port)
    where = settings.describe()
    try:
        await probe(settings, PROBE_S)
    except BrokerUnreachable as exc:
        if isinstance(exc.__cause__, Refused):
            search.note(
                f"the broker on {where} is not usable without a login ({exc.__cause__}); "
                f"to use it, set {SETTINGS_HINT}, user name and password"
            )
        elif port_is_free(search.port):
            search.tried.append(f"none runs on {where}")
        else:
            search.note(f"what listens on {where} does not answer as an MQTT broker within {PROBE_S:g} s")
        return None
    return _found(search, settings, "running", f"the broker that runs on {where}", _nothing)


async def _mosquitto(search: _Search) -> FoundBroker | None:
    binary = find_mosquitto()
    if binary is None:
        search.tried.append("there is no mosquitto program")
        return None
    try:
        child = await start_private_mosquitto(binary, search.port)
    except BrokerUnreachable as exc:
        search.note(str(exc))
        return None
    settings = BrokerSettings(host=HOST, port=child.port)
    text = f"a private Mosquitto on {settings.describe()}, for as long as this program runs"
    return _found(search, settings, "mosquitto", text, child.stop)


async def _embedded(search: _Search) -> FoundBroker | None:
    try:
        broker = await start_embedded_broker(HOST, search.port if port_is_free(search.port) else free_port())
    except EmbeddedBrokerMissing:
        search.tried.append("the embedded broker is not installed")
        return None
    except BrokerUnreachable as exc:
        search.note(str(exc))
        return None
    settings = broker.settings
    text = f"the embedded broker on {settings.describe()} (for trying out; on a charger use Mosquitto)"
    return _found(search, settings, "embedded", text, broker.stop)


def _found(
    search: _Search, settings: BrokerSettings, kind: Kind, text: str, stop: Callable[[], Awaitable[None]]
) -> FoundBroker:
    return FoundBroker(settings, kind, text, _hint(settings, search.prefix), search.notes, stop)


def _hint(settings: BrokerSettings, prefix: str) -> str:
    """The command that shows what is said below the prefix."""
    words = ["mosquitto_sub -v"]
    if settings.socket_path is not None:
        words.append(f"--unix {settings.socket_path}")
    else:
        if settings.host not in {HOST, "localhost"}:
            words.append(f"-h {settings.host}")
        if settings.port != DEFAULT_PORT:
            words.append(f"-p {settings.port}")
    if settings.tls is not None:
        words.append(f"--cafile {settings.tls.ca_file}" if settings.tls.ca_file else "--tls-use-os-certs")
    if settings.username is not None:
        words.append(f"-u {settings.username} -P …")
    return " ".join([*words, f"-t '{prefix}/#'"])
