"""Settings say what is wrong before anything is connected."""

from pathlib import Path

import pytest

from evse_daemon.mqtt.settings import BrokerSettings, TlsSettings
from evse_daemon.mqtt.unreachable import BrokerUnreachable


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (BrokerSettings(), "localhost:1883"),
        (BrokerSettings(host="127.0.0.1", port=1884), "127.0.0.1:1884"),
        (BrokerSettings(host="::1"), "[::1]:1883"),
        (BrokerSettings(socket_path="/run/x"), "unix socket /run/x"),
        (BrokerSettings(host="csms", port=8883, tls=TlsSettings()), "csms:8883 (TLS)"),
    ],
)
def test_describe(settings: BrokerSettings, text: str) -> None:
    assert settings.describe() == text


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="unix socket"):
        BrokerSettings(socket_path="/run/x", tls=TlsSettings())
    with pytest.raises(ValueError, match="user name"):
        BrokerSettings(password_file="/x")
    with pytest.raises(ValueError, match="keep-alive"):
        BrokerSettings(keepalive_s=0)
    with pytest.raises(ValueError, match="port"):
        BrokerSettings(port=70000)
    with pytest.raises(ValueError, match="certificate"):
        TlsSettings(key_file="/x")


def test_the_password_is_stripped_and_a_missing_file_named(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" secret\n", "utf-8")
    assert BrokerSettings(username="u", password_file=str(file)).password() == "secret"
    with pytest.raises(BrokerUnreachable, match=r"nowhere.*No such file"):
        BrokerSettings(username="u", password_file=str(tmp_path / "nowhere")).password()


def test_tls_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerUnreachable, match=r"authorities.*absent\.crt"):
        TlsSettings(ca_file=str(tmp_path / "absent.crt")).context()
    broken = tmp_path / "broken.crt"
    broken.write_text("no certificate", "utf-8")
    with pytest.raises(BrokerUnreachable, match=r"authorities.*broken\.crt"):
        TlsSettings(ca_file=str(broken)).context()
    with pytest.raises(BrokerUnreachable, match=r"client certificate.*broken\.crt"):
        TlsSettings(cert_file=str(broken)).context()
