"""The pure drivers of both connectors and a fake PhyVerso in virtual time, with a wire between them that can break."""

from __future__ import annotations

from drivers.board import connectors, driver
from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.fake_board import CYCLE_S
from tests.drivers.fake_phyverso import FakePhyVerso

CONFIGURATION = m.Configure((m.PortSetup("AC"), m.PortSetup("AC")))
SETTINGS = s.Settings(
    configuration=CONFIGURATION,
    rcd_error="ac_rcd/DC",
    latched=frozenset({"connector_lock_failed"}),
    reset_pulse_s=0.025,
)


class Rig:
    def __init__(self, settings: s.Settings = SETTINGS) -> None:
        self.settings = (settings, settings)
        self.board = FakePhyVerso()
        self.now_s = 100.0
        self.states: connectors.States = (s.State(heard_s=self.now_s),) * 2
        self.told: list[tuple[int, s.Effect]] = []
        self.sent: list[tuple[float, int, m.ToBoard]] = []
        self.line: list[bool] = []
        self._cycle_s = self.now_s

    @classmethod
    def running(cls, settings: s.Settings = SETTINGS) -> Rig:
        rig = cls(settings)
        rig.feed(None, s.LinkUp())
        for connector in (1, 2):
            rig.feed(connector, s.Enable(True))
        rig.advance(1)
        assert rig.phases() == ("running", "running")
        return rig

    @classmethod
    def charging(cls, *charging: int, settings: s.Settings = SETTINGS) -> Rig:
        """On these connectors a car charges."""
        rig = cls.running(settings)
        for connector in charging:
            rig.charge(connector)
        return rig

    def charge(self, connector: int) -> None:
        self.plug_in(connector, "C")
        self.feed(connector, s.SetDuty(1600))
        self.feed(connector, s.SetPower(True))
        self.advance(0.5)
        assert self.board.ports[connector].relay
        assert self.events(connector)[-1] == "PowerOn"

    def plug_in(self, connector: int, car: m.Pilot) -> None:
        self.board.ports[connector].car = car
        self.advance(0.3)

    def phases(self) -> tuple[s.Phase, ...]:
        return tuple(state.phase for state in self.states)

    def feed(self, connector: int | None, event: s.Event) -> None:
        """Something happens to connector 1 or 2, or to both (None)."""
        at = None if connector is None else connector - 1
        self.states, effects = connectors.step(self.states, at, event, self.now_s, self.settings)
        assert len({state.wire for state in self.states}) == 1, "they agree on what is common to them"
        for index, effect in effects:
            match effect:
                case s.Send(message):
                    whole = connectors.concerns_all(message)
                    self.sent.append((self.now_s, 0 if whole else index + 1, message))
                    if self.states[0].wire:
                        self.board.hear(0 if whole else index + 1, message, self.now_s)
                case s.ResetLine(held):
                    self.line.append(held)
                    self.board.held_in_reset(held)
                case _:
                    self.told.append((index + 1, effect))

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            deadline_s = connectors.next_deadline(self.states, self.settings)
            next_s = min(self._cycle_s, deadline_s if deadline_s is not None else end_s + 1)
            if next_s > end_s:
                break
            assert next_s >= self.now_s - 1e-9, "a deadline in the past: the driver would spin"
            self.now_s = max(self.now_s, next_s)
            if deadline_s is not None and deadline_s <= self.now_s:
                self.feed(None, s.Tick())
                after = connectors.next_deadline(self.states, self.settings)
                assert after is None or after > self.now_s, "the tick has not dealt with its deadline"
            if self._cycle_s <= self.now_s:
                self._cycle_s += CYCLE_S
                for connector, message in self.board.cycle(self.now_s):
                    if self.states[0].wire:
                        self.feed(connector or None, s.Received(message))
        self.now_s = end_s

    def events(self, connector: int) -> list[str]:
        return [e.event for at, e in self.told if at == connector and isinstance(e, s.TellEvent)]

    def errors(self, connector: int) -> set[str]:
        """The active errors, with their sub types."""
        active: set[str] = set()
        for at, effect in self.told:
            if at == connector and isinstance(effect, s.Raise):
                active.add(_name(effect.fault))
            elif at == connector and isinstance(effect, s.Clear):
                active.remove(_name(effect.fault))
        assert active == {_name(fault) for fault in self.states[connector - 1].raised}
        return active

    def sent_since(self, since_s: float, connector: int, message: m.ToBoard) -> list[float]:
        """How many seconds after a time a message was sent."""
        return [
            round(at - since_s, 6)
            for at, to, m_ in self.sent
            if (to, m_) == (connector, message) and at >= since_s
        ]

    def safe_messages(self) -> list[m.ToBoard]:
        return [message for state in self.states for message in driver.safe_messages(state)]


def _name(fault: s.Fault) -> str:
    return f"{fault.type}/{fault.sub_type}" if fault.sub_type else fault.type
