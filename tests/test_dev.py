"""dev.py: the stamp on .venv, what it says to the person in front of it, and that two of them do no harm."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RUN = frozenset({"simulator"})
TEST = frozenset({"simulator", "test"})

PYPROJECT = '[project]\nname = "x"\ndependencies = ["a==1"]\n[tool.ruff]\nline-length = 110\n'


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Tree:
    """A source tree with dev.py's functions at work on it, and fakes of the two programs that need the network."""

    def __init__(self, dev: ModuleType, root: Path) -> None:
        self.dev = dev
        self.project = dev.Project(root)
        self.log: list[str] = []
        (root / "pyproject.toml").write_text(PYPROJECT)
        (root / "constraints.txt").write_text("a==1\n")

    @property
    def venv(self) -> Path:
        return Path(self.project.venv)

    def quiet_run(self, command: list[str], project: Any, lock: int) -> tuple[int, str]:
        assert (self.venv / self.dev.MARKER).exists(), "an interruption now would go unnoticed"
        if command[1:3] == ["-m", "venv"]:
            self.log.append("venv")
            self.project.python.parent.mkdir(parents=True)
            self.project.python.symlink_to(sys.executable)
        else:
            self.log.append(command[-1])
        return 0, ""

    def ensure(self, extras: frozenset[str] = RUN) -> list[str]:
        """The programs it took to have the venv ready."""
        self.log.clear()
        self.dev.ensure_venv(self.project, extras)
        return list(self.log)


@pytest.fixture
def dev() -> ModuleType:
    return load()


@pytest.fixture
def tree(dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    tree = Tree(dev, tmp_path)
    monkeypatch.setattr(dev, "quiet_run", tree.quiet_run)
    monkeypatch.setattr(dev, "PROJECT", tree.project)
    return tree


def start(*args: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "dev.py", *args],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the stamp


def test_first_start_makes_the_venv_and_second_start_only_looks_at_it(tree: Tree) -> None:
    assert tree.ensure() == ["venv", ".[simulator]"]
    assert tree.ensure() == []


def test_more_packages_are_added_and_then_serve_both_tasks(tree: Tree) -> None:
    tree.ensure(RUN)
    assert tree.ensure(TEST) == [".[simulator,test]"]
    assert tree.ensure(RUN) == []
    assert tree.ensure(TEST) == []


@pytest.mark.parametrize(
    ("arguments", "extras"),
    [
        ([], ".[simulator]"),
        (["--demo", "--wire", "serial"], ".[serial,simulator]"),
        (["--wire=can"], ".[can,serial,simulator]"),
        (["board", "--wire", "can"], ".[can,serial,simulator]"),
        (["board", "--link", "/tmp/yeti"], ".[serial,simulator]"),
    ],
)
def test_the_libraries_of_a_wire_are_installed_where_it_is_asked_for(
    dev: ModuleType, tree: Tree, arguments: list[str], extras: str
) -> None:
    assert tree.ensure(dev.extras_to_simulate(arguments)) == ["venv", extras]
    assert tree.ensure(dev.extras_to_simulate(arguments)) == []


def test_whoever_can_test_has_the_libraries_of_every_wire(dev: ModuleType, tree: Tree) -> None:
    tree.ensure(TEST)
    assert tree.ensure(dev.extras_to_simulate(["--wire", "serial"])) == []


def test_change_of_the_pins_installs_again_with_all_that_was_there(tree: Tree) -> None:
    tree.ensure(TEST)
    (tree.project.root / "constraints.txt").write_text("a==2\n")
    assert tree.ensure(RUN) == [".[simulator,test]"]
    assert tree.ensure(TEST) == []


def test_settings_of_a_tool_do_not_install_anything(tree: Tree) -> None:
    tree.ensure()
    (tree.project.root / "pyproject.toml").write_text(PYPROJECT.replace("110", "100"))
    assert tree.ensure() == []
    (tree.project.root / "pyproject.toml").write_text(PYPROJECT.replace("a==1", "a==2"))
    assert tree.ensure() == [".[simulator]"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [("python", "3.10", "Python 3.10"), ("root", "/somewhere/else", "another folder")],
)
def test_venv_of_other_python_or_folder_is_made_anew(
    tree: Tree, capsys: pytest.CaptureFixture[str], key: str, value: str, reason: str
) -> None:
    tree.ensure(TEST)
    stamp = tree.venv / tree.dev.STAMP
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), key: value}))
    assert tree.ensure(RUN) == ["venv", ".[simulator,test]"]
    assert reason in capsys.readouterr().err


def test_venv_whose_python_is_gone_is_made_anew(tree: Tree) -> None:
    tree.ensure()
    tree.project.python.unlink()
    tree.project.python.symlink_to("/gone/python3")
    assert tree.ensure() == ["venv", ".[simulator]"]


def test_interrupted_installation_is_noticed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tree.dev, "pip_install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tree.ensure()
    assert tree.ensure() == ["venv", ".[simulator]"]


def test_interrupted_update_is_noticed(tree: Tree) -> None:
    tree.ensure()
    (tree.venv / tree.dev.MARKER).touch()  # left by a kill -9 during pip
    assert tree.ensure() == ["venv", ".[simulator]"]


def test_failed_update_leaves_the_venv_for_the_next_attempt(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.ensure(RUN)
    with monkeypatch.context() as patch:
        patch.setattr(tree.dev, "quiet_run", lambda *_: (1, "ERROR: No matching distribution found for z==9"))
        with pytest.raises(tree.dev.Stop, match="z==9"):
            tree.ensure(TEST)
    assert tree.ensure(RUN) == []
    assert tree.ensure(TEST) == [".[simulator,test]"]


def test_half_removed_venv_keeps_its_marker_to_the_end(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.ensure()
    (tree.venv / "lib").mkdir()

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tree.dev.remove_venv(tree.venv)
    assert (tree.venv / tree.dev.MARKER).exists()
    assert tree.ensure() == ["venv", ".[simulator]"]


def test_whole_venv_made_by_hand_is_taken_over(tree: Tree) -> None:
    version = tree.dev.python_version()
    (tree.venv / "lib" / f"python{version}" / "site-packages" / "pip").mkdir(parents=True)
    (tree.venv / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}.7\n")
    tree.project.python.parent.mkdir()
    tree.project.python.symlink_to(sys.executable)
    assert tree.ensure() == [".[simulator]"]


def test_venv_that_is_a_link_loses_the_link_only(
    tree: Tree, tmp_path_factory: pytest.TempPathFactory
) -> None:
    precious = tmp_path_factory.mktemp("elsewhere") / "file"
    precious.touch()
    tree.venv.symlink_to(precious.parent)
    assert tree.ensure() == ["venv", ".[simulator]"]
    assert precious.exists()


def test_two_at_once_install_once(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    second_waits = threading.Event()
    second = threading.Thread(target=lambda: tree.dev.ensure_venv(tree.project, RUN))
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if "waiting" in text:
            second_waits.set()

    def pip_install(*_: Any) -> None:
        tree.log.append("pip")
        second.start()
        assert second_waits.wait(5)

    monkeypatch.setattr(tree.dev, "say", say)
    monkeypatch.setattr(tree.dev, "pip_install", pip_install)
    assert tree.ensure() == ["venv", "pip"]
    second.join(5)
    assert tree.log == ["venv", "pip"]
    assert [text for text in said if "another dev.py" in text]


# --- what it says


def test_unknown_word_names_the_near_one() -> None:
    done = start("tset")
    assert done.returncode == 2
    assert "Did you mean test?" in done.stderr
    assert done.stdout == ""


def test_no_word_shows_the_words() -> None:
    done = start()
    assert done.returncode == 2
    assert "python3 dev.py sim" in done.stderr


def test_help_names_every_word_with_examples(dev: ModuleType) -> None:
    done = start("--help")
    assert done.returncode == 0
    for word in dev.TASKS:
        assert re.search(rf"^  {word}\b", done.stdout, re.MULTILINE)
    assert "examples:" in done.stdout


def test_superfluous_argument_is_refused() -> None:
    done = start("clean", "all")
    assert done.returncode == 2
    assert "clean takes no arguments" in done.stderr


@pytest.mark.parametrize("word", ["sim", "test"])
def test_readme_says_the_same_words(dev: ModuleType, word: str) -> None:
    assert word in dev.TASKS
    assert f"python3 dev.py {word}" in (ROOT / "README.md").read_text("utf-8")


def test_old_python_is_told_what_to_type(dev: ModuleType) -> None:
    assert dev.too_old((3, 11, 2), "python3", lambda _: None) == ""
    text = dev.too_old((3, 9, 2), "/usr/bin/python3", {"python3.11": "/x"}.get)
    assert "/usr/bin/python3 is 3.9" in text
    assert "python3.11 dev.py" in text
    assert "apt-get install" in dev.too_old((3, 9, 2), "/usr/bin/python3", lambda _: None)


def test_lacking_programs_are_named_with_their_packages(dev: ModuleType) -> None:
    assert dev.what_is_lacking(lambda _: "/usr/bin/it") == ""
    text = dev.what_is_lacking(lambda program: None if program.startswith("mosq") else "/usr/bin/it")
    assert "no mosquitto: " in text
    assert text.endswith("apt-get install mosquitto mosquitto-clients")
    assert "\n" not in text


def test_tests_with_something_lacking_say_so_first_and_last(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(tree.dev, "what_is_lacking", lambda _: "no mosquitto")

    def run(*_: Any) -> int:
        sys.stdout.write("pytest ran\n")
        return 7

    monkeypatch.setattr(tree.dev, "run", run)
    assert tree.dev.main(["test"]) == 7
    assert capsys.readouterr().out.splitlines() == ["no mosquitto", "pytest ran", "no mosquitto"]


def test_pips_error_is_shown_whole_and_its_noise_is_not(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = "Collecting z==9\nWARNING: Location 'file:///wheels' is ignored: it is neither a file nor a directory."
    monkeypatch.setattr(tree.dev, "quiet_run", lambda *_: (0, noise))
    tree.venv.mkdir()
    tree.dev.pip_install(tree.project, ["test"], 0)
    assert capsys.readouterr().err == ""

    error = "ERROR: Could not find it\n\nThe reason is this.\nERROR: No matching distribution found for z==9"
    monkeypatch.setattr(tree.dev, "quiet_run", lambda *_: (1, f"{noise}\n{error}"))
    with pytest.raises(tree.dev.Stop) as stop:
        tree.dev.pip_install(tree.project, ["test"], 0)
    assert error in str(stop.value)
    assert "Collecting" not in str(stop.value)
    assert "Location" not in str(stop.value)
    assert "PIP_INDEX_URL" in str(stop.value)


@pytest.mark.parametrize(
    ("output", "help_"),
    [
        (
            "NewConnectionError('<…>: Failed to establish …')\nERROR: No matching distribution found",
            "network",
        ),
        ("ERROR: ResolutionImpossible: for help visit …", "CONTRIBUTING.md"),
        ("ERROR: something new", "dev.py clean"),
    ],
)
def test_pips_error_comes_with_what_to_do(dev: ModuleType, output: str, help_: str) -> None:
    assert help_ in dev.advice(output)


# --- Debian without python3-venv


@pytest.mark.parametrize(
    ("python", "package"),
    [
        ("/usr/bin/python3.11", "python3-venv"),
        ("/usr/bin/python3.12", "python3.12-venv"),
        ("/usr/local/bin/python3.12", None),
    ],
)
def test_package_fits_the_interpreter(dev: ModuleType, python: str, package: str | None) -> None:
    assert dev.debian_package(Path(python), Path("/usr/bin/python3.11")) == package


class Debian:
    """A Debian without python3-venv: an apt-get of our own on PATH, and a Python that finds no ensurepip."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "apt.log"
        self.installed = folder / "installed"
        self.has_lists = folder / "lists"
        apt = folder / "apt-get"
        apt.write_text(
            "#!/bin/sh\n"
            f'echo "$DEBIAN_FRONTEND $*" >> {self.log}\n'
            f'case "$*" in\n'
            f"  update) : > {self.has_lists} ;;\n"
            f"  *) [ -e {self.has_lists} ] || {{ echo E: Unable to locate package; exit 100; }}\n"
            f"     : > {self.installed} ;;\n"
            "esac\n"
        )
        apt.chmod(0o755)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def debian(tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Debian:
    folder = tmp_path_factory.mktemp("bin")
    debian = Debian(folder)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv("DEBIAN_FRONTEND", raising=False)
    monkeypatch.setattr(tree.dev, "base_python", lambda: Path("/usr/bin/python3.99"))
    monkeypatch.setattr(tree.dev, "has_venv_module", debian.installed.exists)
    return debian


def test_root_gets_the_package_installed_and_is_told_first(
    tree: Tree, debian: Debian, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    debian.has_lists.touch()
    assert tree.ensure() == ["venv", ".[simulator]"]
    assert len(debian.calls()) == 1
    assert debian.calls()[0].startswith("noninteractive ")
    assert debian.calls()[0].endswith(" python3.99-venv")
    assert "installing Debian's package python3.99-venv" in capsys.readouterr().err


def test_missing_package_lists_are_fetched(
    tree: Tree, debian: Debian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    tree.ensure()
    assert [call.split()[-1] for call in debian.calls()] == ["python3.99-venv", "update", "python3.99-venv"]


def test_other_users_are_told_the_line_to_type(
    tree: Tree, debian: Debian, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert tree.dev.main(["install"]) == 1
    assert "apt-get install -y python3.99-venv" in capsys.readouterr().err
    assert debian.calls() == []
    assert not tree.venv.exists()


def test_ensurepip_missing_for_real_is_noticed(dev: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dev.has_venv_module()
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert not dev.has_venv_module()


# --- starting the tools


def fake_tree(folder: Path, program: str, script: str) -> Path:
    """A copy of dev.py in a tree whose venv is ready and holds one program."""
    shutil.copy(ROOT / "dev.py", folder)
    tree = Tree(load(), folder)
    path = tree.venv / "bin" / program
    path.parent.mkdir(parents=True)
    if program != "python":
        (tree.venv / "bin" / "python").symlink_to(sys.executable)
    path.write_text(script)
    path.chmod(0o755)
    (tree.venv / tree.dev.STAMP).write_text(json.dumps(tree.dev.wanted_stamp(folder.resolve(), TEST)))
    return folder / "dev.py"


def test_simulator_takes_the_place_of_dev_py_in_the_callers_folder(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere").resolve()
    script = fake_tree(
        tmp_path, "evse-daemon", '#!/bin/sh\necho $$ "$PWD" "$VIRTUAL_ENV" "[$PYTHONPATH]" "$@"\nexit 5\n'
    )
    environment = {**os.environ, "PYTHONPATH": "/ros"}
    with subprocess.Popen(
        [sys.executable, script, "sim", "--speed", "10"],
        cwd=elsewhere,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        out, err = child.communicate(timeout=10)
    assert out.split() == [
        str(child.pid),
        str(elsewhere),
        str(tmp_path.resolve() / ".venv"),
        "[]",
        "simulate",
        "--speed",
        "10",
    ]
    assert child.returncode == 5
    assert err == ""


def test_waiting_leaves_ctrl_c_to_the_child(dev: ModuleType, tmp_path: Path) -> None:
    script = "import os, signal; os.kill(os.getppid(), signal.SIGINT); raise SystemExit(3)"
    code = (
        "import importlib.util as u, pathlib, sys\n"
        f"s = u.spec_from_file_location('dev', {str(ROOT / 'dev.py')!r}); m = u.module_from_spec(s)\n"
        "s.loader.exec_module(m)\n"
        f"sys.exit(m.run(m.PROJECT, [sys.executable, '-c', {script!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert dev.run(dev.PROJECT, ["/bin/sh", "-c", "kill -KILL $$"]) == 128 + signal.SIGKILL


def test_paths_are_meant_from_the_callers_folder(
    dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").touch()
    monkeypatch.chdir(tmp_path / "tests")
    args = dev.from_root(tmp_path, ["test_x.py::test_y", "-k", "pilot", "tests/test_x.py"])
    assert args == [f"{tmp_path}/tests/test_x.py::test_y", "-k", "pilot", "tests/test_x.py"]
    assert Path.cwd() == tmp_path


def test_programs_of_the_venv_come_first_and_sbin_is_found(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", "/ros")
    environment = dev.environment_of(dev.PROJECT)
    folders = environment["PATH"].split(":")
    assert folders[0] == str(dev.PROJECT.venv / "bin")
    assert "/usr/sbin" in folders
    assert "PYTHONPATH" not in environment


# --- the pins


def test_constraints_pin_every_package_that_is_installed_for_us() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = {canonicalize_name(line.split("==")[0]) for line in lines if not line.startswith("#")}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+|#.*", line) for line in lines)

    seen: set[tuple[str, str]] = set()
    todo = [("evse-daemon", extra) for extra in ("", *TEST)]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(requirement.name), extra) for extra in ("", *requirement.extras)]
    assert {name for name, _ in seen} - pins == {"evse-daemon"}
