"""Whose turn it is on a shared line: one request at a time, the devices in turn.

On a serial line an answer says whose it is, and not to which question. A question that was not answered in time may be
answered yet; until it no longer can be, no other question is asked whose answer would look the same.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from drivers.modbus.requests import NoLine, Outcome, Request, Silence

MOST_WAITING = 32
"""Requests to one device that may wait."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request that waits.

    Args:
        request: what to ask.
        expires_s: nobody waits for its answer any more after this time.
        done: takes the outcome, once.
        tries: how often it was sent without an answer.
    """

    request: Request
    expires_s: float
    done: Callable[[Outcome], None]
    tries: int = 0


class Turns:
    """The requests that wait, by device. Times are monotonic seconds of whoever uses it."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, deque[Job]] = OrderedDict()
        self._unanswered: dict[int, list[tuple[float, Request]]] = {}

    def put(self, job: Job) -> None:
        """Takes a job; refuses it at once where too many wait for the device."""
        waiting = self._waiting.setdefault(job.request.device_id, deque())
        if len(waiting) >= MOST_WAITING:
            job.done(
                NoLine(
                    f"{len(waiting)} requests wait already for device {job.request.device_id} on this line"
                )
            )
            return
        waiting.append(job)

    def again(self, job: Job) -> None:
        """The job was sent in vain; it is the next of its device, after the turns of the others."""
        waiting = self._waiting.pop(job.request.device_id, deque())
        waiting.appendleft(replace(job, tries=job.tries + 1))
        self._waiting[job.request.device_id] = waiting

    def take(self, now_s: float) -> Job | None:
        """The next job, of the device that has waited longest for its turn; None where none may be sent now."""
        self._drop_expired(now_s)
        for device_id, waiting in self._waiting.items():
            if self._free_s(waiting[0].request) > now_s:
                continue
            job = waiting.popleft()
            del self._waiting[device_id]
            if waiting:
                self._waiting[device_id] = waiting  # behind all others
            return job
        return None

    def beware(self, request: Request, now_s: float, until_s: float) -> None:
        """A request was not answered in time, and may be until then."""
        before = self._unanswered.get(request.device_id, [])
        kept = [(end_s, asked) for end_s, asked in before if end_s > now_s and asked != request]
        self._unanswered[request.device_id] = [*kept, (until_s, request)]

    def next_s(self) -> float | None:
        """When a job may be sent; None where nothing waits."""
        return min((self._free_s(waiting[0].request) for waiting in self._waiting.values()), default=None)

    def _free_s(self, request: Request) -> float:
        """When this may be asked without mistaking an answer to something else for its own."""
        return max(
            (
                until_s
                for until_s, asked in self._unanswered.get(request.device_id, ())
                if (asked.function, asked.count) == (request.function, request.count)
                and asked.address != request.address
            ),
            default=0.0,
        )

    def clear(self, reason: str) -> None:
        """The line is closed: whatever waits is told."""
        waiting, self._waiting = self._waiting, OrderedDict()
        for jobs in waiting.values():
            for job in jobs:
                job.done(NoLine(reason))

    def _drop_expired(self, now_s: float) -> None:
        for device_id, waiting in list(self._waiting.items()):
            while waiting and waiting[0].expires_s <= now_s:
                job = waiting.popleft()
                reason = "no answer" if job.tries else "its turn on the line did not come in time"
                job.done(Silence(reason))
            if not waiting:
                del self._waiting[device_id]
