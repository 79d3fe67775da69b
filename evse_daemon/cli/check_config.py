"""``evse-daemon check-config FILE``: says whether a configuration can be used, and what is wrong with it."""

from __future__ import annotations

import os
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from evse_daemon.cli.exit_codes import ExitCode
from evse_daemon.config import ConfigurationError, Problem, RunConfig, load
from evse_daemon.config.problems import render


def run(path: Path | str, json: bool = False) -> int:
    """Checks a file together with the environment variables that override it.

    Args:
        path: the configuration.
        json: print one JSON object for programs instead of text.

    Returns:
        The exit code: 0, or 3 where the configuration cannot be used.
    """
    try:
        config = load(path, os.environ)
    except ConfigurationError as error:
        print(_json(path, False, error.problems, ()) if json else _failed(error))
        return ExitCode.CONFIGURATION
    print(_json(path, True, (), config.warnings, len(config.modules)) if json else _passed(config))
    return ExitCode.OK


def _failed(error: ConfigurationError) -> str:
    count = len(error.problems)
    return f"{render(error.problems)}\n{count} problem{'s' if count > 1 else ''}"


def _passed(config: RunConfig) -> str:
    warnings = [f"warning: {warning}" for warning in config.warnings]
    count = len(config.modules)
    facts = [
        f"{count} module{'s' if count > 1 else ''}",
        f"broker {config.broker().describe()}",
        f"prefix {config.settings.mqtt_everest_prefix}",
        f"dialect {config.daemon.mqtt_dialect}",
    ]
    if warnings:
        facts.append(f"{len(warnings)} warning{'s' if len(warnings) > 1 else ''}")
    return "\n".join([*warnings, f"OK: {', '.join(facts)}"])


def _json(
    path: Path | str, ok: bool, problems: tuple[Problem, ...], warnings: tuple[Problem, ...], modules: int = 0
) -> str:
    report: dict[str, Any] = {
        "file": str(path),
        "ok": ok,
        "modules": modules,
        "problems": [asdict(problem) for problem in problems],
        "warnings": [asdict(warning) for warning in warnings],
    }
    return dumps(report, indent=2)
