"""A run configuration as the daemon uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from evse_daemon.config.problems import Problem
from evse_daemon.framework.errors import Mapping
from evse_daemon.framework.limit_source import LimitSource
from evse_daemon.framework.module import Module, ModuleOptions, read_write, unsupported
from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings
from evse_daemon.types.base import MAX_STRING_LENGTH, Integer

MqttDialect = Literal["documented", "everest", "classic"]
ConfigMessages = Literal["GetConfig", "ConfigurationRequest"]


def _from_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path | None = (info.context or {}).get("folder")
    return path if folder is None else folder / path


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_from_folder)]
"""A file; a relative one is meant from the folder of the configuration file."""


class _Block(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=MAX_STRING_LENGTH
    )


class Settings(_Block):
    """The ``settings:`` of EVerest's run configuration (F/schemas/config.yaml:23-70, F/include/framework/runtime.hpp:95).

    Those that describe EVerest's installation are read and have no meaning here, but for ``modules_dir``: manifests of
    standalone modules are read from there. ``validate_schema`` and
    ``forward_exceptions`` have none either: input is always validated, exceptions always answered.
    """

    prefix: str = ""
    config_file: str = ""
    configs_dir: str = ""
    schemas_dir: str = ""
    modules_dir: str = ""
    interfaces_dir: str = ""
    types_dir: str = ""
    errors_dir: str = ""
    www_dir: str = ""
    logging_config_file: str = unsupported("")
    controller_port: Integer = 8849
    controller_rpc_timeout_ms: Integer = 2000
    mqtt_broker_socket_path: str | None = Field(None, min_length=1)
    mqtt_broker_host: str = Field("localhost", min_length=1)
    mqtt_broker_port: Integer = Field(1883, ge=1, le=65535)
    mqtt_everest_prefix: str = "everest"
    """Without slashes at its ends."""
    mqtt_external_prefix: str = ""
    """Put before external topics as it is; no slash is added (F/lib/runtime.cpp:381)."""
    telemetry_prefix: str = "everest-telemetry"
    telemetry_enabled: bool = unsupported(False)
    validate_schema: bool = False
    run_as_user: str = unsupported("")
    forward_exceptions: bool = False


class TlsFiles(_Block):
    """TLS to the broker; without ``ca_file`` the operating system's certificate authorities count."""

    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None


class BrokerLogin(_Block):
    """How to log in to the broker, which EVerest's settings have no words for."""

    user: str | None = Field(None, min_length=1)
    password_file: FilePath | None = None
    tls: TlsFiles | None = None


class MetricsSettings(_Block):
    """Where Prometheus reads how the station does (docs/metrics.md)."""

    port: Integer = Field(9464, ge=1, le=65535)
    host: str = Field("127.0.0.1", min_length=1)
    """This computer alone; of other addresses check-config warns, as there is no TLS and no login."""


class HomeAssistantSettings(_Block):
    """Announces the EVSEs to Home Assistant by its MQTT discovery (docs/home-assistant.md)."""

    enabled: bool = False
    discovery_prefix: str = Field("homeassistant", pattern=r"^[A-Za-z0-9_-]+$", max_length=64)
    """As it is set in Home Assistant's MQTT integration."""
    commands: bool = True
    """False: Home Assistant gets readings only, and no switch, number or button."""


class DaemonSettings(_Block):
    """The ``daemon:`` block: what only this daemon can be set to."""

    mqtt_dialect: MqttDialect = "documented"
    config_messages: ConfigMessages = "GetConfig"
    """How standalone modules ask for their configuration: ``GetConfig`` in EVerest 2025.12 to 2026.02,
    ``ConfigurationRequest`` in 2026.10."""
    standalone_deadline_s: float = Field(2.0, ge=0.5, le=60)
    """How long a standalone module with the board of an EVSE may be silent before charging stops."""
    ready_within_s: float = read_write(10.0, ge=0, le=300)
    """How long systemd is let wait for EVSEs whose boards have not answered; the daemon counts as started then."""
    external_limits: dict[str, LimitSource] = read_write({})
    """By the id of an EnergyNode, what is expected of whoever sets limits there."""
    metrics: MetricsSettings | None = None
    """None: off."""
    home_assistant: HomeAssistantSettings = HomeAssistantSettings()
    broker: BrokerLogin = BrokerLogin()
    state_dir: FilePath | None = None
    """Where the journal and other durable state are kept; the command line decides where none is given."""
    history_days: Integer = Field(400, ge=30, le=36_500)
    """How long transactions that are over are kept in the journal."""
    history_mb: Integer = Field(100, ge=10, le=100_000)
    """Mebibytes that the journal may take; the oldest transactions that are over go first."""
    log_level: Literal["debug", "info", "warning", "error"] = read_write("info")
    log_format: Literal["auto", "console", "json", "journal"] = "auto"
    """``auto``: fields for systemd's journal where stderr leads there, else lines for people."""


class Connection(NamedTuple):
    """What a requirement is connected to."""

    module_id: str
    implementation_id: str


@dataclass(frozen=True, slots=True)
class ModuleConfig:
    """One entry of ``active_modules``."""

    module_id: str
    cls: type[Module]
    options: ModuleOptions
    implementation_options: dict[str, ModuleOptions]
    """For each implementation of the class."""
    connections: dict[str, tuple[Connection, ...]]
    """For each requirement of the class, in the order of the file; empty where there is none."""
    mapping: Mapping | None = None
    implementation_mappings: dict[str, Mapping] = field(default_factory=dict)
    telemetry: int | None = None
    """EVerest's telemetry group."""
    line: int = 0
    standalone: bool = False
    """It is of another process; ``cls`` is what is known of it here."""
    access: dict[str, Any] = field(default_factory=dict)
    """Which other modules' parameters a standalone module may see and change (F/schemas/config.yaml)."""


@dataclass(frozen=True, slots=True)
class RunConfig:
    """A station: its modules, how they are connected, and where its broker is."""

    file: str
    settings: Settings
    """With what the environment overrides."""
    daemon: DaemonSettings
    modules: dict[str, ModuleConfig]
    """In the order of the file."""
    warnings: tuple[Problem, ...] = ()

    def broker(self) -> BrokerSettings:
        """The broker to connect to."""
        return broker_settings(self.settings, self.daemon)


def broker_settings(settings: Settings, daemon: DaemonSettings) -> BrokerSettings:
    """The broker of these settings.

    Raises:
        ValueError: they do not fit together; the message says which.
    """
    login = daemon.broker
    tls: TlsSettings | None = None
    if login.tls is not None:
        files: dict[str, Any] = {name: str(path) for name, path in login.tls if path is not None}
        tls = TlsSettings(**files)
    return BrokerSettings(
        host=settings.mqtt_broker_host,
        port=settings.mqtt_broker_port,
        socket_path=settings.mqtt_broker_socket_path,
        username=login.user,
        password_file=None if login.password_file is None else str(login.password_file),
        tls=tls,
    )
