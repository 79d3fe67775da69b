"""What prometheus_client tells of the process, with the time of its start by the clock of now."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric as Family


class Process(ProcessCollector):
    """As the library's, which reads once in /proc/stat when the computer was started.

    Our systemd unit hides that file (ProcSubset=pid), and a clock that is set later would leave the start in 1970.
    """

    def _boot_time(self) -> float:
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)

    def collect(self) -> Iterable[Family]:
        self._btime = self._boot_time()  # type: ignore[assignment]  # the library's own is a float, too
        return super().collect()
