"""Variables of the environment override the file."""

from collections.abc import Callable

import pytest

from evse_daemon.config import Problem, RunConfig

FILE = """\
settings:
  mqtt_broker_host: filehost
  mqtt_broker_port: 1111
  mqtt_everest_prefix: file
active_modules:
  board: {module: Board, config: {connector_id: 1}}
"""
SOCKET_FILE = FILE.replace("mqtt_broker_host: filehost", "mqtt_broker_socket_path: /run/file.sock")


@pytest.mark.parametrize(
    ("text", "environ", "broker"),
    [
        (FILE, {}, "filehost:1111"),
        (FILE, {"EV_MQTT_BROKER_HOST": "", "MQTT_SERVER_PORT": ""}, "filehost:1111"),
        (FILE, {"MQTT_SERVER_ADDRESS": "a", "MQTT_SERVER_PORT": "1"}, "a:1"),
        (FILE, {"MQTT_SERVER_ADDRESS": "a", "EV_MQTT_BROKER_HOST": "b"}, "b:1111"),
        (FILE, {"MQTT_SERVER_PORT": "1", "EV_MQTT_BROKER_PORT": "2"}, "filehost:2"),
        (FILE, {"EV_MQTT_BROKER_SOCKET_PATH": "/s", "MQTT_SERVER_ADDRESS": "a"}, "unix socket /s"),
        (SOCKET_FILE, {}, "unix socket /run/file.sock"),
        (SOCKET_FILE, {"MQTT_SERVER_ADDRESS": "a"}, "a:1111"),
        (SOCKET_FILE, {"EV_MQTT_BROKER_SOCKET_PATH": "/s"}, "unix socket /s"),
    ],
)
def test_the_broker(good: Callable[..., RunConfig], text: str, environ: dict[str, str], broker: str) -> None:
    assert good(text, environ).broker().describe() == broker


def test_prefixes_and_dialect(good: Callable[..., RunConfig]) -> None:
    environ = {
        "EV_MQTT_EVEREST_PREFIX": "st/x1/",
        "EV_MQTT_EXTERNAL_PREFIX": "ext-",
        "EV_MQTT_DIALECT": "classic",
    }
    config = good(FILE, environ)
    assert config.settings.mqtt_everest_prefix == "st/x1"
    assert config.settings.mqtt_external_prefix == "ext-"
    assert config.daemon.mqtt_dialect == "classic"
    assert good(FILE).settings.mqtt_everest_prefix == "file"


def test_an_empty_external_prefix_is_one(good: Callable[..., RunConfig]) -> None:
    text = FILE.replace("mqtt_everest_prefix: file", "mqtt_external_prefix: ext/")
    assert good(text, {"EV_MQTT_EXTERNAL_PREFIX": ""}).settings.mqtt_external_prefix == ""
    assert good(text, {}).settings.mqtt_external_prefix == "ext/"


def test_a_port_beside_a_unix_socket_is_warned_of(good: Callable[..., RunConfig]) -> None:
    warnings = good(SOCKET_FILE, {"MQTT_SERVER_PORT": "1884"}).warnings
    (warning,) = (found for found in warnings if found.path == "MQTT_SERVER_PORT")
    assert "MQTT_SERVER_PORT has no effect" in warning.message


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"EV_MQTT_BROKER_PORT": "http"}, "environment: EV_MQTT_BROKER_PORT: 'http' is no port number"),
        ({"MQTT_SERVER_PORT": "0"}, "environment: MQTT_SERVER_PORT: '0' is no port number"),
        ({"MQTT_SERVER_PORT": "99999"}, "is no port number"),
        ({"MQTT_SERVER_PORT": "²"}, "is no port number"),
        ({"EV_MQTT_BROKER_HOST": "h", "EV_MQTT_BROKER_SOCKET_PATH": "/s"}, "given together with EV_MQTT_BROKER_HOST"),
        ({"EV_MQTT_EVEREST_PREFIX": "ev/+"}, "environment: EV_MQTT_EVEREST_PREFIX: 'ev/+' cannot be a topic prefix"),
        ({"EV_MQTT_EXTERNAL_PREFIX": "file/"}, "environment: EV_MQTT_EXTERNAL_PREFIX: the external prefix is the same"),
        ({"EV_MQTT_DIALECT": "evrest"}, "environment: EV_MQTT_DIALECT: 'evrest' is no dialect"),
    ],
)  # fmt: skip
def test_bad_variables_are_named(
    problems: Callable[..., list[Problem]], environ: dict[str, str], message: str
) -> None:
    (problem,) = problems(FILE, **environ)
    assert message in str(problem)
