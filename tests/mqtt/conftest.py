"""Fixtures of the MQTT tests: a private Mosquitto, and TLS certificates."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.brokers import MISSING, Mosquitto, mosquitto_binary, start_mosquitto


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if mosquitto_binary() is None:
        terminalreporter.write_line(MISSING, red=True, bold=True)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = start_mosquitto(tmp_path)
    yield broker
    broker.stop()


@dataclass(frozen=True)
class Certificates:
    ca: str
    other_ca: str
    server: str
    server_key: str
    client: str
    client_key: str


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], check=True, cwd=folder, capture_output=True)

    for name in ("ca", "other"):
        openssl(
            "req", "-x509", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip
    for name, extension in (
        ("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        (folder / f"{name}.ext").write_text(f"{extension}\nkeyUsage=critical,digitalSignature\n", "utf-8")
        openssl(
            "req", "-new", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"
        )
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.crt", "-days", "2", "-extfile", f"{name}.ext",
        )  # fmt: skip
    path = {name: str(folder / name) for name in ("ca.crt", "other.crt", "server.crt", "server.key")}
    return Certificates(
        ca=path["ca.crt"],
        other_ca=path["other.crt"],
        server=path["server.crt"],
        server_key=path["server.key"],
        client=str(folder / "client.crt"),
        client_key=str(folder / "client.key"),
    )
