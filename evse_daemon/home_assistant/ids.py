"""How stations and EVSEs are named on Home Assistant's discovery topics, so that no two have the same name."""

from __future__ import annotations

import re

from evse_daemon.mqtt.topics import home_assistant_device

ANY = "+"


def device_topic(discovery_prefix: str, station: str, evse: str) -> str:
    """Where an EVSE is announced.

    Args:
        discovery_prefix: Home Assistant's, or ``+``.
        station: the everest prefix without slash.
        evse: the module id of the EvseManager, or ``+``.
    """
    object_id = evse if evse == ANY else _id(evse)
    return home_assistant_device(discovery_prefix, f"evse_daemon-{_id(station)}", object_id)


def _id(name: str) -> str:
    """What may not stand in such a topic, and ``-``, becomes the number of the character between two ``-``."""
    return re.sub(r"[^A-Za-z0-9_]", lambda found: f"-{ord(found[0]):x}-", name)
