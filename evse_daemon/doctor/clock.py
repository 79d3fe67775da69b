"""The computer's clock."""

from __future__ import annotations

import ctypes
import datetime as dt
from collections.abc import Callable, Iterator

from evse_daemon.doctor.findings import Finding, ok, problem, warning

SYNCHRONIZED_US = 16_000_000
"""The kernel's own bound: with this possible error and more a clock counts as not synchronized, as in timedatectl."""

LET_SET = "timedatectl set-ntp true, or install chrony; without network a clock with a battery"


class _Timex(ctypes.Structure):
    """The beginning of struct timex, adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_char * 256),
    )


def possible_error_us() -> int | None:
    """How wrong the clock may be, as the kernel knows it from whoever sets it (chrony, ntpd, timesyncd); µs."""
    timex = _Timex()  # modes 0: nothing is set
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else int(timex.maxerror)


def look_at_clock(
    today: dt.date, released: dt.date, error_us: Callable[[], int | None] = possible_error_us
) -> Iterator[Finding]:
    """Whether the time of day can be true, and is kept so.

    Args:
        today: in UTC.
        released: no computer that runs this can be earlier.
        error_us: as possible_error_us.
    """
    if today < released:
        yield problem(
            "clock",
            f"it says {today}: cars charge, with wrong times in their transactions, and no certificate is valid",
            LET_SET,
        )
        return
    error = error_us()
    if error is None:
        yield warning("clock", f"it says {today}; whether a time server sets it is not known", "timedatectl")
    elif error >= SYNCHRONIZED_US:
        yield warning("clock", f"it says {today}, and no time server sets it", LET_SET)
    else:
        yield ok("clock", f"it says {today}, and is set by a time server")
