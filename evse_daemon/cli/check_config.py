"""``evse-daemon check-config FILE``: says whether a configuration can be used, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Any

from evse_daemon.config import ConfigurationError, Problem, RunConfig, load
from evse_daemon.config.problems import render
from evse_daemon.config.shared_broker import shared_topics
from evse_daemon.exit_codes import ExitCode


def run_all(paths: Sequence[Path], json: bool = False) -> int:
    """As ``run`` for each file, and whether their stations could share a broker; as JSON one list with all reports.

    Returns:
        The exit code: 0, or 3 where one of them cannot be used.
    """
    if len(paths) == 1:
        return run(paths[0], json=json)
    configs: list[RunConfig] = []
    reports: list[str] = []
    for path in paths:
        try:
            configs.append(load(path, os.environ))
        except ConfigurationError as error:
            reports.append(_json(path, False, error.problems, ()) if json else f"{path}\n{_failed(error)}")
    shared = shared_topics(configs)
    for config in configs:
        warnings = (*config.warnings, *(found for found in shared if found.file == config.file))
        passed = dataclasses.replace(config, warnings=warnings)
        report = _json(config.file, True, (), warnings, len(config.modules)) if json else None
        reports.append(report or f"{config.file}\n{_passed(passed)}")
    print("[" + ",\n".join(reports) + "]" if json else "\n\n".join(reports))
    return ExitCode.OK if len(configs) == len(paths) else ExitCode.CONFIGURATION


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
