"""Faults of a real Mosquitto during charging sessions, by `python3 dev.py soak`; the exit status says whether all held."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.soak.broker_faults import RIGHT_AGAIN_S, session_events, state_after_kill
from tests.support.brokers import MISSING, OTHER_VARIABLE, Mosquitto, mosquitto_binary, other_mosquitto_binary


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="dev.py soak",
        description=__doc__,
        epilog=f"With {OTHER_VARIABLE} in the environment, that Mosquitto is taken.",
    )
    parser.add_argument(
        "--faults", type=int, default=24, metavar="N", help="resets and restarts (default: 24)"
    )
    parser.add_argument(
        "--kills", type=int, default=5, metavar="N", help="kill -9 of the broker (default: 5)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which the faults come")
    arguments = parser.parse_args(argv)
    binary = other_mosquitto_binary() or mosquitto_binary()
    if binary is None:
        print(MISSING, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="evse-soak-") as name:
        folder = Path(name)
        broker = Mosquitto(folder / "broker", binary, "", persistent=True)
        broker.start()
        try:
            result = session_events(broker, folder / "events", arguments.faults, _say, arguments.seed)
            state_after_kill(broker, folder / "kills", arguments.kills, result)
        finally:
            broker.stop()
    late = [took_s for took_s in result.right_again_s if took_s > RIGHT_AGAIN_S]
    if late:
        result.problems.append(
            f"{len(late)} times the state was right only after more than {RIGHT_AGAIN_S:g} s"
        )
    faults = ", ".join(f"{count} times {what}" for what, count in result.faults.items())
    print(f"faults:     {faults}, {arguments.kills} times broker killed")
    print(f"sessions:   {result.sessions} whole ones, {result.events} session events")
    print(f"at QoS 1:   {result.repeated_at_qos_1} came more than once, which is allowed")
    times = " ".join(f"{took_s:.2f}" for took_s in result.right_again_s) or "no"
    print(f"after kill: right again within {times} s (aim: {RIGHT_AGAIN_S:g} s)")
    for problem in result.problems:
        print(f"PROBLEM:    {problem}")
    print("failed" if result.problems else "all held: each event exactly once at QoS 2, in order at both")
    return 1 if result.problems else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
