"""The libraries that the wire needs, which are not installed with the daemon itself."""

from __future__ import annotations

import importlib.util


class MissingExtraError(Exception):
    """A library is missing; the message says how to install it."""


def need(*libraries: str, extra: str = "serial") -> None:
    """Checks that libraries are there.

    Raises:
        MissingExtraError: one is missing.
    """
    for name in libraries:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # the package around it
            found = None
        if found is None:
            raise MissingExtraError(
                f"the simulated board on a wire needs {name}: pip install 'evse-daemon[{extra}]'"
            )
