"""Builds the Debian package and proves it in a clean Debian without network: ``python3 dev.py package``.

Installed, driven through a charging session, upgraded, upgraded with a configuration that is not accepted, removed,
purged. It needs root, dpkg-dev with the build dependencies of debian/control, and debootstrap; where one is missing it
says so and ends with status 0 (77 with --strict).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MIRROR = "http://deb.debian.org/debian"

LOWER = "0.0.1~lower"
"""The version that is upgraded from: the same tree."""

OLDER = "0.0.2~older"
"""A version whose Auth has an option that the present one does not have."""

GONE = "option_of_an_older_version"

MOST_EXPOSED = 20
"""Tenths of systemd-analyze's points, as in test_units.py."""

BROKER = ("mosquitto", "mosquitto-clients")
"""What the charging session needs besides the package."""

CONFIG = "etc/evse-daemon/config.yaml"
STATE = "var/lib/evse-daemon"
CALLS = "var/tmp/systemctl"

SYSTEMCTL = f"""#!/bin/sh
# systemd does not run in this chroot: what it is asked for is written down. One further station runs.
echo "$*" >> /{CALLS}
case "$*" in
    *is-active*left*) exit 0 ;;
    *is-active*|*is-enabled*) exit 3 ;;
esac
"""

UNITS = ("evse-daemon.service", "evse-daemon@left.service")

LASTING = (
    "proc",
    "sys",
    "dev",
    "tmp",
    "run",
    "var/log",
    "var/cache",
    "var/lib/dpkg",
    "var/lib/apt",
    "var/tmp",
)
"""What every installation changes."""


class Failed(Exception):  # noqa: N818 - as AssertionError
    """A step did not do what it should."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deb", type=Path, help="this package instead of one built now")
    parser.add_argument("--base", type=Path, help="a clean chroot to copy instead of calling debootstrap")
    parser.add_argument("--suite", default="bookworm", help="of Debian (default: bookworm)")
    parser.add_argument("--strict", action="store_true", help="what is missing is a failure")
    arguments = parser.parse_args()
    if lacking := missing(arguments):
        print(f"package: skipped: {lacking}")
        return 77 if arguments.strict else 0
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory(prefix="evse-daemon-package-") as name:
        try:
            prove(Path(name), arguments, figures)
        except Failed as failed:
            print(f"package: FAILED: {failed}", file=sys.stderr)
            return 1
    print(json.dumps(figures, indent=2))
    print("package: all holds")
    return 0


def missing(arguments: argparse.Namespace) -> str:
    """Why this machine cannot do it; empty where it can."""
    if os.geteuid() != 0:
        return "only root can make a chroot: sudo python3 dev.py package"
    wanted = {"dpkg-deb": "dpkg", "unshare": "util-linux"}
    if arguments.deb is None:
        wanted |= {"dpkg-buildpackage": "dpkg-dev", "dh": "debhelper", "dh_python3": "dh-python"}
    if arguments.base is None:
        wanted["debootstrap"] = "debootstrap"
    for program, package in wanted.items():
        if shutil.which(program) is None:
            return f"no {program}: apt-get install {package}"
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode:
        return "this machine lets nobody make a network namespace"
    return ""


def prove(folder: Path, arguments: argparse.Namespace, figures: dict[str, object]) -> None:
    deb = arguments.deb or step("build", figures, lambda: build(folder))
    figures["package_bytes"] = deb.stat().st_size
    figures["installed_kB"] = int(field(deb, "Installed-Size"))
    lower = with_version(deb, LOWER, folder)
    older = with_version(deb, OLDER, folder, older_auth)
    root = folder / "root"
    step("clean Debian", figures, lambda: clean_debian(root, deb, arguments))
    chroot = Chroot(root)
    before = files(root)

    said = step("install", figures, lambda: chroot.install(lower))
    expect("was not started" in said, "the first installation says how it is started", said)
    expect("start" not in chroot.asked(), "nothing is started that does not know its board", chroot.asked())
    expect(LOWER in chroot.run("dpkg-query", "-W", "evse-daemon"), "the lower version is installed")
    version = chroot.run("evse-daemon", "--version").split()[1]
    expect(re.fullmatch(r"\d+\.\d+\.\d+.*", version) is not None, "evse-daemon --version", version)
    checked = chroot.run("evse-daemon", "check-config", f"/{CONFIG}")
    expect("OK: " in checked, "the installed configuration is fine", checked)
    groups = chroot.run("id", "-nG", "evse-daemon").split()
    expect({"dialout", "mosquitto"} <= {*groups}, "it may open serial ports, and the broker's socket")

    figures |= step("session", figures, lambda: session(chroot))

    config = root / CONFIG
    mine = config.read_text("utf-8").replace("DE*PNX*E00001*1", "DE*ABC*E00007*1")
    config.write_text(mine, "utf-8")
    shutil.copy(root / "usr/share/doc/evse-daemon/examples/config-can.yaml", config.with_name("left.yaml"))
    said = step("upgrade", figures, lambda: chroot.install(deb))
    expect(config.read_text("utf-8") == mine, "an upgrade keeps the configuration")
    for unit in UNITS:
        expect(
            f"try-restart {unit}" in chroot.asked(), f"an upgrade restarts {unit} if it runs", chroot.asked()
        )
    figures |= {"second_start_s": session(chroot)["cold_start_s"]}

    step("refused upgrade", figures, lambda: refused(chroot, older, deb, mine))
    if shutil.which("systemd-analyze"):
        figures["exposure"] = [exposure(root, unit) for unit in UNITS]

    step("remove", figures, lambda: chroot.run("dpkg", "--remove", "evse-daemon"))
    expect("stop evse-daemon.service evse-daemon@*.service" in chroot.asked(), "all stations are stopped")
    expect((root / STATE / "journal.db").exists(), "transactions stay when the package is removed")
    expect(config.read_text("utf-8") == mine, "so does the configuration")
    expect(not (root / "usr/lib/evse-daemon").exists(), "nothing of the program stays")
    step("purge", figures, lambda: chroot.run("dpkg", "--purge", "evse-daemon"))
    left = sorted(files(root) ^ before)
    expect(not left, "purge leaves the system as it was", "\n".join(left[:20]))
    expect("evse-daemon" not in (root / "etc/passwd").read_text(), "the user is gone")


def older_auth(tree: Path) -> None:
    file = tree / "usr/lib/evse-daemon/evse_daemon/modules/auth/module.py"
    text = file.read_text("utf-8")
    known = "        connection_timeout: int"
    expect(text.count(known) == 1, "the older version can be made")
    file.write_text(text.replace(known, f"        {GONE}: int = 0\n{known}"), "utf-8")


def refused(chroot: Chroot, older: Path, deb: Path, mine: str) -> None:
    """A charger of an older version charges, and an upgrade does not accept its configuration."""
    config = chroot.root / CONFIG
    chroot.install(older)
    theirs = mine.replace("      connection_timeout", f"      {GONE}: 1\n      connection_timeout")
    config.write_text(theirs, "utf-8")
    line = next(number for number, text in enumerate(theirs.splitlines(), 1) if GONE in text)
    expect("OK: " in chroot.run("evse-daemon", "check-config", f"/{CONFIG}"), "the older version accepts it")
    (chroot.root / CALLS).write_text("")
    shutil.copy(deb, chroot.root / "var/tmp/new.deb")
    said = str(session(chroot, "/var/tmp/new.deb")["upgrade"])
    (chroot.root / "var/tmp/new.deb").unlink()
    expect(f"/{CONFIG}:{line}: unknown option '{GONE}'" in said, "what is not accepted is named", said)
    expect(f"--allow-downgrades ./evse-daemon_{OLDER}_" in said, "it says how to go back", said)
    asked = chroot.asked()
    expect("try-restart evse-daemon.service" not in asked, "what runs is not stopped for it", asked)
    expect("try-restart evse-daemon@left.service" in asked, "the other station is upgraded", asked)
    expect(config.read_text("utf-8") == theirs, "the configuration is left as it is")
    chroot.install(older)
    expect("OK: " in chroot.run("evse-daemon", "check-config", f"/{CONFIG}"), "going back works")
    config.write_text(mine, "utf-8")


def exposure(root: Path, unit: str) -> float:
    """The points of systemd-analyze for an installed unit, 10 at most; fails above MOST_EXPOSED."""
    said = command(
        "systemd-analyze", "security", "--offline=true", f"--root={root}", f"--threshold={MOST_EXPOSED}", unit
    )
    return float(re.findall(r"([\d.]+) [A-Z]+", said.splitlines()[-1])[-1])


def step(name: str, figures: dict[str, object], action: Callable[[], T]) -> T:
    print(f"package: {name} …", flush=True)
    began_s = time.monotonic()
    result = action()
    figures[f"{name.replace(' ', '_')}_s"] = round(time.monotonic() - began_s, 1)
    return result


def expect(holds: bool, what: str, seen: str = "") -> None:
    if not holds:
        raise Failed(f"{what}. Seen:\n{seen[-4000:]}")
    print(f"package:   {what}", flush=True)


def command(*arguments: object, cwd: Path | None = None, environ: dict[str, str] | None = None) -> str:
    """Runs a program; its output, both streams together."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise Failed(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done.stdout


def build(folder: Path) -> Path:
    """Builds from a copy: the packages are put beside the tree."""
    tree = folder / "build" / "evse-daemon"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "build", "dist"
    )
    shutil.copytree(ROOT, tree, symlinks=True, ignore=ignored)
    # Debian's Python, whatever is first on the PATH here.
    command(
        "dpkg-buildpackage", "-us", "-uc", "-b", cwd=tree, environ={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    (found,) = tree.parent.glob("*.deb")
    if shutil.which("lintian"):
        said = command("lintian", "--fail-on", "error,warning", "--allow-root", found)
        expect(not said.strip(), "lintian has nothing to say", said)
    return found


def field(deb: Path, name: str) -> str:
    return command("dpkg-deb", "--field", deb, name).strip()


def with_version(
    deb: Path, version: str, folder: Path, patch: Callable[[Path], None] = lambda _: None
) -> Path:
    """The same package under another version, changed by ``patch``, which gets the unpacked tree."""
    tree, made = folder / version, folder / f"evse-daemon_{version}.deb"
    command("dpkg-deb", "--raw-extract", deb, tree)
    control = tree / "DEBIAN" / "control"
    text = re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text("utf-8"))
    control.write_text(text, "utf-8")
    patch(tree)
    command("dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "--build", tree, made)
    return made


def clean_debian(root: Path, deb: Path, arguments: argparse.Namespace) -> None:
    """A minimal Debian with what the package depends on, and nothing else of it."""
    if arguments.base is not None:
        command("cp", "-a", arguments.base, root)
    else:
        depends = re.sub(r"\([^)]*\)|:\w+", "", field(deb, "Depends"))
        names = {name.split("|")[0].strip() for name in depends.split(",")}
        wanted = ",".join(sorted({*names, *BROKER}))
        command("debootstrap", "--variant=minbase", f"--include={wanted}", arguments.suite, root, MIRROR)
    stub = root / "usr/local/bin/systemctl"
    stub.write_text(SYSTEMCTL)
    stub.chmod(0o755)
    (root / CALLS).write_text("")
    (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)


def files(root: Path) -> set[str]:
    """All files, but for those that every installation changes."""
    found = set()
    for folder, folders, names in os.walk(root):
        place = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if str(place / name) not in LASTING]
        found |= {str(place / name) for name in (*folders, *names)}
    # Debian's own copies of what adduser has changed; and pages that only the broker's package has made.
    return {name for name in found if not name.endswith("-") and "__pycache__" not in name}


class Chroot:
    """A system of its own, with its own processes and no network."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *arguments: object) -> str:
        inside = ["chroot", self.root, "/usr/bin/env", "-i", *self._environment(), *arguments]
        proc = f"--mount-proc={self.root / 'proc'}"
        return command("unshare", "--net", "--pid", "--fork", "--kill-child", proc, *inside)

    def install(self, deb: Path) -> str:
        place = self.root / "var/tmp" / deb.name
        shutil.copy(deb, place)
        try:
            return self.run("dpkg", "--install", f"/var/tmp/{deb.name}")
        finally:
            place.unlink()

    def asked(self) -> str:
        """What systemd was asked for so far."""
        return (self.root / CALLS).read_text()

    @staticmethod
    def _environment() -> list[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return [path, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"]


def session(chroot: Chroot, *upgrade: str) -> dict[str, object]:
    """A charging session of the installed daemon, as its unit starts it; see session.py."""
    shutil.copy(HERE / "session.py", chroot.root / "var/tmp/session.py")
    said = chroot.run("python3", "/var/tmp/session.py", *upgrade)
    found: dict[str, object] = json.loads(said.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
