"""TLS certificates for tests, made with openssl: an authority, a server's, a client's, and an authority that is none of theirs."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files."""

    ca: str
    other_ca: str
    server: str
    server_key: str
    client: str
    client_key: str
    elsewhere: str
    """A server's on another host."""
    elsewhere_key: str

    def listener(self, port: int) -> str:
        """Lines of mosquitto.conf for a listener with TLS."""
        return self._listener(port, self.server, self.server_key)

    def listener_elsewhere(self, port: int) -> str:
        """As `listener`, with a certificate for another host."""
        return self._listener(port, self.elsewhere, self.elsewhere_key)

    def _listener(self, port: int, certificate: str, key: str) -> str:
        return f"listener {port} 127.0.0.1\ncafile {self.ca}\ncertfile {certificate}\nkeyfile {key}"


def make_certificates(folder: Path) -> Certificates:
    """For 127.0.0.1 and localhost, valid for two days."""
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
        ("elsewhere", "subjectAltName=DNS:elsewhere\nextendedKeyUsage=serverAuth"),
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
    return Certificates(
        ca=str(folder / "ca.crt"),
        other_ca=str(folder / "other.crt"),
        server=str(folder / "server.crt"),
        server_key=str(folder / "server.key"),
        client=str(folder / "client.crt"),
        client_key=str(folder / "client.key"),
        elsewhere=str(folder / "elsewhere.crt"),
        elsewhere_key=str(folder / "elsewhere.key"),
    )
