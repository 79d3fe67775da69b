"""Threads for what may hang in the operating system: a name server that is away, a device that does not close."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

IDLE_S = 0.2
"""How long idle threads may take to end."""


class UnwaitedExecutor(ThreadPoolExecutor):
    """As asyncio's own, which however waits at the end of the process for as long as its threads hang.

    asyncio.run does so when it closes the loop, Python when it ends: who finds that it ``hangs`` ends by os._exit.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - the library's
        super().shutdown(wait=False, cancel_futures=cancel_futures)

    def hangs(self) -> bool:
        """Whether a thread is still busy after the shutdown."""
        until_s = time.monotonic() + IDLE_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        return any(thread.is_alive() for thread in self._threads)
