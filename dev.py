#!/usr/bin/env python3
"""The task runner of evse-daemon: makes the virtual environment, then starts the tool that does the task.

It needs a POSIX system and Python 3.11 or later, and nothing beyond the standard library; Windows is not supported.
`.venv` is stamped with what it was made from, so that a second start only compares the stamp and replaces itself by
the tool. What is slow to import is imported where it is needed: the way from the shell to the tool has to stay short.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OLDEST = (3, 11)
EXTRAS_TO_RUN = frozenset({"simulator"})
EXTRAS_TO_TEST = frozenset({"simulator", "test"})
# Of the simulator's --wire; a simulated CAN adapter is on a serial port. "test" includes them all.
EXTRAS_FOR_WIRES = {"serial": frozenset({"serial"}), "can": frozenset({"serial", "can"})}

FUZZ_CASES = "20000"

STAMP = "evse-daemon.json"  # in .venv: what it was made from; written last
MARKER = (
    "evse-daemon.unfinished"  # in .venv while pip works on it: whoever finds it later makes the venv anew
)

READY, UPDATE, REMAKE = "ready", "update", "remake"

# What only some tests need: program, Debian package, the tests that are skipped without it.
HELPERS = (
    ("mosquitto", "mosquitto", "the tests against a real broker"),
    ("mosquitto_sub", "mosquitto-clients", "the tests with mosquitto_sub and mosquitto_pub"),
    ("openssl", "openssl", "the tests over TLS"),
)
# Debian keeps daemons where an ordinary user's PATH does not look.
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

NO_CONNECTION = "No connection to the package index. Is the network up? A proxy is set by HTTPS_PROXY."
# What pip prints when it fails, and what helps then. The first that fits is shown.
ADVICE = (
    ("No space left on device", "The disk is full; .venv needs about 200 MB."),
    ("CERTIFICATE_VERIFY_FAILED", "Is the clock right? Behind a TLS proxy, set PIP_CERT to its certificate."),
    ("Permission denied", "Part of .venv belongs to another user; remove it: sudo rm -rf .venv"),
    (
        "ResolutionImpossible",
        "constraints.txt contradicts pyproject.toml; CONTRIBUTING.md says how to renew it.",
    ),
    ("ConnectionError", NO_CONNECTION),
    ("ConnectTimeout", NO_CONNECTION),
    ("timed out", "The package index does not answer. Start again; what has arrived is in pip's cache."),
    (
        "No matching distribution",
        "Nobody offers this version for this Python. Are the network and PIP_INDEX_URL right?",
    ),
    (
        "Failed building wheel",
        "A package has to be compiled: apt-get install build-essential python3-dev libffi-dev",
    ),
)


class Stop(Exception):  # noqa: N818 - it ends the program with a message; not every end is an error
    """Ends dev.py with a message for the person in front of it."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class Project:
    """A source tree and its virtual environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venv = root / ".venv"
        self.python = self.venv / "bin" / "python"

    def program(self, name: str) -> str:
        return str(self.venv / "bin" / name)


PROJECT = Project(Path(__file__).resolve().parent)


def say(text: str) -> None:
    """Tell the user something; on stderr, since a task's own output may be data for a pipe."""
    print(f"dev.py: {text}", file=sys.stderr, flush=True)


# --- the stamp ---------------------------------------------------------------------------------------------------


def dependencies_hash(root: Path) -> str:
    """Hash of all that decides what pip installs; settings of ruff or pytest in pyproject.toml do not."""
    import hashlib
    import tomllib

    try:
        pyproject = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        constraints = (root / "constraints.txt").read_text("utf-8")
    except FileNotFoundError as error:
        raise Stop(f"{error.filename} is missing; is this the whole source tree?") from None
    except tomllib.TOMLDecodeError as error:
        raise Stop(f"pyproject.toml: {error}") from None
    build = [pyproject.get("build-system"), pyproject.get("project"), pyproject.get("tool", {}).get("hatch")]
    text = json.dumps([build, constraints], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def wanted_stamp(root: Path, extras: frozenset[str]) -> dict[str, Any]:
    return {
        "dependencies": dependencies_hash(root),
        "extras": sorted(extras),
        "python": python_version(),
        "root": str(root),  # pip -e writes this path into the venv
    }


def python_version() -> str:
    return "{}.{}".format(*sys.version_info[:2])


def read_stamp(venv: Path) -> dict[str, Any]:
    try:
        stamp = json.loads((venv / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def extras_of(stamp: dict[str, Any]) -> frozenset[str]:
    return frozenset(stamp.get("extras", ())) & EXTRAS_TO_TEST.union(EXTRAS_FOR_WIRES)


def what_to_do(project: Project, want: dict[str, Any]) -> tuple[str, str]:
    """READY, UPDATE (pip installs into what is there) or REMAKE, and the reason in words."""
    venv = project.venv
    if not venv.exists():
        return REMAKE, "first start"
    if (venv / MARKER).exists():
        return REMAKE, "its installation was interrupted"
    if not os.access(project.python, os.X_OK):  # follows the link: the Python it was made with may be gone
        return REMAKE, "its Python is gone"
    stamp = read_stamp(venv)
    if not stamp:
        if made_by_hand(venv, want["python"]):
            return UPDATE, "dev.py did not make it"
        return REMAKE, f"it holds no pip of Python {want['python']}"
    if stamp.get("python") != want["python"]:
        return REMAKE, f"it was made with Python {stamp.get('python')}, this is {want['python']}"
    if stamp.get("root") != want["root"]:
        return REMAKE, "it was made for another folder"
    if stamp.get("dependencies") != want["dependencies"]:
        return UPDATE, "pyproject.toml or constraints.txt has changed"
    found = extras_of(stamp)
    if not frozenset(want["extras"]) <= (found.union(EXTRAS_FOR_WIRES) if "test" in found else found):
        return UPDATE, "this task needs more packages"
    return READY, ""


def made_by_hand(venv: Path, version: str) -> bool:
    """Whether this is a whole venv of the right Python with pip in it, an IDE's for instance."""
    try:
        lines = (venv / "pyvenv.cfg").read_text("utf-8").splitlines()
    except OSError:
        return False
    fits = any(line.replace(" ", "").startswith(f"version={version}.") for line in lines)
    return fits and (venv / "lib" / f"python{version}" / "site-packages" / "pip").is_dir()


# --- making the venv ---------------------------------------------------------------------------------------------


def ensure_venv(project: Project, extras: frozenset[str]) -> None:
    """See to it that `.venv` holds what the task needs. Costs next to nothing if it does already."""
    want = wanted_stamp(project.root, extras)
    if what_to_do(project, want)[0] == READY:
        return
    import time

    lock = take_lock(project.root)
    try:
        action, why = what_to_do(project, want)  # whoever held the lock may have done it
        if action == READY:
            return
        want["extras"] = sorted(extras | extras_of(read_stamp(project.venv)))
        start = time.monotonic()
        announce(action, why)
        if action == REMAKE:
            make_venv(project, lock)
        marker = project.venv / MARKER
        marker.touch()
        try:
            pip_install(project, want["extras"], lock)
        except Stop:
            if action == UPDATE:
                marker.unlink()  # pip gave up by itself, having changed nothing: try the same again next time
            raise
        (project.venv / STAMP).write_text(json.dumps(want, indent=2) + "\n", "utf-8")
        marker.unlink()
        say(f"installed in {time.monotonic() - start:.0f} s.")
    except PermissionError as error:
        raise Stop(f"{error}\n.venv belongs to another user; remove it: sudo rm -rf {project.venv}") from None
    finally:
        os.close(lock)


def announce(action: str, why: str) -> None:
    takes = "may take a minute; needs the network"
    if action == UPDATE:
        say(f"{why}: installing into .venv ({takes}) …")
    elif why == "first start":
        say(f"{why}: making .venv and installing the pinned packages into it ({takes}) …")
    else:
        say(f".venv has to be made anew, {why} ({takes}) …")


def take_lock(root: Path) -> int:
    """Lock the source tree itself, so that nothing is left behind; closing the descriptor releases it."""
    import fcntl

    descriptor = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another dev.py is installing; waiting for it …")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        say("this file system knows no locks: start only one dev.py at a time.")
    return descriptor


def make_venv(project: Project, lock: int) -> None:
    if not has_venv_module():
        install_venv_module()
    remove_venv(project.venv)
    project.venv.mkdir()
    (project.venv / MARKER).touch()
    status, output = quiet_run([str(base_python()), "-m", "venv", str(project.venv)], project, lock)
    if status:
        raise Stop(f"Python could not make a virtual environment:\n{output}")


def remove_venv(venv: Path) -> None:
    """Remove it so that an interruption half-way cannot be mistaken for a whole venv: the marker goes last."""
    import shutil

    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    if not venv.exists():
        return
    (venv / MARKER).touch()
    for entry in venv.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != MARKER:
            entry.unlink()
    shutil.rmtree(venv)


def base_python() -> Path:
    """The interpreter to make the venv with: this one, or the one behind it if this one is in a venv itself."""
    return Path(getattr(sys, "_base_executable", None) or sys.executable)


def pip_install(project: Project, extras: list[str], lock: int) -> None:
    what = f".[{','.join(extras)}]"
    command = [str(project.python), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    status, output = quiet_run([*command, "-c", "constraints.txt", "-e", what], project, lock)
    if status:
        raise Stop(f"pip could not install {what}:\n\n{complaint(output)}\n\n{advice(output)}")


def complaint(output: str) -> str:
    """What pip printed from its first complaint on, without that about folders in the machine's own pip settings."""
    lines = [line for line in output.splitlines() if not line.startswith("WARNING: Location")]
    starts = ("ERROR", "error:", "WARNING: Retrying", "Traceback")
    first = next((number for number, line in enumerate(lines) if line.lstrip().startswith(starts)), 0)
    return "\n".join(lines[first:]).strip()


def advice(output: str) -> str:
    for sign, help_ in ADVICE:
        if sign in output:
            return help_
    return "Start again; if it stays so, begin from nothing: python3 dev.py clean"


def quiet_run(command: list[str], project: Project, lock: int) -> tuple[int, str]:
    """Run a program of the installation in the source tree; its output is for us."""
    import subprocess

    environment = environment_of(project)
    # The isolated environment in which pip builds the project is to be pinned as well. pip splits the value at
    # blanks, so the path is relative; versions of pip differ in which of the two they read.
    environment["PIP_CONSTRAINT"] = " ".join(
        filter(None, [os.environ.get("PIP_CONSTRAINT"), "constraints.txt"])
    )
    environment["PIP_BUILD_CONSTRAINT"] = "constraints.txt"
    environment["PIP_USER"] = "0"
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=[lock],  # if dev.py is killed, the lock lasts until its pip has ended too
    ) as child:
        while True:
            try:
                output, _ = child.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                say("still installing …")
            except BaseException:
                child.terminate()
                raise
            else:
                return child.returncode, output.strip()


# --- Debian without python3-venv ---------------------------------------------------------------------------------


def has_venv_module() -> bool:
    """Debian cuts ensurepip out of Python and puts it into a package of its own."""
    from importlib import import_module

    try:
        for name in ("venv", "ensurepip"):
            import_module(name)
    except ImportError:
        return False
    return True


def debian_package(python: Path, default: Path) -> str | None:
    """The Debian package with the venv module for this interpreter; None if Debian did not make it."""
    if python.parent != Path("/usr/bin"):
        return None
    return "python3-venv" if python == default else f"{python.name}-venv"


def install_venv_module() -> None:
    """Install the venv module as a Debian package where that is possible, else say what to type."""
    import shutil

    python = base_python().resolve()
    package = debian_package(python, Path("/usr/bin/python3").resolve())
    if package is None:
        raise Stop(
            f"{python} was built without ensurepip and cannot make a virtual environment; use another python3."
        )
    apt = shutil.which("apt-get", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin"]))
    if apt is None:
        raise Stop(
            f"{python} has no venv module (ensurepip). Install your distribution's package for it, as {package}."
        )
    if os.geteuid() != 0:
        install = f"apt-get install -y {package}"
        raise Stop(
            "Python's venv module is missing. Type this, and start again:\n\n    "
            + (f"sudo {install}" if shutil.which("sudo") else f"su -c '{install}'")
        )
    say(
        f"Python's venv module is missing: installing Debian's package {package} (apt-get install {package}) …"
    )
    if (failure := apt_install(apt, package)) is not None:
        raise Stop(f"apt-get could not install {package}:\n\n{failure}")
    import importlib

    importlib.invalidate_caches()
    if not has_venv_module():
        raise Stop(f"{package} is installed, but {python} still has no venv module.")


def apt_install(apt: str, package: str) -> str | None:
    """Install a Debian package, fetching the package lists if need be. Returns what apt said if it failed."""
    import subprocess

    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = [apt, "-o", "DPkg::Lock::Timeout=120", "install", "-y", "--no-install-recommends", package]
    output = ""
    for command in (install, [apt, "update"], install):  # a fresh container has no package lists
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        output = done.stdout.strip()
        if command is install and done.returncode == 0:
            return None
    return output


# --- starting the tools ------------------------------------------------------------------------------------------


def environment_of(project: Project) -> dict[str, str]:
    """The environment of everything that runs in the venv: nothing of another Python gets in."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONPATH")
    }
    folders = [str(project.venv / "bin"), *environment.get("PATH", os.defpath).split(os.pathsep)]
    folders += [folder for folder in SYSTEM_FOLDERS if folder not in folders]
    return {**environment, "VIRTUAL_ENV": str(project.venv), "PATH": os.pathsep.join(folders)}


def become(project: Project, command: list[str]) -> int:
    """Turn this process into the program: signals and the exit status are then the program's own."""
    sys.stdout.flush()
    try:
        os.execve(command[0], command, environment_of(project))  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise Stop(f"{command[0]}: {error.strerror}. Try: python3 dev.py clean") from None


def run(project: Project, command: list[str]) -> int:
    """Run a program and wait for it."""
    import signal
    import subprocess

    sys.stdout.flush()
    # The terminal sends Ctrl-C to the child too, for which a handler of ours is none; SIGTERM comes to us alone.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        with subprocess.Popen(command, env=environment_of(project)) as child:
            before_term = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
            try:
                status = child.wait()
            finally:
                signal.signal(signal.SIGTERM, before_term)
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


def from_root(root: Path, args: list[str]) -> list[str]:
    """Make the paths among the arguments absolute, and go to the root, where the tools find their settings."""
    here = Path.cwd()
    made = []
    for arg in args:
        path, separator, rest = arg.partition("::")  # tests/test_dev.py::test_help
        exists = not arg.startswith("-") and (here / path).exists()
        made.append(f"{here / path}{separator}{rest}" if exists else arg)
    os.chdir(root)
    return made


def what_is_lacking(which: Callable[[str], str | None]) -> str:
    """One line on the tests that this machine cannot run, and how to change that; empty if it can run all."""
    lacking = [helper for helper in HELPERS if which(helper[0]) is None]
    if not lacking:
        return ""
    tests = "; ".join(f"no {program}: {tests} are skipped" for program, _, tests in lacking)
    return f"{tests}. Install with: apt-get install {' '.join(package for _, package, _ in lacking)}"


# --- the tasks ---------------------------------------------------------------------------------------------------


def extras_to_simulate(args: list[str]) -> frozenset[str]:
    """What the simulator needs with these arguments: the libraries of a wire only where one is asked for."""
    text = " ".join(args).replace("=", " ")
    asked = [wire for wire in EXTRAS_FOR_WIRES if f"--wire {wire}" in text]
    if is_board(args) and not asked:
        asked = ["serial"]
    return EXTRAS_TO_RUN.union(*(EXTRAS_FOR_WIRES[wire] for wire in asked))


def is_board(args: list[str]) -> bool:
    """Whether a single board is to be simulated: `dev.py sim board` is `evse-daemon sim board`."""
    return args[:1] == ["board"]


def task_sim(args: list[str]) -> int:
    ensure_venv(PROJECT, extras_to_simulate(args))
    return become(PROJECT, [PROJECT.program("evse-daemon"), "sim" if is_board(args) else "simulate", *args])


def task_install(_: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    say(f"{PROJECT.venv} is ready; to work in it: . {PROJECT.venv}/bin/activate")
    return 0


def task_test(args: list[str]) -> int:
    import shutil

    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    # The whole suite waits for processes most of the time: on all cores, a file's tests in one of them.
    chosen = from_root(PROJECT.root, args) or ["-n", "auto", "--dist", "loadfile"]
    command = [str(PROJECT.python), "-m", "pytest", *chosen]
    path = environment_of(PROJECT)["PATH"]
    lacking = what_is_lacking(lambda program: shutil.which(program, path=path))
    if not lacking:
        return become(PROJECT, command)
    print(lacking)
    status = run(PROJECT, command)
    print(lacking)
    return status


def task_coverage(args: list[str]) -> int:
    return task_test(
        ["--cov", "--cov-report=term-missing:skip-covered", "--cov-report=html:build/coverage", *args]
    )


def task_lint(args: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    paths = from_root(PROJECT.root, args)
    rules = run(PROJECT, [PROJECT.program("ruff"), "check", *paths])
    layout = run(PROJECT, [PROJECT.program("ruff"), "format", "--check", *paths])
    if layout:
        say("to format the files: python3 dev.py format")
    return rules or layout


def task_format(args: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    paths = from_root(PROJECT.root, args)
    imports = run(PROJECT, [PROJECT.program("ruff"), "check", "--quiet", "--select", "I", "--fix", *paths])
    return run(PROJECT, [PROJECT.program("ruff"), "format", *paths]) or imports


def task_types(args: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    return become(PROJECT, [PROJECT.program("mypy"), *from_root(PROJECT.root, args)])


def task_check(_: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    failed = []
    for word, *args in (["lint"], ["types"], ["test", "--cov"]):
        say(f"--- {word}")
        if run(PROJECT, [sys.executable, __file__, word, *args]):
            failed.append(word)
    say(f"--- failed: {', '.join(failed)}" if failed else "--- lint, types and tests are fine")
    return 1 if failed else 0


def task_bench(args: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    return become(PROJECT, [str(PROJECT.python), str(PROJECT.root / "tests" / "bench" / "run.py"), *args])


def task_soak(args: list[str]) -> int:
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    return become(PROJECT, [str(PROJECT.python), str(PROJECT.root / "tests" / "soak" / "run.py"), *args])


def task_fuzz(args: list[str]) -> int:
    count, *more = args or [FUZZ_CASES]
    if more or not (count.isascii() and count.isdigit()):
        raise Stop("fuzz takes one argument, the number of messages: python3 dev.py fuzz 100000", 2)
    ensure_venv(PROJECT, EXTRAS_TO_TEST)
    os.environ["EVSE_FUZZ_CASES"] = count
    # A long search does not hang.
    options = ["-o", "faulthandler_timeout=0", str(PROJECT.root / "tests" / "fuzz")]
    return become(PROJECT, [str(PROJECT.python), "-m", "pytest", *options])


def task_package(args: list[str]) -> int:
    return run(PROJECT, [sys.executable, str(PROJECT.root / "tests" / "package" / "run.py"), *args])


def task_clean(_: list[str]) -> int:
    import shutil

    lock = take_lock(PROJECT.root)
    try:
        remove_venv(PROJECT.venv)
        for name in ("build", "dist", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"):
            shutil.rmtree(PROJECT.root / name, ignore_errors=True)
        for coverage in PROJECT.root.glob(".coverage*"):
            if coverage.is_file() and coverage.name != ".coveragerc":
                coverage.unlink()
        for cache in [*PROJECT.root.rglob("__pycache__")]:
            shutil.rmtree(cache, ignore_errors=True)
    finally:
        os.close(lock)
    return 0


# word: (what it does, arguments it takes, help)
TASKS: dict[str, tuple[Callable[[list[str]], int], str, str]] = {
    "sim": (task_sim, "[ARG…]", "start the simulator: a charger, its board, a car and a broker"),
    "test": (
        task_test,
        "[ARG…]",
        "run the tests (pytest ARG…); says what this machine lacks for some of them",
    ),
    "lint": (task_lint, "[PATH…]", "ruff's rules and its layout"),
    "types": (task_types, "[PATH…]", "mypy, strict"),
    "check": (task_check, "", "lint, types, and test with branch coverage: what has to pass before a commit"),
    "coverage": (
        task_coverage,
        "[ARG…]",
        "test, with the lines that no test reached; as pages in build/coverage",
    ),
    "format": (task_format, "[PATH…]", "sort the imports and lay the files out as ruff wants them"),
    "bench": (task_bench, "[ARG…]", "the benchmarks (tests/bench); prints a table"),
    "soak": (
        task_soak,
        "[ARG…]",
        "a minute of broker faults during charging sessions; says whether all held",
    ),
    "fuzz": (
        task_fuzz,
        "[N]",
        f"publish N messages ({FUZZ_CASES}) that a client might, in memory (tests/fuzz)",
    ),
    "package": (
        task_package,
        "[ARG…]",
        "build the Debian package and prove it in a clean Debian (root; debootstrap); takes some minutes",
    ),
    "install": (task_install, "", "only make .venv, with everything for running and testing"),
    "clean": (task_clean, "", "remove .venv, caches and what was built"),
}

EXAMPLES = """\
  python3 dev.py sim                    a charger on this machine; Ctrl-C ends it
  python3 dev.py sim --help             what the simulator can do
  python3 dev.py test                   every test
  python3 dev.py test -k pilot -x       the tests with "pilot" in their name, up to the first failure
  python3 dev.py check                  before a commit"""


def usage() -> str:
    width = max(len(f"{word} {args}") for word, (_, args, _) in TASKS.items())
    lines = [f"  {f'{word} {args}':{width}}  {help_}" for word, (_, args, help_) in TASKS.items()]
    return "\n".join(
        [
            "usage: python3 dev.py WORD [ARG…]",
            "",
            "Each word first sees to it that .venv is there and up to date (pinned by constraints.txt).",
            "",
            *lines,
            "",
            "examples:",
            EXAMPLES,
        ]
    )


def too_old(version: tuple[int, ...], python: str, which: Callable[[str], str | None]) -> str:
    """What to tell somebody whose Python is too old; empty if it is not."""
    if version[:2] >= OLDEST:
        return ""
    newer = [name for name in ("python3.13", "python3.12", "python3.11") if which(name)]
    hint = (
        f"Type: {newer[0]} dev.py …"
        if newer
        else "Debian 12 and 13 have it: apt-get install python3 python3-venv"
    )
    return "evse-daemon needs Python {}.{} or later; {} is {}.{}. {}".format(
        *OLDEST, python, *version[:2], hint
    )


def unknown(word: str) -> str:
    import difflib

    close = difflib.get_close_matches(word, TASKS, n=1)
    guess = f"Did you mean {close[0]}? " if close else ""
    return f"there is no task '{word}'. {guess}The tasks are {', '.join(TASKS)}; see python3 dev.py --help"


def main(args: list[str]) -> int:
    if sys.version_info[:2] < OLDEST:
        import shutil

        say(too_old(sys.version_info[:2], sys.executable, shutil.which))
        return 1
    if not args:
        print(usage(), file=sys.stderr)
        return 2
    word, *rest = args
    if word in ("-h", "--help", "help"):
        print(usage())
        return 0
    if word not in TASKS:
        say(unknown(word))
        return 2
    task, takes, _ = TASKS[word]
    if rest and not takes:
        say(f"{word} takes no arguments, got: {' '.join(rest)}")
        return 2
    try:
        return task(rest)
    except Stop as stop:
        say(str(stop))
        return stop.status
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
