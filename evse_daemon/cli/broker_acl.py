"""``evse-daemon broker-acl CONFIG``: prints an access list for Mosquitto."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from evse_daemon.access_list import access_list
from evse_daemon.config import ConfigurationError, load
from evse_daemon.exit_codes import ExitCode


def broker_acl(path: Path, environ: Mapping[str, str]) -> int:
    """Prints the access list of a configuration's station; returns the exit status."""
    try:
        config = load(path, environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return ExitCode.CONFIGURATION
    print(access_list(config), end="")
    return ExitCode.OK
