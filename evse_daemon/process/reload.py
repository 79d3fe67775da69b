"""The configuration is read again, and what is safe of it is taken over while the station runs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from evse_daemon.config import ConfigurationError, RunConfig
from evse_daemon.config.differences import Changes, Difference, changes
from evse_daemon.config.document import Item
from evse_daemon.framework import log as logging_setup
from evse_daemon.process.hangups import Changed, Hangups, Read
from evse_daemon.process.service_manager import ServiceManager
from evse_daemon.station import Station

SETTLED_S = 1.0
"""A file that has not changed for so long is not being written any more: half of one can be valid, and wrong."""

READ_S = 30.0
"""How long reading may take: a disk may hang, a file may be written for ever."""

APART_S = 0.5
"""Between two readings: whoever sends signals without end does not get the processor."""

MOST_SHOWN = 20
"""Problems that the log tells of one file."""

MOST_LISTED = 100
"""Changes that one line of the log lists."""

NO_SESSION = frozenset({"Starting", "Disabled", "Idle", "Finished", "Failed"})
"""States of an EVSE (docs/explain.md) in which a restart ends nothing."""

log = structlog.get_logger(__name__)


class Reloads:
    """Compares the file with what runs, and has the modules take over what they can.

    Args:
        station: what runs.
        service: is told of it, and what is to be done about it.
        read: reads the configuration; called in a thread, since a large file takes longer than a kernel can wait.
        runs: called in a thread when all that the file says runs; it may take long.
        changed: called with what runs after something was taken over, and the ids of its modules.
    """

    def __init__(
        self,
        station: Station,
        service: ServiceManager,
        read: Read,
        runs: Callable[[], None],
        changed: Changed | None = None,
    ) -> None:
        self._station = station
        self._service = service
        self._read = read
        self._runs = runs
        self._changed = changed

    async def run(self, hangups: Hangups, ends: asyncio.Event) -> None:
        """One reload after the other, until the station ends."""
        await self._station.begun.wait()
        while not ends.is_set():
            await hangups.next()
            with self._service.reloading():
                await self.reload(ends)
            await asyncio.sleep(APART_S)

    async def reload(self, ends: asyncio.Event) -> None:
        """Reads the file and takes over what is safe; whatever is wrong with it, the station goes on as it was."""
        try:
            async with asyncio.timeout(READ_S):
                wanted, document = await _in_thread(self._read)
            if ends.is_set():
                return
            self._take(wanted, document)
        except ConfigurationError as error:
            self._refuse(error)
        except TimeoutError:
            self._refused("the file could not be read to its end", f"it took longer than {READ_S:g} s")
        except Exception:
            log.exception("the configuration was not taken over")
            self._service.remark("The configuration was not taken over: see the log.")

    def _take(self, wanted: RunConfig, document: Item) -> None:
        before = self._station.config
        found = changes(before, wanted, self._station.failed)
        for warning in wanted.warnings:
            if warning not in before.warnings:
                log.warning(warning.message, where=f"{warning.file}:{warning.line}")
        if found.config.daemon.log_level != before.daemon.log_level:
            logging_setup.set_level(found.config.daemon.log_level)
        self._station.reconfigure(found.config, found.modules)
        if self._changed is not None:
            self._changed(found.config, found.modules)
        self._tell(wanted.file, found, document)

    def _tell(self, file: str, found: Changes, document: Item) -> None:
        def listed(differences: tuple[Difference, ...]) -> str:
            more = [f"and {len(differences) - MOST_LISTED} more"] if len(differences) > MOST_LISTED else []
            return "; ".join([each.at(file, document) for each in differences[:MOST_LISTED]] + more)

        if found.taken:
            log.info("the configuration was read again; taken over", changes=listed(found.taken))
        elif not found.waiting:
            log.info("the configuration was read again: it says what runs")
        if not found.waiting:
            self._service.remark("")
            threading.Thread(target=self._runs, name="keep the configuration", daemon=True).start()
            return
        charging = self._in_session()
        log.warning(
            "changes of the configuration need a restart",
            changes=listed(found.waiting),
            charging=charging or "no car",
            remedy="systemctl restart evse-daemon" + (", which ends these sessions" if charging else ""),
        )
        places = listed(found.waiting[:1])
        more = f" and {len(found.waiting) - 1} more" if len(found.waiting) > 1 else ""
        self._service.remark(f"Restart needed for {places}{more}.")

    def _in_session(self) -> list[str]:
        try:
            evses = self._station.explain()["evses"]
        except Exception:  # noqa: BLE001 - it only tells, and mqtt/explain_topic.py logs the same
            return []
        return [each["evse"] for each in evses if each["state"] not in NO_SESSION]

    def _refuse(self, error: ConfigurationError) -> None:
        for problem in error.problems[:MOST_SHOWN]:
            where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
            hint = {"hint": problem.hint} if problem.hint else {}
            log.error("configuration", where=where, problem=problem.message, **hint)
        more = f" ({len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        self._refused(str(error.problems[0]).splitlines()[0] + more)

    def _refused(self, *reasons: str) -> None:
        reason = ": ".join(reasons)
        log.error("the configuration was not taken over: the station goes on as it was", reason=reason)
        self._service.remark(f"The configuration was not taken over: {reason}.")


def settled(file: Path, read: Read) -> tuple[RunConfig, Item]:
    """Reads when nobody writes any more; it waits.

    Raises:
        ConfigurationError: as ``read``.
        TimeoutError: it is being written for longer than READ_S.
    """
    deadline_s = time.monotonic() + READ_S
    while time.monotonic() < deadline_s:
        before = _signature(file)
        time.sleep(SETTLED_S)
        if _signature(file) != before:
            continue
        try:
            found = read()
        except ConfigurationError:
            if _signature(file) == before:
                raise
        else:
            if _signature(file) == before:
                return found
    raise TimeoutError


def _signature(file: Path) -> tuple[int, ...]:
    """What tells one state of a file from another; of one that is not there, nothing: reading it will say why."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


async def _in_thread(read: Read) -> tuple[RunConfig, Item]:
    """As asyncio.to_thread, but the process can end while the thread hangs.

    The garbage collector waits meanwhile: where it looks through a large document, nobody else gets on.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[RunConfig, Item]] = loop.create_future()

    def give(found: tuple[RunConfig, Item] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def work() -> None:
        found: tuple[RunConfig, Item] | Exception
        try:
            found = read()
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            found = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(give, found)

    collects = gc.isenabled()
    gc.disable()
    try:
        threading.Thread(target=work, name="read the configuration", daemon=True).start()
        return await answer
    finally:
        if collects:
            gc.enable()
