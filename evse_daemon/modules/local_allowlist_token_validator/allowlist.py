"""The list of tokens in the form of EVerest's LocalAllowlistTokenValidator (its docs/index).

    # a comment, ours: EVerest has none
    04794b22c11c90                 may charge everywhere
    0579E64FC14C08 17              on EVSE 17 only
    15164222c11744 "1, 2, 3"       on these

One token a line, then space or tab and EVSE ids separated by commas. Case does not count. The first line of a token
counts. What is no number among the EVSEs is left out, as in EVerest; where none is left the line is not valid: a
mistake never gives a token more than was meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_TOKEN_LENGTH = 36
"""types/authorization.yaml, IdToken."""

MAX_EVSE = 128
"""types/evse_manager.yaml, Evse."""

_NUMBER = re.compile(r"[+-]?\d{1,9}")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line; it does not repeat the line, which may have a token in it."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The tokens, in lower case, and the EVSEs that each may use; None: all."""

    tokens: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def allows(self, token: str) -> bool:
        return token.casefold() in self.tokens

    def evses(self, token: str) -> tuple[int, ...] | None:
        return self.tokens.get(token.casefold())


def parse(text: str) -> Allowlist:
    """The tokens of a file, and what is wrong with its lines."""
    tokens: dict[str, tuple[int, ...] | None] = {}
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split(maxsplit=1)
        if not words or words[0].startswith("#"):
            continue
        token = words[0].casefold()
        wrong = _wrong(token)
        if wrong is not None:
            problems.append(Problem(number, f"{wrong}: the line is left out"))
            continue
        if token in tokens:
            problems.append(Problem(number, f"the token of line {first[token]} again: the first line counts"))
            continue
        evses: tuple[int, ...] | None = None
        if len(words) > 1:
            evses, left_out = _evses(words[1])
            if not evses:
                problems.append(Problem(number, "no EVSE id after the token: the line is left out"))
                continue
            if left_out:
                text_ = f"{left_out} of the EVSE ids are no numbers from 1 to {MAX_EVSE}: they are left out"
                problems.append(Problem(number, text_))
        tokens[token] = evses
        first[token] = number
    return Allowlist(tokens, tuple(problems))


def _wrong(token: str) -> str | None:
    """Why a word is no token; None where it is one."""
    if not (token.isascii() and token.isprintable()):
        return "a token is of printable ASCII characters"
    if "," in token:
        return "there is no space between the token and its EVSE ids"
    if len(token) > MAX_TOKEN_LENGTH:
        return f"a token has {MAX_TOKEN_LENGTH} characters at most"
    return None


def _evses(text: str) -> tuple[tuple[int, ...], int]:
    """The EVSEs of a line, and how many of its entries are none."""
    parts = text.strip().strip("\"'").split(",")
    found = (_NUMBER.match(part.strip()) for part in parts)
    numbers = [int(match.group()) for match in found if match is not None]
    evses = tuple(dict.fromkeys(number for number in numbers if 1 <= number <= MAX_EVSE))
    whole = sum(bool(re.fullmatch(r"\s*\d+\s*", part)) and 1 <= int(part) <= MAX_EVSE for part in parts)
    return evses, len(parts) - whole
