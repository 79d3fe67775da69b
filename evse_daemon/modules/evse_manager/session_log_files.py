"""The files of session logs, written by a thread: a disk that is full or hangs delays nothing and is only logged."""

from __future__ import annotations

import atexit
import csv
import html
import queue
import threading
from pathlib import Path
from typing import TextIO

import structlog

MOST_WAITING = 10_000
"""Lines that may wait for a disk that hangs; more are dropped."""

COLUMNS = ("time", "origin", "target", "event", "details")
Row = tuple[str, str, str, str, str]

INCOMPLETE, COMPLETE = "incomplete-eventlog", "eventlog"

HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font-family: sans-serif; font-size: 14px }}
table {{ border-collapse: collapse }}
td, th {{ border: 1px solid #ccc; padding: 2px 8px; text-align: left; white-space: pre-wrap }}
.CAR {{ background: #e8f0fa }} .SYS {{ background: #f2f2f2 }}
</style></head><body><h1>{title}</h1><table>
"""
TAIL = "</table></body></html>\n"

log = structlog.get_logger(__name__)


class SessionLogFiles:
    """Writes one session's log after the other; no method waits or raises."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[Path | Row | bool | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._folder = Path()
        self._open: tuple[TextIO, TextIO] | None = None
        self._dropped = False

    def open(self, folder: Path) -> None:
        """Begins the log of a session; one that is open stays incomplete."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_all, name="session log", daemon=True)
            self._thread.start()
            atexit.register(self.stop)
        self._put(folder)

    def write(self, row: Row) -> None:
        self._put(row)

    def complete(self) -> None:
        """The session is over: its files get their names."""
        self._put(True)

    def stop(self, timeout_s: float = 1.0) -> None:
        """Writes what waits, as far as the disk takes it in that time, and ends the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        atexit.unregister(self.stop)
        self._put(None)
        thread.join(timeout_s)

    def _put(self, item: Path | Row | bool | None) -> None:
        try:
            self._waiting.put_nowait(item)
            self._dropped = False
        except queue.Full:
            if not self._dropped:
                log.warning("lines of the session log are dropped: the disk hangs", folder=str(self._folder))
            self._dropped = True

    # Below here: the writer's thread.

    def _write_all(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                self._do(item)
            except (OSError, ValueError) as error:
                log.error(  # noqa: TRY400 - the reason says it
                    "the session log cannot be written and stays incomplete",
                    folder=str(self._folder),
                    reason=str(error),
                )
                self._abandon()
        self._abandon()

    def _do(self, item: Path | Row | bool) -> None:
        if isinstance(item, Path):
            self._abandon()
            self._begin(item)
        elif self._open is not None:
            if isinstance(item, tuple):
                self._write(self._open, item)
            else:
                self._complete(self._open)

    def _begin(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        table = (folder / f"{INCOMPLETE}.csv").open("x", encoding="utf-8", newline="")
        try:
            page = (folder / f"{INCOMPLETE}.html").open("x", encoding="utf-8")
        except OSError:
            table.close()
            raise
        self._open = (table, page)
        csv.writer(table).writerow(COLUMNS)
        page.write(HEAD.format(title=html.escape(folder.name)))
        page.write(f"<tr>{''.join(f'<th>{name}</th>' for name in COLUMNS)}</tr>\n")

    def _write(self, files: tuple[TextIO, TextIO], row: Row) -> None:
        table, page = files
        csv.writer(table).writerow(row)
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        page.write(f'<tr class="{row[1]}">{cells}</tr>\n')
        if self._waiting.empty():
            table.flush()  # so that a crash leaves what led to it
            page.flush()

    def _complete(self, files: tuple[TextIO, TextIO]) -> None:
        files[1].write(TAIL)
        for file in files:
            file.close()
        self._open = None
        for kind in ("csv", "html"):
            (self._folder / f"{INCOMPLETE}.{kind}").rename(self._folder / f"{COMPLETE}.{kind}")

    def _abandon(self) -> None:
        files, self._open = self._open, None
        for file in files or ():
            try:
                file.close()
            except OSError:
                continue  # what is not on the disk is lost, and that was logged
