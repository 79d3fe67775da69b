"""EVerest's run configuration: a YAML file becomes validated models, or one report of everything wrong with it."""

from evse_daemon.config.loading import load, load_text
from evse_daemon.config.model import Connection, DaemonSettings, ModuleConfig, RunConfig, Settings
from evse_daemon.config.problems import ConfigurationError, Problem

__all__ = [
    "ConfigurationError",
    "Connection",
    "DaemonSettings",
    "ModuleConfig",
    "Problem",
    "RunConfig",
    "Settings",
    "load",
    "load_text",
]
