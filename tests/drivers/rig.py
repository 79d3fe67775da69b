"""The pure driver and a fake board in virtual time, with a wire between them that can break."""

from __future__ import annotations

from drivers.board import driver
from drivers.board import messages as m
from drivers.board import state as s
from tests.drivers.fake_board import CYCLE_S, FakeBoard


class Rig:
    def __init__(self, settings: s.Settings | None = None) -> None:
        self.settings = settings or s.Settings(protocol_major=0, minimum_firmware=(2, 0))
        self.board = FakeBoard()
        self.now_s = 100.0
        self.state = s.State(heard_s=self.now_s)
        self.told: list[tuple[float, s.Effect]] = []
        self.sent: list[tuple[float, m.ToBoard]] = []
        self.deaf = False
        """What the board says does not arrive; what it is told does."""
        self._cycle_s = self.now_s

    @classmethod
    def running(cls, settings: s.Settings | None = None) -> Rig:
        rig = cls(settings)
        rig.feed(s.LinkUp())
        rig.feed(s.Enable(True))
        rig.advance(1)
        assert rig.state.phase == "running"
        return rig

    @classmethod
    def charging(cls, settings: s.Settings | None = None) -> Rig:
        rig = cls.running(settings)
        rig.plug_in("C")
        rig.feed(s.SetDuty(1600))
        rig.feed(s.SetPower(True))
        rig.advance(1)
        assert rig.board.relay
        assert rig.events()[-1] == "PowerOn"
        return rig

    def plug_in(self, car: m.Pilot) -> None:
        self.board.car = car
        self.advance(0.3)

    def feed(self, event: s.Event) -> None:
        before_wire = self.state.wire
        self.state, effects = driver.step(self.state, event, self.now_s, self.settings)
        for effect in effects:
            match effect:
                case s.Send(message):
                    assert self.state.wire or before_wire
                    self.sent.append((self.now_s, message))
                    if self.state.wire:
                        self.board.hear(message, self.now_s)
                case s.ResetLine(held):
                    self.told.append((self.now_s, effect))
                    self.board.held_in_reset(held)
                case _:
                    self.told.append((self.now_s, effect))

    def advance(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while True:
            deadline_s = driver.next_deadline(self.state, self.settings)
            next_s = min(self._cycle_s, deadline_s if deadline_s is not None else end_s + 1)
            if next_s > end_s:
                break
            assert next_s >= self.now_s - 1e-9, "a deadline in the past: the driver would spin"
            self.now_s = max(self.now_s, next_s)
            if deadline_s is not None and deadline_s <= self.now_s:
                self.feed(s.Tick())
                after = driver.next_deadline(self.state, self.settings)
                assert after is None or after > self.now_s, "the tick has not dealt with its deadline"
            if self._cycle_s <= self.now_s:
                self._cycle_s += CYCLE_S
                said = self.board.cycle(self.now_s)
                for message in said if self.state.wire and not self.deaf else ():
                    self.feed(s.Received(message))
        self.now_s = end_s

    def events(self) -> list[str]:
        return [effect.event for _, effect in self.told if isinstance(effect, s.TellEvent)]

    def errors(self) -> set[str]:
        """The active errors, with their sub types."""
        active: set[str] = set()
        for _, effect in self.told:
            if isinstance(effect, s.Raise):
                assert _name(effect.fault) not in active
                active.add(_name(effect.fault))
            elif isinstance(effect, s.Clear):
                active.remove(_name(effect.fault))
        assert active == {_name(fault) for fault in self.state.raised}
        return active

    def answers(self) -> list[s.LockDone]:
        return [effect for _, effect in self.told if isinstance(effect, s.LockDone)]

    def sent_since(self, since_s: float, message: m.ToBoard) -> list[float]:
        """How many seconds after a time a message was sent."""
        return [round(at_s - since_s, 6) for at_s, sent in self.sent if sent == message and at_s >= since_s]


def _name(fault: s.Fault) -> str:
    return f"{fault.type}/{fault.sub_type}" if fault.sub_type else fault.type
