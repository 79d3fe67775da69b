"""Runs a Modbus line: takes the requests in turn, opens the line again where it was lost, tries again.

Time here is the wire's: always real (design rule 10).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from drivers.modbus.client import ClientMaker, MissingLibraryError, ModbusClient, Place, SerialPort
from drivers.modbus.requests import NoLine, Outcome, Refusal, Request, Silence
from drivers.modbus.turns import Job, Turns
from evse_daemon import metric_names as names
from evse_daemon.framework.measures import Measure
from evse_daemon.framework.rate_limit import RateLimitedLog

RECONNECT_S = 1.0
"""From one attempt to open the line to the next; meanwhile requests fail at once."""

MOST_SILENCES = 3
"""So many requests in a row without an answer from anybody, and a connection is made anew."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take.

    Args:
        timeout_s: from the end of the request to the end of the answer, without the time on the wire.
        retries: further attempts when there is no answer, the neighbours in between; none at a device that did not
            answer last time, so that one that was switched off does not slow them down.
    """

    timeout_s: float
    retries: int


class Line:
    """A serial bus or TCP connection for any number of callers.

    Args:
        place: where the line is.
        patience: how long to wait.
        log: a structlog logger.
        make_client: for tests.
    """

    def __init__(
        self, place: Place, patience: Patience, log: Any, make_client: ClientMaker = ModbusClient
    ) -> None:
        self.place = place
        self._patience = patience
        self._log = log
        self._limited_log = RateLimitedLog(log)
        self._make_client = make_client
        self._turns = Turns()
        self._woken = asyncio.Event()
        self._client: ModbusClient | None = None
        self._why_closed = "it was not opened yet"
        self._told: str | None = self._why_closed
        self._retry_s = 0.0
        self._silent: set[int] = set()
        self._silences = 0
        self._closed = False
        self._failures = 0
        self._asked: Counter[int] = Counter()
        self._unanswered: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()

    def measures(self, module_id: str) -> Iterator[Measure]:
        """See evse_daemon.framework.measures; of the hub with this module id."""
        yield names.MODBUS_LINE_FAILURES.of(self._failures, module_id)
        for device_id, count in self._asked.items():
            yield names.MODBUS_REQUESTS.of(count, module_id, str(device_id))
            yield names.MODBUS_TIMEOUTS.of(self._unanswered[device_id], module_id, str(device_id))
            yield names.MODBUS_REFUSALS.of(self._refused[device_id], module_id, str(device_id))

    def submit(self, request: Request, patience_s: float, done: Callable[[Outcome], None]) -> None:
        """Asks; ``done`` is called once from the event loop.

        Args:
            request: what to ask.
            patience_s: after so long nobody waits for the answer, and it is not asked any more.
            done: takes the outcome.
        """
        if self._closed:
            done(NoLine(self._why_closed))
            return
        self._turns.put(Job(request, self._now_s() + patience_s, done))
        self._woken.set()

    async def run(self) -> None:
        """Serves until it is cancelled; then the line is closed, and who waits is told."""
        try:
            self._client = self._make_client(self.place)
        except MissingLibraryError as error:
            self._log.error("the line cannot be used", line=str(self.place), reason=str(error))
            self._close(str(error))
            return
        try:
            while True:
                await self._wait()
                if job := self._turns.take(self._now_s()):
                    try:
                        outcome = await self._carry_out(self._client, job)
                    except asyncio.CancelledError:
                        job.done(NoLine("the line is closed"))
                        raise
                    if outcome is None:
                        self._turns.again(job)
                    else:
                        job.done(outcome)
                    _heed_cancellation()
                    await asyncio.sleep(self.place.gap_s)
        finally:
            self._client.close()
            self._close("the line is closed")

    def _close(self, reason: str) -> None:
        self._closed = True
        self._why_closed = reason
        self._turns.clear(reason)

    async def _wait(self) -> None:
        """Until a request may be sent."""
        next_s = self._turns.next_s()
        if next_s is not None and next_s <= self._now_s():
            return
        try:
            async with asyncio.timeout_at(next_s):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def _carry_out(self, client: ModbusClient, job: Job) -> Outcome | None:
        """What came of a job; None: it is to be tried again."""
        request = job.request
        if not client.connected and (reason := await self._open(client)) is not None:
            return NoLine(reason)
        # An answer has an address, a function, a count and two bytes of checksum beside its values.
        timeout_s = self._patience.timeout_s + self.place.on_the_wire_s(8 + 5 + 2 * request.count)
        outcome = await client.transact(request, timeout_s)
        unanswered = isinstance(outcome, Silence)
        self._asked[request.device_id] += 1
        self._unanswered[request.device_id] += unanswered
        self._refused[request.device_id] += isinstance(outcome, Refusal)
        if unanswered or job.tries:
            self._turns.beware(request, self._now_s(), self._now_s() + timeout_s)
        self._count_silences(client, unanswered)
        if unanswered and request.device_id not in self._silent and job.tries < self._patience.retries:
            return None
        self._note(request, outcome)
        return outcome

    def _count_silences(self, client: ModbusClient, unanswered: bool) -> None:
        self._silences = self._silences + 1 if unanswered else 0
        if self._silences >= MOST_SILENCES and not isinstance(self.place, SerialPort):
            self._silences = 0
            client.close()

    async def _open(self, client: ModbusClient) -> str | None:
        """Opens the line where it is time to try; None, or why it is not open."""
        if self._now_s() < self._retry_s:
            return self._why_closed
        reason = await client.connect()
        if reason is None:
            if self._told is not None:
                self._told = None
                self._limited_log.info("open", "the line is open", line=str(self.place))
            return None
        self._failures += 1
        self._retry_s = self._now_s() + RECONNECT_S
        self._why_closed = reason
        if reason != self._told and self._limited_log.warning(
            reason, "the line is not there", line=str(self.place), reason=reason
        ):
            self._told = reason
        return reason

    def _note(self, request: Request, outcome: Outcome) -> None:
        """Says when a device falls silent and when it is back, and, not too often, what it refuses."""
        device_id = request.device_id
        match outcome:
            case Silence(reason):
                if device_id not in self._silent:
                    self._silent.add(device_id)
                    self._limited_log.warning(
                        (device_id, "silent"),
                        "a device does not answer",
                        line=str(self.place),
                        request=str(request),
                        reason=reason,
                    )
                return
            case Refusal():
                self._limited_log.warning(
                    (device_id, request.function, request.address),
                    "a device refuses a request",
                    line=str(self.place),
                    request=str(request),
                    reason=outcome.reason,
                )
            case NoLine():
                return
        if device_id in self._silent:
            self._silent.discard(device_id)
            self._limited_log.warning(
                (device_id, "back"), "a device answers again", line=str(self.place), device=device_id
            )

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()


def _heed_cancellation() -> None:
    """Ends the task where it was told to end in the moment an answer came.

    Before Python 3.12 asyncio.wait_for, in which pymodbus waits, forgets such an order (python/cpython#86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
