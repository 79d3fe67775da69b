"""Short connections: does a broker answer, and what is said on it."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from evse_daemon.mqtt.link import Inbound, Link, Receiver
from evse_daemon.mqtt.settings import BrokerSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable, ClosedEarly, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MAX_PAYLOAD_BYTES = 64 * 1024


async def probe(settings: BrokerSettings, timeout_s: float | None = None) -> None:
    """Log in and out; raises BrokerUnreachable if CONNACK does not come in time or says no."""
    async with visitor(settings, lambda _message: None, (), timeout_s):
        pass


@asynccontextmanager
async def visitor(
    settings: BrokerSettings,
    on_message: Callable[[Inbound], None],
    subscriptions: Sequence[tuple[str, int]],
    timeout_s: float | None = None,
) -> "AsyncIterator[Link]":
    """A clean session with a random id, subscribed, for as long as the context lasts."""
    timeout = settings.connect_timeout_s if timeout_s is None else timeout_s
    link = Link(settings, Receiver(on_message, _ignore, _ignore, _MAX_PAYLOAD_BYTES))
    try:
        async with asyncio.timeout(timeout):
            await link.open(f"evse-daemon-{secrets.token_hex(6)}", clean=True, will=None)
            await link.subscribe(subscriptions)
    except (OSError, TimeoutError, ClosedEarly, Refused) as exc:
        await link.close()
        raise BrokerUnreachable(settings.explain(exc, timeout)) from exc
    try:
        yield link
    finally:
        await link.close()


def _ignore(*_args: object) -> None:
    """For what nobody wants to hear."""
