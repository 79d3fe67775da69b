"""CAN interfaces, GPIO lines and meters on the network, and which of them a configuration uses."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from evse_daemon.config import RunConfig, load, load_text
from evse_daemon.config.remembered import remember
from evse_daemon.doctor import gpio, station
from evse_daemon.doctor.can import look_at_interface
from evse_daemon.doctor.gpio import look_at_line
from evse_daemon.doctor.machine import Machine
from evse_daemon.doctor.station import checks_of, devices_of, questions_of
from evse_daemon.framework.devices import CanInterface, GpioChipLine, InputFile, SerialDevice, TcpServer
from tests.doctor.fakes import WHO, Given, machine, process, said
from tests.support.brokers import free_port
from tests.system.processes import ROOT

# CAN.


def link(**more: object) -> dict[str, str]:
    controller = {"state": "ERROR-ACTIVE", "restart_ms": 100, "bittiming": {"bitrate": 500_000}} | more
    return {"ip": json.dumps([{"ifname": "can0", "linkinfo": {"info_kind": "can", "info_data": controller}}])}


def bus(
    root: Path, programs: dict[str, str] | None = None, *, flags: str = "0x40081", kind: str = "280"
) -> list[str]:
    made = machine(
        root, programs or link(), sys__class__net__can0__type=kind, sys__class__net__can0__flags=flags
    )
    return said(look_at_interface("can0", 500_000, "can0", made))


def test_a_bus_that_is_up_and_comes_back_is_fine(tmp_path: Path) -> None:
    assert bus(tmp_path) == ["ok: up, 500000 bit/s, ERROR-ACTIVE"]
    assert bus(tmp_path, {"ip": '[{"linkinfo": {"info_kind": "vcan"}}]'}) == ["ok: up, virtual"]


@pytest.mark.parametrize("printed", ["", "[]", "[7]", "{}", '[{"linkinfo": {"info_data": 3}}]'])
def test_without_the_program_ip_less_is_known(tmp_path: Path, printed: str) -> None:
    assert bus(tmp_path, {"ip": printed})[0].startswith("ok: up (bit rate and state are not known")


def test_a_bus_that_is_down_comes_with_the_command(tmp_path: Path) -> None:
    (found,) = bus(tmp_path, flags="0x40080")
    assert found.startswith(
        "problem: can0 is down → ip link set can0 up type can bitrate 500000 restart-ms 100"
    )


def test_other_interfaces_and_none_are_named(tmp_path: Path) -> None:
    assert bus(tmp_path, kind="1")[0].startswith("problem: can0 is no CAN interface")
    (found,) = said(look_at_interface("can7", 500_000, "can7", machine(tmp_path)))
    assert found.startswith("problem: there is no interface can7")


def test_a_wrong_bit_rate_and_a_bus_that_stays_off_are_named(tmp_path: Path) -> None:
    wrong, stays = bus(tmp_path, link(bittiming={"bitrate": 250_000}, restart_ms=0))
    assert wrong.startswith("problem: its bit rate is 250000 bit/s, can_bitrate says 500000")
    assert stays.startswith("warning: after bus-off it stays off")


@pytest.mark.parametrize(
    ("state", "said_of_it"),
    [
        ("BUS-OFF", "problem: the controller is BUS-OFF"),
        ("ERROR-PASSIVE", "warning: the controller sees errors (ERROR-PASSIVE)"),
    ],
)
def test_errors_of_the_bus_are_named(tmp_path: Path, state: str, said_of_it: str) -> None:
    assert bus(tmp_path, link(state=state))[0].startswith(said_of_it)


# GPIO.


@pytest.fixture
def chip() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


class Kernel:
    """Answers the two questions of linux/gpio.h, and fails at any other: it would move something."""

    def __init__(self, *, lines: int = 54, holder: bytes | None = None) -> None:
        self.lines = lines
        self.holder = holder

    def __call__(self, _descriptor: int, request: int, data: bytearray) -> int:
        if request == 0x8044B401:  # _IOR(0xB4, 0x01, struct gpiochip_info)
            assert len(data) == 68
            data[64:68] = struct.pack("=I", self.lines)
        else:
            assert request == 0xC100B405  # _IOWR(0xB4, 0x05, struct gpio_v2_line_info)
            assert len(data) == 256
            assert struct.unpack_from("=I", data, 64) == (27,)
            if self.holder is not None:
                data[32 : 32 + len(self.holder)] = self.holder
                data[72:80] = struct.pack("=Q", 1)
        return 0


def test_lines_are_asked_about_and_not_moved(chip: str) -> None:
    def look(kernel: Kernel) -> list[str]:
        return said(look_at_line(chip, 27, "line", WHO, Given(), kernel))

    assert look(Kernel()) == ["ok: free"]
    assert look(Kernel(holder=b"evse-daemon")) == ["ok: in use by the daemon"]
    assert look(Kernel(holder=b"led0"))[0].startswith("problem: it is in use by led0")
    assert look(Kernel(holder=b""))[0].startswith("problem: it is in use by the kernel")
    assert look(Kernel(lines=8)) == [f"problem: {chip} has the lines 0 to 7 → correct reset_gpio"]


def test_chips_that_cannot_be_used_are_named(chip: str, tmp_path: Path) -> None:
    (found,) = said(look_at_line(chip, 27, "line", WHO, Given(chip), Kernel()))
    assert found.startswith(f"problem: evse-daemon may not use {chip} → usermod -aG gpio evse-daemon")
    (found,) = said(look_at_line(str(tmp_path / "none"), 27, "line", WHO, Given()))
    assert "No such file" in found
    (found,) = said(look_at_line(str(tmp_path), 27, "line", WHO, Given()))
    assert "is no device" in found
    (found,) = said(look_at_line(chip, 27, "line", WHO, Given()))
    assert found.startswith(f"warning: {chip} cannot be asked: "), "this device is no GPIO chip"
    assert gpio.CONSUMER in (ROOT / "drivers/board/gpio.py").read_text("utf-8")


# What a configuration uses.

METER = """
active_modules:
  hub: {module: ModbusTcpHub, config_implementation: {main: {host: 127.0.0.1, port: %d}}}
"""


def test_the_examples_name_what_they_use() -> None:
    two = devices_of(load(ROOT / "config/config-two-evses.yaml", {}))
    assert [each.device[:2] for each in two if isinstance(each.device, SerialDevice)] == [
        ("serial_port", "/dev/ttyUSB1"),
        ("serial_port", "/dev/ttyUSB2"),
        ("serial_port", "/dev/ttyUSB0"),
    ]
    lines = [each.device for each in two if isinstance(each.device, GpioChipLine)]
    assert lines == [
        ("reset_gpio_chip", "/dev/gpiochip0", 27),
        ("reset_gpio_chip", "/dev/gpiochip0", 22),
    ]
    can = devices_of(load(ROOT / "config/config-can.yaml", {}))
    assert [each.device for each in can] == [
        CanInterface("can_device", "can0", 500_000),
        InputFile("allowlist_file", "/etc/evse-daemon/allowlist.txt"),
    ]
    assert [each.device for each in devices_of(load_text(METER % 502))] == [
        TcpServer("host", "127.0.0.1", 502, ("pymodbus",))
    ]
    assert devices_of(load(ROOT / "config/config-sim.yaml", {})) == []


def test_other_ways_to_a_can_bus_need_a_serial_port_or_nothing() -> None:
    text = "active_modules: {{dc: {{module: InfyPower, config_module: {{can_interface: {}, can_device: /dev/x}}}}}}"
    (slcan,) = devices_of(load_text(text.format("slcan")))
    assert slcan.device == SerialDevice("can_device", "/dev/x", ("can", "serial"))
    assert devices_of(load_text(text.format("virtual"))) == []


def look(config: RunConfig, on: Machine, *, refused: tuple[str, ...] = (), only: str = "") -> list[str]:
    """What the checks of a configuration say, but for those of broker, prefix and state."""
    checks = checks_of(config, Path("/nonexistent/state"), WHO, Given(*refused), on)
    wanted = [check for check in checks if only in check.subject and "state" not in check.subject]
    return [
        line
        for check in wanted
        if not check.subject.startswith(("broker", "prefix"))
        for line in said(check.look())
    ]


def test_a_meter_on_the_network_is_knocked_at_and_not_while_a_daemon_runs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = load_text(METER % server.getsockname()[1])
        assert look(config, machine(tmp_path), only="device at") == ["ok: takes connections"]
        server.settimeout(5)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            assert connection.recv(1) == b"", "nothing is said to it"
        process(tmp_path, 3, "evse-daemon", command="/usr/bin/evse-daemon run")
        (found,) = look(config, machine(tmp_path), only="device at")
        assert found.startswith("ok: not tried")
        server.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("sudo", "sudo evse-daemon doctor"),
        ("evse-daemon", "/usr/bin/python3 -I /usr/bin/evse-daemon support-bundle"),
        ("evse-daemon", "/usr/bin/python3 -I /usr/bin/evse-daemon watch"),
        ("sh", "sh -c evse-daemon run"),
        ("vi", "vi evse-daemon run"),
    ],
)
def test_who_only_looks_is_no_daemon_that_runs(tmp_path: Path, name: str, command: str) -> None:
    process(tmp_path, 3, name, command=command)
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = load_text(METER % server.getsockname()[1])
        assert look(config, machine(tmp_path), only="device at") == ["ok: takes connections"]


def test_a_meter_that_is_not_there_is_named(tmp_path: Path) -> None:
    (found,) = look(load_text(METER % free_port()), machine(tmp_path), only="device at")
    assert found.startswith("problem: it cannot be reached: Connection refused → ping 127.0.0.1")


def test_libraries_that_a_driver_lacks_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_text(METER % free_port())
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    found = look(config, machine(tmp_path), only="device at")
    assert found[0].startswith("problem: it needs the Python package pymodbus → install the Debian package")


def test_two_modules_with_one_port_or_line_are_named(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/ttyUSB5")
    board = "config_module: {{serial_port: {}, reset_gpio: {}}}"
    text = (
        "active_modules:\n"
        f"  one: {{module: YetiDriver, {board.format('/dev/ttyUSB5', 4)}}}\n"
        f"  two: {{module: YetiDriver, {board.format(tmp_path / 'by-id', 4)}}}\n"
        f"  three: {{module: YetiDriver, {board.format('/dev/ttyUSB6', 5)}}}\n"
    )
    assert look(load_text(text), machine(tmp_path), only="devices") == [
        "problem: one uses it too → correct serial_port of one of them",
        "problem: one uses it too → correct reset_gpio_chip of one of them",
    ]


def test_files_that_the_user_may_not_read_are_named(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush")
    secret.chmod(0o644)
    file = tmp_path / "config.yaml"
    file.write_text(
        (ROOT / "config/config-can.yaml").read_text("utf-8")
        + f"daemon: {{broker: {{user: me, password_file: {secret}}}}}\n"
    )
    config = load(file, {})
    assert {(str(file), os.R_OK), (str(secret), os.R_OK)} <= set(questions_of(config, tmp_path))
    assert look(config, machine(tmp_path), only="files") == [
        f"warning: everybody on this machine may read it → chmod o= {secret}"
    ]
    secret.chmod(0o600)
    found = look(config, machine(tmp_path), refused=(str(file), str(secret)), only="files")
    assert [line.partition(" → ")[0] for line in found] == ["problem: evse-daemon may not read it"] * 2
    assert "hush" not in "".join(found)
    refused = (str(tmp_path / "cards"),)
    (tmp_path / "other.yaml").write_text(
        file.read_text().replace("/etc/evse-daemon/allowlist.txt", refused[0])
    )
    found = look(load(tmp_path / "other.yaml", {}), machine(tmp_path), refused=refused, only="cards")
    assert found == ["problem: it is not there → make it, or correct its name"]


def test_a_password_that_systemd_gives_the_unit_is_no_problem_before_the_start(tmp_path: Path) -> None:
    """As docs/security.md has it; doctor is asked before the unit is started for the first time."""
    password = "/run/credentials/evse-daemon.service/mqtt-password"
    file = tmp_path / "config.yaml"
    file.write_text(
        (ROOT / "config/config-can.yaml").read_text("utf-8")
        + f"daemon: {{broker: {{user: me, password_file: {password}}}}}\n"
    )
    config, on = load(file, {}), machine(tmp_path)
    (found,) = look(config, on, refused=(password,), only="files")
    assert found.startswith("warning: it is there while the unit runs only")
    checks = checks_of(config, tmp_path, WHO, Given(password), on)
    assert not [each.subject for each in checks if each.subject.startswith(("broker", "prefix"))]


def test_a_file_that_was_changed_since_the_start_is_named(tmp_path: Path) -> None:
    file, folder, root = tmp_path / "config.yaml", tmp_path / "folder", tmp_path / "root"
    folder.mkdir()
    file.write_text(METER % 502)
    remember(file, folder)
    process(root, 3, "evse-daemon", has=str(folder), command="evse-daemon run")

    def said_of_it() -> list[str]:
        checks = checks_of(load(file, {}), folder, WHO, Given(), machine(root))
        return [line for check in checks if check.subject.startswith("conf") for line in said(check.look())]

    assert said_of_it() == []
    file.write_text(METER % 503)
    (found,) = said_of_it()
    assert found.startswith("warning: the daemon was started with another one: this file was changed since")


def test_a_socket_of_the_broker_that_the_user_may_not_use_is_named(tmp_path: Path) -> None:
    door = tmp_path / "mqtt.sock"
    door.touch()
    config = load_text(f"settings: {{mqtt_broker_socket_path: {door}}}\n" + METER % 502)
    assert (str(door), os.W_OK) in questions_of(config, tmp_path)
    found = look(config, machine(tmp_path), refused=(str(door),), only="files")
    assert any("usermod -aG mosquitto evse-daemon" in line for line in found)


def test_standalone_modules_use_their_own_machine() -> None:
    config = load(ROOT / "config/config-yeti.yaml", {})
    object.__setattr__(config.modules["yeti_driver"], "standalone", True)
    assert not [each for each in devices_of(config) if each.module_id == "yeti_driver"]
    assert station.CONNECT_S < 2
