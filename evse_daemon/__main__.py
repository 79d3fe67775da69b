"""``python -m evse_daemon`` is the command evse-daemon."""

import sys

from evse_daemon.cli.main import main

sys.exit(main())
