"""A small Yeti: enough of a board to charge a car, with faults on demand, in whatever time it is given."""

from __future__ import annotations

from drivers.board import messages as m

CYCLE_S = 0.05
ALIVE_S = 0.2
RELAY_S = 0.1
VOLTAGES: dict[m.Pilot, float] = {"A": 12.0, "B": 9.0, "C": 6.0, "D": 3.0, "E": 0.0, "F": 0.0}


class FakeBoard:
    """What it hears changes it at once; what it says comes from ``cycle``, which is called every CYCLE_S."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, m.ToBoard]] = []
        self.car: m.Pilot = "A"
        self.cable: m.Cable = "none"
        self.flags = m.ErrorFlags()
        self.version = "2.2"
        self.protocol = (0, 1)
        self.silent = False
        """It hangs: it hears and says nothing, and everything stays as it is."""
        self.deaf = False
        self.answers_resets = True
        self.welded = False
        self.reports_lock = False
        self.lock_stuck = False
        self.resets = 0
        self.relay = False
        self._boot()
        self._outbox.clear()  # that was long ago

    def _boot(self, reason: m.ResetReason = "user") -> None:
        self.duty, self.power, self.three_phases = m.PILOT_X1, False, True
        self.lock: m.Lock = "unlocked"
        self.relay = self.welded
        self.said: dict[str, m.FromBoard] = {
            "cable": m.ProximityState("none"),
            "relay": m.RelayState(False),
            "flags": m.ErrorFlags(),
        }
        self._switch_s: float | None = None
        self._cycles = 0
        self._outbox: list[m.FromBoard] = [self._alive()] * 3
        if self.answers_resets:
            self._outbox.append(m.WasReset(reason))

    def restart(self, reason: m.ResetReason = "watchdog") -> None:
        self._boot(reason)

    def held_in_reset(self, held: bool) -> None:
        """The host's line."""
        self.silent = held
        if held:
            self.relay = self.welded
        else:
            self.restart("user")

    def hear(self, message: m.ToBoard, now_s: float) -> None:
        if self.silent or self.deaf:
            return
        self.heard.append((now_s, message))
        match message:
            case m.SetPilot(duty):
                self.duty = duty
            case m.AllowPower(allowed):
                self.power = allowed
            case m.SetPhases(three):
                self.three_phases = three
            case m.SetLock(locked):
                if not self.lock_stuck:
                    self.lock = "locked" if locked else "unlocked"
            case m.Reset():
                self.resets += 1
                self._boot()
            case _:
                pass

    def cycle(self, now_s: float) -> list[m.FromBoard]:
        if self.silent:
            return []
        said, self._outbox = self._outbox, []
        self._switch(now_s)
        pilot: m.Pilot = "F" if self.duty == m.PILOT_F else self.car
        said += self._changed("pilot", m.PilotState(pilot))
        said += self._changed("cable", m.ProximityState(self.cable))
        said += self._changed("relay", m.RelayState(self.relay))
        said += self._changed("flags", self.flags)
        if self.reports_lock:
            said += self._changed("lock", m.LockState(self.lock))
        if self._cycles % round(ALIVE_S / CYCLE_S) == 0:
            said += [
                m.PilotVoltages(VOLTAGES[pilot], 0.0),
                self._alive(),
                m.MeterReading(voltage_V=(230.0, 230.0, 230.0), total_energy_Wh=1234.5),
            ]
        self._cycles += 1
        return said

    def _alive(self) -> m.BoardAlive:
        return m.BoardAlive(self.version, 50 * self._cycles, 0, 0, self.protocol, 32.0, 6.0, 3, 1, True)

    def _switch(self, now_s: float) -> None:
        wanted = self.power and self.car in ("C", "D") and self.duty != m.PILOT_F
        if wanted and not self.relay and not 0 < self.duty < 10_000:
            return  # it closes only under PWM
        wanted = wanted or (self.relay and self.welded)
        if wanted == self.relay:
            self._switch_s = None
        elif self._switch_s is None:
            self._switch_s = now_s + RELAY_S
        elif now_s >= self._switch_s - 1e-6:
            self.relay, self._switch_s = wanted, None

    def _changed(self, what: str, message: m.FromBoard) -> list[m.FromBoard]:
        if self.said.get(what) == message:
            return []
        self.said[what] = message
        return [message]

    def times(self, message: m.ToBoard, since_s: float = 0.0) -> list[float]:
        """When it heard a message."""
        return [at_s for at_s, heard in self.heard if heard == message and at_s >= since_s]
