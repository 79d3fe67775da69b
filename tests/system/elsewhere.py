"""The command evse-daemon with another place for a broker that runs already: ``PORT[-] ARGUMENT…``.

Of the four brokers of the simulator three are tried at port 1883, which on a machine that runs tests may be anybody's.
With a ``-`` after the port there is no Mosquitto on this machine, as far as the program sees.
"""

import sys

from evse_daemon.cli.main import main

try:
    from evse_daemon.mqtt import find_broker as finder
except KeyboardInterrupt:
    sys.exit(130)
place = sys.argv[1]
assert finder.find_broker.__kwdefaults__ is not None
finder.find_broker.__kwdefaults__["port"] = int(place.rstrip("-"))
if place.endswith("-"):
    vars(finder)["find_mosquitto"] = lambda: None
sys.exit(main(sys.argv[2:]))
