"""The list of tokens in a file: what is accepted, what is wrong with it, and that it is read again when it changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from evse_daemon.framework.registry import find_module_class
from evse_daemon.interfaces.auth_token_validator import AuthTokenValidator
from evse_daemon.modules.local_allowlist_token_validator.allowlist import Allowlist, parse
from evse_daemon.modules.local_allowlist_token_validator.module import (
    MAX_BYTES,
    LocalAllowlistTokenValidator,
)
from tests.modules.auth.station import card
from tests.support.harness import World

TOKEN = "04794B22C11C90"
OLD_S = 1_700_000_000
WHERE = ("list", "token_validator")


class Site:
    """A station with an allowlist, and somebody who edits it."""

    def __init__(self, folder: Path, content: str | bytes | None, mode: int = 0o640) -> None:
        self.path = folder / "allowlist.txt"
        if content is not None:
            self.write(content, mode)
        self.world = World()
        self.world.add(LocalAllowlistTokenValidator, "list", {"allowlist_file": str(self.path)})
        self.world.start()

    def write(self, content: str | bytes, mode: int = 0o640, at_s: int = OLD_S) -> None:
        self.path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.path.chmod(mode)
        os.utime(self.path, (at_s, at_s))

    def answer(self, token: str = TOKEN) -> tuple[str, list[int] | None]:
        result = self.world.call(WHERE, AuthTokenValidator.validate_token, card(token))
        return result.authorization_status, result.evse_ids


@pytest.mark.parametrize(
    ("line", "evses"),
    [
        # The examples of EVerest's documentation.
        ("04794b22c11c90", None),
        ("04794b22C11C90 17", [17]),
        ("04794B22c11C90 1,2,3", [1, 2, 3]),
        ("04794b22c11c90 -1, 2,  3,4,  5", [2, 3, 4, 5]),
        ('04794b22c11c90 "10,1,B,3,17,@,2e,21"', [10, 1, 3, 17, 2, 21]),
        ("04794b22c11c90 2.3, 4.5", [2, 4]),
        ("04794b22c11c90 1 2 3 4 5", [1]),
        # Others.
        ("  04794b22c11c90\t7\r", [7]),
        ("04794b22c11c90 1,1,2", [1, 2]),
        ("04794b22c11c90   ", None),
    ],
)
def test_a_token_may_charge_where_its_line_says(tmp_path: Path, line: str, evses: list[int] | None) -> None:
    assert Site(tmp_path, f"# our cards\n\nDEADBEEF\n{line}\n").answer() == ("Accepted", evses)


@pytest.mark.parametrize(
    "line",
    [
        "04794b22c11c90,1,2",
        "04794b22c11c90 B",
        "04794b22c11c90 0",
        "04794b22c11c90 999",
        "",
        "# 04794b22c11c90",
    ],
)
def test_a_line_that_is_wrong_allows_nothing(tmp_path: Path, line: str) -> None:
    site = Site(tmp_path, f"{line}\nDEADBEEF")
    assert site.answer() == ("Invalid", None)
    assert site.answer("deadbeef") == ("Accepted", None)


def test_the_first_line_of_a_token_counts(tmp_path: Path) -> None:
    assert Site(tmp_path, f"{TOKEN} 1\n{TOKEN}\n").answer() == ("Accepted", [1])


def test_wrong_lines_are_named_by_their_number_and_no_token_is_told(tmp_path: Path) -> None:
    lines = [
        TOKEN,
        "",
        f"{TOKEN}01,1",
        f"{TOKEN}02 B",
        f"{TOKEN} 4",
        "A" * 37,
        "ä" * 5,
        f"{TOKEN}03 1,B",
        "x\x00",
    ]
    with capture_logs() as logs:
        Site(tmp_path, "\n".join(lines))
    assert [line["line"] for line in logs if line["event"] == "allowlist"] == [3, 4, 5, 6, 7, 8, 9]
    assert logs[0]["tokens"] == 2
    for token in (TOKEN, "A" * 37, "ä" * 5):
        assert token not in str(logs)


def test_a_file_full_of_mistakes_does_not_fill_the_log(tmp_path: Path) -> None:
    with capture_logs() as logs:
        Site(tmp_path, "a,b\n" * 10_000)
    assert len(logs) < 30
    assert logs[-1]["more"] == 10_000 - 20


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    site = Site(tmp_path, TOKEN)
    assert site.answer() == ("Accepted", None)
    site.write("DEADBEEF", at_s=OLD_S + 1)
    assert site.answer() == ("Invalid", None)
    assert site.answer("DEADBEEF") == ("Accepted", None)


def test_a_file_that_is_replaced_by_another_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    site = Site(tmp_path, "AAAA")
    other = tmp_path / "new"
    other.write_text("BBBB")
    other.chmod(0o640)
    os.utime(other, (OLD_S, OLD_S))
    other.rename(site.path)
    assert (site.answer("AAAA")[0], site.answer("BBBB")[0]) == ("Invalid", "Accepted")


def test_a_file_that_is_edited_in_place_and_set_back_in_time_is_read_again(tmp_path: Path) -> None:
    site = Site(tmp_path, "AAAA")
    assert site.answer("AAAA")[0] == "Accepted"
    first = site.path.stat().st_ctime_ns
    while site.path.stat().st_ctime_ns == first:  # the file system's clock has ticked
        site.write("BBBB")
    assert (site.answer("AAAA")[0], site.answer("BBBB")[0]) == ("Invalid", "Accepted")


def test_an_unchanged_file_is_read_once(tmp_path: Path) -> None:
    with capture_logs() as logs:
        site = Site(tmp_path, TOKEN)
        for _ in range(5):
            site.answer()
    assert len([line for line in logs if line["event"] == "allowlist read"]) == 1


@pytest.mark.parametrize("what", ["none", "directory", "pipe", "writable", "long", "removed"])
def test_without_a_usable_file_no_token_is_accepted_and_it_is_said_why(tmp_path: Path, what: str) -> None:
    content = {"writable": TOKEN, "removed": TOKEN, "long": f"{TOKEN}\n" * (MAX_BYTES // 15 + 1)}.get(what)
    path = tmp_path / "allowlist.txt"
    if what == "directory":
        path.mkdir()
    elif what == "pipe":
        os.mkfifo(path)
    with capture_logs() as logs:
        site = Site(tmp_path, content, 0o666 if what == "writable" else 0o640)
        if what == "removed":
            assert site.answer() == ("Accepted", None)
            site.path.unlink()
        assert site.answer() == ("Invalid", None)
        assert site.answer() == ("Invalid", None)
    said = [line for line in logs if "no token is accepted" in line["event"]]
    assert len(said) == 1, "said once, not with each card"
    assert said[0]["file"] == str(path)
    assert said[0]["reason"]


def test_a_file_that_comes_later_is_used(tmp_path: Path) -> None:
    site = Site(tmp_path, None)
    assert site.answer() == ("Invalid", None)
    site.write(TOKEN)
    assert site.answer() == ("Accepted", None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    with capture_logs() as logs:
        assert Site(tmp_path, TOKEN, 0o000).answer() == ("Invalid", None)
    assert "Permission denied" in str(logs)


@pytest.mark.parametrize(("mode", "warned"), [(0o644, True), (0o640, False), (0o600, False)])
def test_tokens_that_anybody_may_read_are_warned_of(tmp_path: Path, mode: int, warned: bool) -> None:
    with capture_logs() as logs:
        assert Site(tmp_path, TOKEN, mode).answer() == ("Accepted", None)
    assert any("anybody may read" in line["event"] for line in logs) == warned


@pytest.mark.parametrize(
    "content", [TOKEN.encode("utf-16"), b"\xff\xfe\x00\xff\n04794B22C11C90", b"\xef\xbb\xbf04794B22C11C90"]
)
def test_a_file_in_another_encoding_is_no_failure(tmp_path: Path, content: bytes) -> None:
    expected = "Invalid" if content == TOKEN.encode("utf-16") else "Accepted"
    assert Site(tmp_path, content).answer()[0] == expected


@given(st.text(max_size=200))
def test_any_text_is_read_and_gives_no_token_more_than_one_of_its_words(text: str) -> None:
    found = parse(text)
    words = {word.casefold() for word in text.split()}
    assert set(found.tokens) <= words
    assert all(evses is None or evses for evses in found.tokens.values())


@given(
    st.dictionaries(
        st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
        st.none() | st.lists(st.integers(1, 128), min_size=1, unique=True),
    )
)
def test_what_was_written_is_read(tokens: Mapping[str, list[int] | None]) -> None:
    lines = [
        token if evses is None else f"{token} {','.join(map(str, evses))}" for token, evses in tokens.items()
    ]
    expected: dict[str, Any] = {
        token: None if evses is None else tuple(evses) for token, evses in tokens.items()
    }
    assert parse("\n".join(lines)) == Allowlist(expected, ())


def test_everests_name_finds_it() -> None:
    assert find_module_class("LocalAllowlistTokenValidator") is LocalAllowlistTokenValidator
