"""Reads a run configuration: the file, what the environment overrides, and the module classes it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evse_daemon.config.document import MAX_BYTES, Item, parse
from evse_daemon.config.dummies import warn_of_dummies
from evse_daemon.config.elsewhere import Elsewhere
from evse_daemon.config.energy_tree import check_energy_tree
from evse_daemon.config.environment import effective_daemon, effective_settings
from evse_daemon.config.home_assistant import warn_of_missing_api
from evse_daemon.config.metrics_host import warn_of_metrics_host
from evse_daemon.config.model import DaemonSettings, ModuleConfig, RunConfig, Settings, broker_settings
from evse_daemon.config.modules import read_modules
from evse_daemon.config.nobody_charges import warn_of_missing_auth
from evse_daemon.config.options import validated
from evse_daemon.config.problems import ConfigurationError, Problem, Report, suggestion
from evse_daemon.config.shared_broker import warn_of_prefixes

SECTIONS = ("settings", "active_modules", "daemon", "x-module-layout")


def load(path: Path | str, environ: Mapping[str, str]) -> RunConfig:
    """The configuration of a file.

    Args:
        path: the file.
        environ: the environment variables that may override it; see config/environment.py.

    Raises:
        ConfigurationError: with every problem that was found.
    """
    return load_with_lines(path, environ)[0]


def load_with_lines(path: Path | str, environ: Mapping[str, str]) -> tuple[RunConfig, Item]:
    """As ``load``, with the document that says on which line each value stands."""
    report = Report(str(path))
    return _run_config(_text(path, report), environ, report, Path(path).absolute().parent)


def load_modules(path: Path | str) -> tuple[dict[str, ModuleConfig], tuple[Problem, ...]]:
    """The modules of a file that can be used, whatever is wrong with the rest of it, and what is wrong.

    For whoever has to reach the hardware of a station that could not run.

    Raises:
        ConfigurationError: it is no configuration at all.
    """
    report = Report(str(path))
    document = parse(_text(path, report), report)
    active_modules = None if document is None else document.mapping.get("active_modules")
    if active_modules is None:
        report.problem(None, "active_modules", "there are no active_modules")
        raise ConfigurationError(report.problems)
    return read_modules(active_modules, Elsewhere("everest", None), report), report.problems


def _text(path: Path | str, report: Report) -> str:
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        report.problem(None, "", f"the configuration cannot be read: {reason}")
        raise ConfigurationError(report.problems) from None
    if len(content) > MAX_BYTES:
        report.problem(
            None, "", f"the file is larger than {MAX_BYTES >> 20} MiB; this cannot be a configuration"
        )
        raise ConfigurationError(report.problems)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        report.problem(line, "", "this is not a text in UTF-8", "save the file as UTF-8")
        raise ConfigurationError(report.problems) from None


def load_text(text: str, environ: Mapping[str, str] | None = None, file: str = "configuration") -> RunConfig:
    """The configuration that a text holds; messages name it ``file``.

    Raises:
        ConfigurationError: with every problem that was found.
    """
    return _run_config(text, environ or {}, Report(file), None)[0]


def _run_config(
    text: str, environ: Mapping[str, str], report: Report, folder: Path | None
) -> tuple[RunConfig, Item]:
    document = parse(text, report)
    if document is None:
        raise ConfigurationError(report.problems)
    if not isinstance(document.value, dict):
        report.problem(
            document.line, "", f"the file must be a mapping with `active_modules:`, not {document.describe()}"
        )
        raise ConfigurationError(report.problems)
    for name, item in document.mapping.items():
        if name not in SECTIONS:
            report.problem(
                item.line, name, f"unknown section {name!r}", suggestion(name, SECTIONS, "sections")
            )

    settings_item = _section(document, "settings")
    settings = validated(Settings, settings_item, "settings", "settings", report, what="key")
    settings = effective_settings(settings or Settings(), settings_item, environ, report)
    warn_of_prefixes(settings, settings_item, environ, report)
    daemon_item = _section(document, "daemon")
    daemon = validated(DaemonSettings, daemon_item, "daemon", "daemon", report, what="key", folder=folder)
    daemon = effective_daemon(daemon or DaemonSettings(), environ, report)
    try:
        broker_settings(settings, daemon)
    except ValueError as error:
        place = daemon_item.at(("broker",)) or daemon_item
        report.problem(place.line, "daemon.broker", str(error))

    active_modules = document.mapping.get("active_modules")
    modules = {}
    if active_modules is None:
        report.problem(document.line, "active_modules", "the section `active_modules:` is missing")
    else:
        elsewhere = Elsewhere(daemon.mqtt_dialect, _modules_dir(settings, folder))
        modules = read_modules(active_modules, elsewhere, report)
        warn_of_dummies(modules, report)
        warn_of_missing_auth(modules, report)
        check_energy_tree(modules, daemon, daemon_item, report)
        warn_of_missing_api(modules, daemon, daemon_item, report)
    warn_of_metrics_host(daemon, daemon_item, report)
    if report.problems:
        raise ConfigurationError(report.problems)
    return RunConfig(report.file, settings, daemon, modules, tuple(report.warnings)), document


def _modules_dir(settings: Settings, folder: Path | None) -> Path | None:
    """EVerest's folder of modules; a relative one is meant from the folder of the configuration file."""
    if not settings.modules_dir:
        return None
    return (folder or Path()) / settings.modules_dir


def _section(document: Item, name: str) -> Item:
    item = document.mapping.get(name)
    if item is None or item.value is None:
        return Item({}, document.line if item is None else item.line)
    return item
