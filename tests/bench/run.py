"""The benchmarks, by `python3 dev.py bench [PART …]`; see README.md beside this file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from evse_daemon.framework import log as logging_setup
from tests.bench import event_to_command, kernel, many_evses, process, round_trip, serial_board, use
from tests.bench.report import Row, machine, table, write_json
from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary, start_mosquitto

ON_A_BROKER: dict[str, Callable[[Mosquitto, Path], Iterable[Row]]] = {
    "process": process.rows,
    "round_trip": round_trip.rows,
    "event": event_to_command.rows,
    "serial": serial_board.rows,
    "use": use.rows,
    "evses": many_evses.rows,
}
ON_A_STOCK_BROKER: dict[str, Callable[[Mosquitto, Path], Iterable[Row]]] = {
    "round_trip": round_trip.delayed_rows
}
WITHOUT: dict[str, Callable[[], Iterable[Row]]] = {"kernel": kernel.rows}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parts = [*ON_A_BROKER, *WITHOUT]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(parts)}; default: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON, too")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.parts) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    facts = machine()
    log = logging_setup.configure("warning", "console")
    try:
        found = _measure(arguments.parts or parts)
    finally:
        log.close()
    for name, text in facts.items():
        print(f"{name + ':':<8} {text}")
    print()
    print(table(found))
    if arguments.json is not None:
        write_json(arguments.json, facts, found)
    return 0


def _measure(parts: Iterable[str]) -> list[Row]:
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="evse-bench-") as name:
        folder = Path(name)
        on_a_broker = [part for part in parts if part in ON_A_BROKER]
        if on_a_broker and mosquitto_binary() is None:
            print(MISSING, file=sys.stderr)
        elif on_a_broker:
            found += _on_brokers(on_a_broker, folder)
        for part in parts:
            if part in WITHOUT:
                _say(part)
                found += WITHOUT[part]()
    return found


def _on_brokers(parts: Sequence[str], folder: Path) -> Iterable[Row]:
    for by_part, conf in ((ON_A_BROKER, ""), (ON_A_STOCK_BROKER, "set_tcp_nodelay false")):
        broker = start_mosquitto(folder, f"log_type none\n{conf}")
        try:
            for part in parts:
                if part in by_part:
                    _say(f"{part} {conf}".strip())
                    yield from by_part[part](broker, folder)
        finally:
            broker.stop()


def _say(part: str) -> None:
    print(f"measuring: {part} …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
