"""A small PhyVerso: two connectors, each as that of a fake Yeti, on a board that asks for its configuration."""

from __future__ import annotations

from drivers.board import messages as m
from tests.drivers.fake_board import ALIVE_S, CYCLE_S, FakeBoard

HEARTBEAT_S = 5.0
"""After how long without its host it says so, and switches off."""

Said = list[tuple[int, m.FromBoard]]


class Port(FakeBoard):
    """One connector; the board does what concerns the whole of it."""

    def __init__(self) -> None:
        super().__init__()
        self.mute_pilot = False
        self.responses: list[m.FromBoard] = []

    def hear(self, message: m.ToBoard, now_s: float) -> None:
        super().hear(message, now_s)
        if isinstance(message, m.AllowPower):
            self.responses.append(m.RelayState(self.relay))

    def cycle(self, now_s: float) -> list[m.FromBoard]:
        said, self.responses = self.responses, []
        said += super().cycle(now_s)
        of_board: tuple[type, ...] = (m.BoardAlive, m.WasReset, m.MeterReading)
        if self.mute_pilot:
            of_board += (m.PilotState,)
        return [message for message in said if not isinstance(message, of_board)]


class FakePhyVerso:
    """As FakeBoard, with the connector of each message; 0 is the whole board."""

    def __init__(self) -> None:
        self.ports = {1: Port(), 2: Port()}
        self.heard: list[tuple[float, int, m.ToBoard]] = []
        self.silent = False
        self.deaf = False
        self.tells_reset = True
        self.takes_configuration = True
        self.configuration: m.Configure | None = None
        self.resets = 0
        self.asked = 0
        self._cycles = 0
        self._host_s: float | None = None
        self._outbox: Said = []
        self._boot("user")
        self._outbox.clear()

    def restart(self, reason: m.ResetReason = "watchdog") -> None:
        self._boot(reason)

    def held_in_reset(self, held: bool) -> None:
        self.silent = held
        if held:
            for port in self.ports.values():
                port.relay = port.welded
        else:
            self._boot("user")

    def _boot(self, reason: m.ResetReason) -> None:
        self.configuration = None
        self._cycles = 0
        self._host_s = None
        for port in self.ports.values():
            port.restart(reason)
            port.responses.clear()
        self._outbox = [(0, m.WasReset(reason))] if self.tells_reset else []

    def hear(self, connector: int, message: m.ToBoard, now_s: float) -> None:
        if self.silent or self.deaf:
            return
        self.heard.append((now_s, connector, message))
        match message:
            case m.HostAlive():
                assert connector == 0
                self._host_s = now_s
            case m.Reset():
                assert connector == 0
                self.resets += 1
                self._boot("user")
            case m.Configure():
                assert connector == 0
                if self.takes_configuration:
                    self.configuration = message
            case _ if self.configuration is not None:
                self.ports[connector].hear(message, now_s)
            case m.AllowPower(False):
                pass
            case _:
                raise AssertionError(f"{message} to a board that has no configuration")

    def cycle(self, now_s: float) -> Said:
        if self.silent:
            return []
        said, self._outbox = self._outbox, []
        if self._cycles % round(ALIVE_S / CYCLE_S) == 0:
            if self.configuration is None:
                self.asked += 1
                said.append((0, m.ConfigurationRequest()))
            configured = self.configuration is not None
            said.append((0, m.BoardAlive("1.0", 50 * self._cycles, configured=configured)))
        self._cycles += 1
        if self.configuration is not None:
            self._watch_host(now_s)
            for connector, port in self.ports.items():
                if self.configuration.ports[connector - 1].type != "disabled":
                    said += ((connector, message) for message in port.cycle(now_s))
        return said

    def _watch_host(self, now_s: float) -> None:
        missed = self._host_s is not None and now_s - self._host_s > HEARTBEAT_S
        for port in self.ports.values():
            if missed != port.flags.heartbeat_timeout:
                port.flags = m.ErrorFlags(heartbeat_timeout=missed)
                port.power = port.power and not missed
