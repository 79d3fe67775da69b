"""pymodbus is loaded where a line is opened, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import drivers.generic_powermeter.module, drivers.modbus_tcp_hub.module, drivers.serial_comm_hub.module
import evse_daemon.cli.main
evse_daemon.cli.main.parser()
assert "pymodbus" not in sys.modules and "serial" not in sys.modules
from drivers.modbus.client import TcpPlace
try:
    TcpPlace("127.0.0.1").client()
except RuntimeError:
    pass  # it wants an event loop
assert "pymodbus" in sys.modules
"""


def test_modules_with_modbus_are_imported_without_its_library() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
