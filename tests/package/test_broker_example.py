"""config/mosquitto: the example works as it is written, but for its paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from evse_daemon.access_list import access_list
from evse_daemon.config import load
from tests.support.brokers import MISSING, free_port, mosquitto_binary
from tests.support.certificates import make_certificates
from tests.system.processes import until

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "mosquitto" / "evse-daemon.conf"

pytestmark = pytest.mark.skipif(
    mosquitto_binary() is None or any(shutil.which(name) is None for name in ("mosquitto_pub", "openssl")),
    reason=MISSING,
)


def test_the_daemon_needs_no_name_and_everybody_else_does(tmp_path: Path) -> None:
    made, port, socket = make_certificates(tmp_path), free_port(), tmp_path / "mqtt.sock"
    (tmp_path / "acl").write_text(access_list(load(ROOT / "config" / "config-yeti.yaml", {})))
    (tmp_path / "passwd").touch()
    subprocess.run(
        ["mosquitto_passwd", "-b", tmp_path / "passwd", "monitor", "secret"], check=True, capture_output=True
    )
    for file in (tmp_path / "acl", tmp_path / "passwd"):
        file.chmod(0o600)
    text = EXAMPLE.read_text("utf-8")
    for written, here in {
        "/run/evse-broker/mqtt.sock": socket,
        "listener 8883": f"listener {port} 127.0.0.1",
        "/etc/mosquitto/passwd": tmp_path / "passwd",
        "/etc/mosquitto/evse-daemon.acl": tmp_path / "acl",
        "/etc/mosquitto/certs/ca.crt": made.ca,
        "/etc/mosquitto/certs/broker.crt": made.server,
        "/etc/mosquitto/certs/broker.key": made.server_key,
        "persistence true": f"persistence true\npersistence_location {tmp_path}/",
    }.items():
        assert written in text
        text = text.replace(written, str(here))
    if os.geteuid() == 0:
        text += "user root\n"
    (tmp_path / "mosquitto.conf").write_text(text, "utf-8")
    with (tmp_path / "log").open("wb") as log:
        broker = subprocess.Popen(
            [str(mosquitto_binary()), "-c", tmp_path / "mosquitto.conf"], stdout=log, stderr=log
        )
    try:
        until(lambda: socket.exists() or broker.poll() is not None, 10)
        assert broker.poll() is None, (tmp_path / "log").read_text()

        def publishes(*how: object) -> bool:
            command = ["mosquitto_pub", "-q", "1", "-t", "everest/ready", "-m", "true", *map(str, how)]
            return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode == 0

        tls = ("-h", "127.0.0.1", "-p", port, "--cafile", made.ca)
        assert publishes("--unix", socket)
        assert publishes(*tls, "-u", "monitor", "-P", "secret"), (
            "it may connect; what it publishes is dropped"
        )
        assert not publishes(*tls, "-u", "monitor", "-P", "wrong")
        assert not publishes(*tls)
        assert not publishes("-h", "127.0.0.1", "-p", port, "-u", "monitor", "-P", "secret"), (
            "not without TLS"
        )
    finally:
        broker.terminate()
        broker.wait(10)
