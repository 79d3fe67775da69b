"""Whose turn it is on a shared line: one request at a time, the devices in turn, none asked before it has rested."""

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
        self._rests_until_s: dict[int, float] = {}

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
            if self._rests_until_s.get(device_id, now_s) > now_s:
                continue
            job = waiting.popleft()
            del self._waiting[device_id]
            if waiting:
                self._waiting[device_id] = waiting  # behind all others
            return job
        return None

    def rest(self, device_id: int, until_s: float) -> None:
        """The device is not asked before this time: it may answer late, and would answer the wrong question."""
        self._rests_until_s[device_id] = until_s

    def next_s(self) -> float | None:
        """When a job may be sent; None where nothing waits."""
        return min((self._rests_until_s.get(device_id, 0.0) for device_id in self._waiting), default=None)

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
