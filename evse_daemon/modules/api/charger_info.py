"""``everest_api/info/var/info``: make and model of the charger (reference api.md §1.1, API.cpp:631-676).

From the module that is connected as charger_information, else from the file of the option charger_information_file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from evse_daemon.framework.bus import Client
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.module import Module
from evse_daemon.interfaces.charger_information import ChargerInformation
from evse_daemon.mqtt.topics import API_INFO
from evse_daemon.types.charger_information import ChargerInformation as Information

STATE_QOS = 1

ASK_AGAIN_S = 30.0
"""How long after a module gave no answer it is asked again."""

LARGEST_FILE = 64 * 1024
"""Bytes."""


class ChargerInfo:
    """Publishes what is known; nothing where nothing is.

    Args:
        api: the module.
        client: who knows make and model; None: nobody.
        file: YAML, read once; empty: none.
    """

    def __init__(self, api: Module, client: Client[ChargerInformation] | None, file: str) -> None:
        self._api = api
        self._client = client
        self._file = file
        self._payload = ""

    def ready(self) -> None:
        if self._file:
            self._read(Path(self._file))
        if self._client is not None:
            self._ask()

    def publish(self) -> None:
        if self._payload:
            self._api.mqtt.publish(API_INFO, self._payload, qos=STATE_QOS, latest=True)

    def _ask(self) -> None:
        assert self._client is not None
        call = self._client.call(ChargerInformation.get_charger_information)
        call.then(self._answered, self._refused)

    def _answered(self, found: Information) -> None:
        self._payload = _json(ChargerInformation.get_charger_information.result_to_jsonable(found))

    def _refused(self, error: CallError) -> None:
        self._api.log.warning("make and model of the charger are not known", reason=error.message)
        self._api.after(ASK_AGAIN_S, self._ask)

    def _read(self, file: Path) -> None:
        try:
            with file.open("rb") as opened:
                found = yaml.safe_load(opened.read(LARGEST_FILE))
            if not isinstance(found, dict):
                self._bad(file, "it is no mapping of names to values")
            else:
                self._payload = _json(found)
        except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
            self._bad(file, str(error))

    def _bad(self, file: Path, reason: str) -> None:
        self._api.log.error(
            "charger_information_file cannot be used: nothing is published on info",
            file=str(file),
            reason=reason,
        )


def _json(found: dict[str, Any]) -> str:
    return json.dumps(found, separators=(",", ":"), sort_keys=True, allow_nan=False, default=str)
