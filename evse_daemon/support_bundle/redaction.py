"""What leaves the charger in a bundle: of a configuration what is known to be harmless, of texts all but secrets. Pure.

Of a configuration numbers, switches and the options in SHOWN are shown; every other text is left out, so that an option
that nobody has thought of is left out too. What was left out there is looked for in all other texts. Cards are told
apart by a name that is the same all over one bundle and another one in the next: a plain hash of a card's number could
be tried out, there are only 2**32 short ones.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable
from typing import Any

from evse_daemon.framework.redact import TOKEN_NAMES, redacted

# Of the structure of a file (evse_daemon/config/entries.py); of settings: and daemon: (config/model.py); options.
_SHOWN = """
    module module_id implementation_id capabilities

    prefix config_file configs_dir schemas_dir modules_dir interfaces_dir types_dir errors_dir www_dir
    logging_config_file run_as_user mqtt_broker_socket_path mqtt_broker_host mqtt_everest_prefix mqtt_external_prefix
    telemetry_prefix discovery_prefix mqtt_dialect config_messages state_dir log_level log_format
    password_file ca_file cert_file key_file

    charger_information_file mqtt_topic database_path connector_type session_logging_path logfile_suffix model
    can_device can_interface module_addresses allowlist_file host sqlite_db_file_path serial_port rxtx_gpio_chip
    reset_gpio_chip conn1_gpio_stop_button_bank conn2_gpio_stop_button_bank link software_version evse_id evse_id_din selection_algorithm type validation_result charge_mode
    switch_3ph1ph_while_charging_mode switch_3ph1ph_switch_limit_stickyness sae_j2847_2_bpt_mode
    switch_3ph1ph_cp_state session_id_type bpt_channel bpt_generator_mode bpt_grid_code_island_method wire
    auto_exec_commands plugin_commands
"""

SHOWN = frozenset(_SHOWN.split())
"""Texts under these names are shown; whoever adds an option says here, or in tests/support_bundle, what it is."""

SHORTEST = 4
"""Characters; shorter ones are not looked for in texts, they are in half of all words."""

GONE = "[left out]"

_SECRET_NAME = re.compile(
    r"pass|pwd|secret|token|credential|auth_|api_?key|_key|^key|^pin$|_pin$|user|login|id_?tag", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}|[0-9]{1,3}")
_WORD = re.compile(r"[A-Za-z0-9]{4,}")
_HEX = r"[0-9A-Fa-f]"
_CARD = re.compile(
    rf"(?<![\w-])(?:{_HEX}{{8}}|{_HEX}{{14}}|{_HEX}{{20}})(?![\w-])"
    rf"|(?<![\w:])(?:{_HEX}{{2}}:){{3}}(?:(?:{_HEX}{{2}}:){{3}})?(?:(?:{_HEX}{{2}}:){{3}})?{_HEX}{{2}}(?![\w:])"
)
"""The number of an RFID card: 4, 7 or 10 bytes (ISO 14443)."""

_PEM = re.compile(r"-----BEGIN [^-\n]+-----.*?(?:-----END [^-\n]+-----|\Z)", re.DOTALL)
_LOGIN = re.compile(r"(?<=://)[^/\s@'\"]*@")
_HEADER = re.compile(
    r"\b(authorization\W{1,4}(?:basic\s+|bearer\s+|digest\s+)?|bearer\s+)[\w+/=.~-]{6,}", re.IGNORECASE
)
_NAMED = re.compile(
    r"(?P<name>\b[\w-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|credentials?|api_?key|private_?key|id_?tag|\bpin))"
    r"(?P<is>[\"']?\s*(?:=|:)\s*(?:\{[^{}]{0,40}?[\"']?value[\"']?\s*[:=]\s*)?)"
    r"(?P<value>\"(?:[^\"\\\n]|\\.){0,2000}\"|'(?:[^'\\\n]|\\.){0,2000}'|[^\s,;\"'{}\[\]()…]+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_GIVEN = re.compile(r"(\bgiven: )[^)]*")


class Redactor:
    """Knows the secrets of one station; everything that goes into a bundle passes it.

    Args:
        key: makes the names of cards; random, and forgotten with the bundle.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._words: dict[str, str] = {}
        """What stands for a secret that is one word, by it in lower case."""
        self._phrases: dict[str, str] = {}
        """What stands for others, by them as they are written."""
        self._phrase: re.Pattern[str] | None = None
        self._replacements: list[str] = []

    def card(self, number: str) -> str:
        """What stands for the number of a card: its end, as in the log, and a name."""
        digest = hmac.digest(self._key, number.casefold().encode("utf-8", "replace"), "sha256")
        return f"{redacted(number.upper())}#{digest.hex()[:8]}"

    def learn(self, secrets: Iterable[str]) -> None:
        """Has these left out of every text."""
        for secret in secrets:
            self._learn(secret, GONE)

    def learn_cards(self, numbers: Iterable[str]) -> None:
        """Has the numbers of these cards replaced in every text."""
        for number in numbers:
            self._learn(number, self.card(number))

    def _learn(self, secret: str, instead: str) -> None:
        secret = secret.strip()
        if len(secret) < SHORTEST:
            return
        if _WORD.fullmatch(secret) and instead is not GONE:
            self._words.setdefault(secret.casefold(), instead)
            return
        for form in {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], *secret.splitlines()}:
            if len(form) >= SHORTEST:
                self._phrases.setdefault(form, instead)
        self._phrase = None

    def text(self, text: str) -> str:
        """A text without what is secret: known ones, and what looks like one."""
        text = _PEM.sub(GONE, text)
        if self._phrases:
            text = self._known_phrases().sub(self._instead_of, text)
        text = _LOGIN.sub(f"{GONE}@", text)
        text = _HEADER.sub(lambda found: found[1] + GONE, text)
        text = _NAMED.sub(self._named, text)
        text = _CARD.sub(lambda found: self.card(found[0]), text)
        if self._words:
            text = _WORD.sub(lambda found: self._words.get(found[0].casefold(), found[0]), text)
        return text

    def _known_phrases(self) -> re.Pattern[str]:
        if self._phrase is None:
            longest_first = sorted(self._phrases, key=len, reverse=True)
            self._replacements = [self._phrases[phrase] for phrase in longest_first]
            self._phrase = re.compile(
                "|".join(f"({re.escape(phrase)})" for phrase in longest_first), re.IGNORECASE
            )
        return self._phrase

    def _instead_of(self, found: re.Match[str]) -> str:
        assert found.lastindex is not None
        return self._replacements[found.lastindex - 1]

    def _named(self, found: re.Match[str]) -> str:
        value = found["value"].strip("'\"")
        if not value or value.startswith(GONE[:5]):
            return found[0]
        is_card = "tag" in found["name"].lower() or "token" in found["name"].lower()
        return f"{found['name']}{found['is']}{self.card(value) if is_card else GONE}"

    def value(self, value: Any) -> Any:
        """A value of JSON with every text in it passed through ``text``."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def configuration(self, value: Any, name: str = "") -> Any:
        """A configuration, or a part of it that stands under a name; what is left out is known from now on."""
        if isinstance(value, dict):
            return {self._key_of(key): self.configuration(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.configuration(item, name) for item in value]
        secret = bool(_SECRET_NAME.search(name)) and name not in SHOWN
        if value is None or isinstance(value, bool) or (isinstance(value, int | float) and not secret):
            return value
        text = str(value)
        if name in SHOWN:
            login, at, place = text.rpartition("@")
            login = login.rpartition("://")[2]
            self.learn([login, *login.split(":")])
            return self.text(f"{GONE}@{place}" if at else text)
        if name in TOKEN_NAMES:
            self.learn_cards([text])
            return self.card(text)
        self.learn([text])
        return f"[left out: {len(text)} characters]" if text else ""

    def problem(self, text: str, names: frozenset[str]) -> str:
        """A problem of a configuration, without the values that it repeats.

        Args:
            text: what check-config says.
            names: what may be quoted.
        """
        text = _QUOTED.sub(lambda found: found[0] if found[0][1:-1] in names else "'…'", text)
        return self.text(_GIVEN.sub(r"\1…", text))

    def _key_of(self, key: Any) -> str:
        text = str(key)
        if _NAME.fullmatch(text):
            return self.text(text)
        self.learn([text])
        return GONE
