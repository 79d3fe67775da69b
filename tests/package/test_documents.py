"""What the package brings along to be read: whole, and naming every command."""

from __future__ import annotations

import re
from pathlib import Path

from evse_daemon.cli.main import parser

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def shipped(list_: str, prefix: str) -> set[str]:
    """What debhelper puts below /usr/share/doc/evse-daemon, by its path there."""
    found = set()
    for pattern in (ROOT / "debian" / list_).read_text("utf-8").split():
        for path in ROOT.glob(pattern):
            inner = [path, *path.rglob("*")] if path.is_dir() else [path]
            found |= {prefix + str(each.relative_to(path.parent)) for each in inner}
    return found


def test_what_the_documents_of_the_package_link_to_is_in_the_package() -> None:
    there = shipped("evse-daemon.docs", "") | shipped("evse-daemon.examples", "examples/")
    links = {
        (path.name, link) for path in ROOT.glob("docs/*.md") for link in LINK.findall(path.read_text("utf-8"))
    }
    assert len(links) > 50
    assert {(name, link) for name, link in links if link.rstrip("/") not in there} == set()


def test_the_man_page_names_every_command() -> None:
    page = (ROOT / "debian/evse-daemon.1").read_text("utf-8")
    named = {*re.findall(r"^\.(?:B|BI) ([a-z][a-z-]+)", page, re.MULTILINE)}
    (commands,) = (action.choices for action in parser()._actions if isinstance(action.choices, dict))
    assert set(commands) <= named
