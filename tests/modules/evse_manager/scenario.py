"""A plant that tells on each channel what was new since it was asked last, in the words of the reference's scenarios."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evse_daemon.modules.evse_manager import effects as fx
from evse_daemon.modules.evse_manager import events as ev
from evse_daemon.modules.evse_manager.state import KernelConfig
from evse_daemon.types.evse_manager import EnableDisableSource
from tests.modules.evse_manager.plant import CAPABILITIES, Plant

SOCKET = CAPABILITIES.model_copy(update={"connector_type": "IEC62196Type2Socket"})

PLUGGED = "SessionStarted(EVConnected) AuthRequired"
AUTHORIZED = "Authorized TransactionStarted PrepareCharging"
ENDED = "ChargingFinished TransactionFinished(EVDisconnected) SessionFinished"


@dataclass(frozen=True)
class News:
    """What one stimulus led to, on each channel in order; a channel that is not named was silent."""

    events: str = ""
    """Session events, with their reasons."""
    power: str = ""
    """To the contactor: on, off."""
    pilot: str = ""
    """To the control pilot and the board's switch: pwm 53.33, X1, F, enable, disable."""
    lock: str = ""
    errors: str = ""
    """+ raised, - cleared: +Inoperative, -Internal/Board; without the namespace evse_manager."""
    meter: str = ""
    """start, stop."""


def source(state: Any, priority: int = 5000, who: Any = "CSMS") -> EnableDisableSource:
    return EnableDisableSource(enable_source=who, enable_state=state, enable_priority=priority)


def cause(type_: str, severity: Any = "High", source_: str = "bsp") -> ev.Cause:
    """An active error of the board, or of what ``source_`` says."""
    return ev.Cause(source_, type_, "", severity)


class Scenario(Plant):
    """``assert evse.cp("C") == News(...)``: every channel is compared, so silence is asserted too."""

    def __init__(self, *, prompt: bool = True, **config: Any) -> None:
        self._heard: dict[str, list[str]] = {name: [] for name in ("errors", "meter", "order", "vars")}
        self._board_told = 0
        super().__init__(KernelConfig(**config), prompt=prompt)

    @property
    def order(self) -> list[str]:
        """Everything of the journal lane in its order: requests, records and events."""
        return self._heard["order"]

    @property
    def published(self) -> list[str]:
        """Other variables, by name and value."""
        return self._heard["vars"]

    @property
    def raised(self) -> fx.RaiseError:
        """The error that was raised last."""
        return self._last_raised

    def begin(self, limit_a: float = 32.0) -> None:
        """The station is ready, no car is there, energy is; what led here is no news."""
        self.boot()
        self.tell(ev.CpChanged("A"))
        self.limit(limit_a)
        self.since_last()

    def socket(self) -> None:
        """As begin, with a socket in which no cable is."""
        self.begin()
        self.tell(ev.CapabilitiesChanged(SOCKET))
        self.cable(None)
        self.since_last()

    def charging(self, limit_a: float = 32.0) -> None:
        """A car charges; what led here is no news, and PWM was set long ago."""
        self.begin(limit_a)
        self.plug_in()
        self.authorize()
        self.cp("C")
        assert self.state.charger == "Charging"
        assert self.power_allowed
        self.advance(60.0)
        self.since_last()

    def after(self, event: ev.Event) -> News:
        """What follows from one event at once."""
        self.tell(event)
        return self.since_last()

    def cp(self, state: Any) -> News:
        """The board reports this control pilot state."""
        return self.after(ev.CpChanged(state))

    def after_contactor(self) -> News:
        """What follows when the contactor has done what the board was told."""
        self.move_contactor()
        return self.since_last()

    def errors_are(self, *causes: ev.Cause) -> News:
        return self.after(ev.CausesChanged(causes))

    def wait(self, seconds: float) -> News:
        self.advance(seconds)
        return self.since_last()

    def limited(self, limit_a: float, valid_for_s: float = 1e6) -> News:
        self.limit(limit_a, valid_for_s)
        return self.since_last()

    def cable_is(self, rating_a: float | None) -> News:
        self.cable(rating_a)
        return self.since_last()

    def authorized(self) -> News:
        self.authorize()
        return self.since_last()

    def disable(self, connector: int = 1) -> News:
        assert self.tell(ev.EnableDisable(connector, source("Disable"))) is False
        return self.since_last()

    def enable(self, connector: int = 1) -> News:
        assert self.tell(ev.EnableDisable(connector, source("Enable"))) is True
        return self.since_last()

    def accepted(self, command: ev.Event) -> News:
        """A command that is answered with true."""
        assert self.tell(command) is True
        return self.since_last()

    def refused(self, command: ev.Event) -> News:
        """A command that is answered with false."""
        assert self.tell(command) is False
        return self.since_last()

    def answer_all_but_commits(self) -> None:
        """Lock and meter answer; what the store is asked waits."""
        while waiting := [n for n, each in enumerate(self.pending) if not isinstance(each, fx.Commit)]:
            self.answer(which=waiting[0])

    def since_last(self) -> News:
        """What is new on every channel since this was asked last."""
        told, self._board_told = self._board_told, len(self.board)
        power, pilot, lock = [], [], []
        for effect in self.board[told:]:
            match effect:
                case fx.AllowPower(on):
                    power.append("on" if on else "off")
                case fx.SetPwm(duty):
                    pilot.append(f"pwm {duty * 100:.4g}")
                case fx.SetX1():
                    pilot.append("X1")
                case fx.SetF():
                    pilot.append("F")
                case fx.EnableBoard(on):
                    pilot.append("enable" if on else "disable")
                case fx.Lock():
                    lock.append("lock" if effect.locked else "unlock")
        errors, meter = self._heard["errors"], self._heard["meter"]
        self._heard |= {"errors": [], "meter": []}
        return News(*(" ".join(words) for words in (self.news(), power, pilot, lock, errors, meter)))

    def _journal(self, effect: fx.JournalEffect) -> None:
        match effect:
            case fx.RaiseError():
                self._last_raised = effect
                self._heard["errors"].append(f"+{_short(effect.type, effect.sub_type)}")
            case fx.ClearError(type_, sub_type):
                self._heard["errors"].append(f"-{_short(type_, sub_type)}")
            case fx.StartMeter():
                self._heard["meter"].append("start")
                self.order.append("meter.start")
            case fx.StopMeter():
                self._heard["meter"].append("stop")
                self.order.append("meter.stop")
            case fx.Commit():
                self.order.append(f"commit {effect.kind}")
            case fx.Announce(event):
                self.order.append(event.event)
            case fx.StateEntered(state):
                self.order.append(f"<{state}>")
            case fx.Publish(var, value):
                self.published.append(f"{var.name}={value}")
        super()._journal(effect)


def _short(type_: str, sub_type: str) -> str:
    return type_.removeprefix("evse_manager/") + (f"/{sub_type}" if sub_type else "")
