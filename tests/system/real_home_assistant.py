"""Home Assistant's core with its MQTT integration and nothing else, run by a Python that has it: ``… PORT FOLDER``.

It reads a line of JSON from its input and answers with one: ``["states"]``, ``["call", domain, service, data]``, ``["log"]``.
Tried with homeassistant 2025.4.4. It reaches into the core as Home Assistant's own tests do, so another version may
need another beginning. No part of the test suite imports this file.
"""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from types import MappingProxyType

from homeassistant import auth, bootstrap, loader  # type: ignore[import-not-found]  # of its own venv
from homeassistant.config_entries import ConfigEntries, ConfigEntry  # type: ignore[import-not-found]  # of its own venv
from homeassistant.core import CoreState, HomeAssistant  # type: ignore[import-not-found]  # of its own venv

NOT_OURS = ("homeassistant.helpers.frame", "aiohttp", "asyncio")
"""What this beginning itself causes."""


class Complaints(logging.Handler):
    """Warnings and errors of Home Assistant."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith(NOT_OURS):
            self.lines.append(f"{record.name}: {record.getMessage()}")


async def begin(port: int, folder: Path) -> HomeAssistant:
    (folder / "configuration.yaml").touch()
    hass = HomeAssistant(str(folder))
    hass.config.skip_pip = True
    hass.config_entries = ConfigEntries(hass, {})
    loader.async_setup(hass)
    await bootstrap.async_load_base_functionality(hass)
    hass.auth = await auth.auth_manager_from_config(hass, [], [])
    hass.config.components.update({"http", "file_upload"})  # what the integration's web pages need
    entry = ConfigEntry(
        domain="mqtt",
        data={"broker": "127.0.0.1", "port": port},
        options={},
        entry_id="mqtt",
        title="mqtt",
        source="user",
        version=1,
        minor_version=2,
        unique_id=None,
        discovery_keys=MappingProxyType({}),
        subentries_data=None,
    )
    hass.config_entries._entries[entry.entry_id] = entry
    hass.set_state(CoreState.running)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return hass


async def main() -> None:
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    hass = await begin(int(sys.argv[1]), Path(sys.argv[2]))
    while line := await asyncio.to_thread(sys.stdin.readline):
        match json.loads(line):
            case ["states"]:
                answer: object = {
                    state.entity_id: [state.state, dict(state.attributes)]
                    for state in hass.states.async_all()
                }
            case ["call", domain, service, data]:
                await hass.services.async_call(domain, service, data, blocking=True)
                answer = None
            case _:
                answer = complaints.lines
        print(json.dumps(answer, default=str), flush=True)
    os._exit(0)


asyncio.run(main())
