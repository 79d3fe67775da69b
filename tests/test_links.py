"""What the documents name is there: links, headings, files, pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
CODE_BLOCK = re.compile(r"^```.*?^```|^ {4}.*?$", re.MULTILINE | re.DOTALL)
FOLDERS = ("config/", "debian/", "docs/", "drivers/", "evse_daemon/", "simulators/", "systemd/", "tests/")
PATH = re.compile(r"`([\w./-]+)`")
FILE = re.compile(r"\.(md|proto|py|toml|txt|yaml)$")
SHORT_FOR = (ROOT, ROOT / "evse_daemon", ROOT / "evse_daemon/modules")
"""Where a path in the tables of ARCHITECTURE.md may begin, as it says above them."""


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def prose(page: Path) -> str:
    return CODE_BLOCK.sub("", page.read_text("utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The headings of a page as GitHub names them in links."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", LINK.sub("", heading).strip().lower())
        found.add(words.replace(" ", "-"))
    return frozenset(found)


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """The links of a page to other files of this tree: as written, file, heading."""
    for written in LINK.findall(prose(page)):
        if not re.match(r"[a-z]+:", written):
            file, _, heading = written.partition("#")
            yield written, (page.parent / file).resolve() if file else page, heading


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [
        written
        for written, file, heading in links(page)
        if not file.exists() or (heading and heading not in anchors(file))
    ]
    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_table_is_one(page: Path) -> None:
    """An empty line between its head and its rows makes text of them."""
    assert re.findall(r"^.*\n\| --- .*\n(?!\| )", prose(page), re.MULTILINE) == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            waiting += [file for _, file, _ in links(page)]
    assert [named(page) for page in (ROOT / "docs").glob("*.md") if page.resolve() not in reached] == []


def is_topic(path: str) -> bool:
    """Topics have folders' names too: evse_daemon/everest/status, config/request."""
    return path.startswith(("config/", "evse_daemon/")) and not (FILE.search(path) or path.endswith("/"))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "ARCHITECTURE.md"], ids=named)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    paths = [path for path in PATH.findall(prose(page)) if path.startswith(FOLDERS) and not is_topic(path)]
    assert [path for path in paths if not (ROOT / path).exists() and "/NAME" not in path] == []


def test_every_file_of_the_tables_of_the_architecture_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    cells = [PATH.findall(row.split("|")[2]) for row in text.splitlines() if row.startswith("| ")]
    missing = []
    for cell in cells:
        beside = sorted((ROOT / "evse_daemon/modules").iterdir())  # "its `module.py`": any module's
        for path in cell:
            if "/" in path or FILE.search(path):
                there = [place for folder in (*SHORT_FOR, *beside) if (place := folder / path).exists()]
                if there:
                    beside = [there[0].parent]
                else:
                    missing.append(path)
    assert missing == []
    assert len(cells) > 50, "the tables are no longer found"


def test_every_page_that_programs_and_examples_name_is_there() -> None:
    sources = [ROOT / "dev.py", *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*"))]
    missing = {
        f"{named(source)}: {page}"
        for source in sources
        if source.suffix in {".1", ".conf", ".md", ".py", ".service", ".yaml"}
        for page in re.findall(r"\bdocs/[\w-]+\.md\b", source.read_text("utf-8"))
        if not (ROOT / page).exists()
    }
    assert missing == set()
