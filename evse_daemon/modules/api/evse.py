"""The API's topics of one EvseManager."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from evse_daemon.framework.bus import Client
from evse_daemon.framework.calls import CallError
from evse_daemon.framework.clock import timestamp
from evse_daemon.framework.errors import Error
from evse_daemon.framework.module import Message, Module
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.external_energy_limits import ExternalEnergyLimits
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.api import commands, limits, payloads, session_info
from evse_daemon.modules.api.options import ApiOptions
from evse_daemon.modules.api.repeated import Repeated
from evse_daemon.mqtt.topics import api_command, api_var
from evse_daemon.types.energy import ExternalLimits
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import EVInfo, Evse, Limits, SessionEvent, StopTransactionRequest
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.uk_random_delay import CountDown

INOPERATIVE = "evse_manager/Inoperative"

TELEMETRY_QOS = 0
STATE_QOS = 1


class EvseApi:
    """Publishes what an EvseManager says, and calls it when a client commands.

    Args:
        api: the module.
        options: its options.
        client: the EvseManager.
        sinks: where limits are set, by the number of the EVSE.
        number: of the EVSE, as far as it is known before it has told.
        random_delay: the EVSE's random delay; None: it has none.
    """

    def __init__(
        self,
        api: Module,
        options: ApiOptions,
        client: Client[EvseManager],
        sinks: Mapping[int, Client[ExternalEnergyLimits]] | None = None,
        number: int = 1,
        random_delay: Client[UkRandomDelay] | None = None,
    ) -> None:
        self.evse = client.module_id
        self._api = api
        self._options = options
        self._client = client
        self._sinks = sinks or {}
        self._number = number
        self._random_delay = random_delay
        self._countdown: CountDown | None = None
        self._countdown_at_s = 0.0
        self._info = session_info.SessionInfo()
        self._capabilities: str | None = None
        self._protocol: str | None = None
        self._inoperative: set[str] = set()
        self._lost = False
        self._ready = False
        self._seldom = RateLimitedLog(api.log, now=api.clock.now_s)
        self._repeated = {
            name: Repeated(partial(self._publish, name, qos=qos))
            for name, qos in (
                ("limits", STATE_QOS),
                ("powermeter", TELEMETRY_QOS),
                ("telemetry", TELEMETRY_QOS),
            )
        }

    def init(self) -> None:
        client = self._client
        client.subscribe(EvseManager.session_event, self._on_session_event)
        client.subscribe(EvseManager.powermeter, self._on_powermeter)
        client.subscribe(EvseManager.hw_capabilities, self._on_capabilities)
        client.subscribe(EvseManager.selected_protocol, self._on_protocol)
        client.subscribe(EvseManager.limits, self._on_limits)
        client.subscribe(EvseManager.telemetry, self._on_telemetry)
        client.subscribe(EvseManager.ev_info, self._on_ev_info)
        client.subscribe(EvseManager.ready, self._on_ready)
        client.subscribe_errors(self._on_error)
        client.subscribe_lost(self._on_lost)
        for name, handler in {
            "enable_disable": self._enable_disable,
            "enable": self._enable,
            "disable": self._disable,
            "pause_charging": self._pause,
            "resume_charging": self._resume,
            "stop_charging": self._stop,
            "force_unlock": self._force_unlock,
        }.items():
            self._command(name, handler)
        self._command("set_limit_amps", self._limit_amps)
        self._command("set_limit_watts", self._limit_watts)
        self._command("set_limit_amps_phases", self._limit_amps_phases)
        self._command("uk_random_delay", self._order_random_delay)
        self._command("uk_random_delay_set_max_duration_s", self._set_longest_delay)
        if self._random_delay is not None:
            self._random_delay.subscribe(UkRandomDelay.countdown, self._on_countdown)

    def ready(self) -> None:
        """Asks for the number of the EVSE, as EVerest's API does: by it the sinks of its limits are found."""
        self._client.call(EvseManager.get_evse).then(self._on_evse)

    def _on_evse(self, evse: Evse) -> None:
        self._number = evse.id

    def publish_periodically(self) -> None:
        self._publish("datetime", timestamp(self._api.clock.utc()), TELEMETRY_QOS)
        self._publish_session_info()
        if self._capabilities is not None:
            self._publish("hardware_capabilities", self._capabilities, STATE_QOS)
        if self._protocol is not None:
            self._publish("selected_protocol", self._protocol, STATE_QOS)
        for repeated in self._repeated.values():
            repeated.second(self._api.clock.now_s())

    # What the EvseManager says.

    def _on_session_event(self, event: SessionEvent) -> None:
        self._info = session_info.after_event(self._info, event, self._api.clock.now_s())
        started = event.session_started
        if started is not None and started.logging_path is not None:
            self._publish("logging_path", started.logging_path, STATE_QOS)
        self._publish_session_info()

    def _on_powermeter(self, reading: Powermeter) -> None:
        self._info = session_info.after_reading(self._info, reading)
        self._heard("powermeter", payloads.powermeter(self._options, reading))

    def _on_capabilities(self, capabilities: HardwareCapabilities) -> None:
        self._capabilities = _json(payloads.hardware_capabilities(self._options, capabilities))
        self._publish("hardware_capabilities", self._capabilities, STATE_QOS)

    def _on_protocol(self, protocol: str) -> None:
        self._protocol = protocol

    def _on_limits(self, limits: Limits) -> None:
        self._heard("limits", payloads.limits(self._options, limits))

    def _on_telemetry(self, telemetry: Telemetry) -> None:
        self._heard("telemetry", payloads.telemetry(self._options, telemetry))

    def _on_ev_info(self, info: EVInfo) -> None:
        self._publish_json("ev_info", EvseManager.ev_info.to_jsonable(info), TELEMETRY_QOS)

    def _on_countdown(self, countdown: CountDown) -> None:
        self._countdown = countdown
        self._countdown_at_s = self._api.clock.now_s()

    def _delay_left_s(self) -> int:
        """Of the random delay; 0 while none runs. It is told when something changes, and counted down here."""
        if self._countdown is None:
            return 0
        return self._countdown.countdown_s - int(self._api.clock.now_s() - self._countdown_at_s)

    def _on_ready(self, ready: bool) -> None:
        self._ready = ready

    def _on_error(self, error: Error) -> None:
        if error.type != INOPERATIVE:
            return
        if error.active:
            self._inoperative.add(error.sub_type)
        else:
            self._inoperative.discard(error.sub_type)

    def _on_lost(self) -> None:
        """The EvseManager will say nothing more, not even that it is inoperative."""
        self._lost = True
        self._countdown = None
        self._ready = False
        for repeated in self._repeated.values():
            repeated.forget()

    # What clients command.

    def _command(self, name: str, handler: Callable[[str], None]) -> None:
        def received(message: Message) -> None:
            if not self._ready:
                self._seldom.warning(
                    ("not ready", name), "the EVSE is not ready: command ignored", topic=message.topic
                )
                return
            try:
                handler(message.payload)
            except commands.PayloadError as error:
                self._seldom.warning(
                    name, "not understood: command ignored", topic=message.topic, problem=str(error)
                )

        self._api.mqtt.subscribe(api_command(self.evse, name), self._api.context.inbox, received)

    def _enable_disable(self, payload: str) -> None:
        self._client.call(EvseManager.enable_disable, *commands.enable_disable(payload))

    def _enable(self, payload: str) -> None:
        self._client.call(EvseManager.enable_disable, *commands.legacy_enable_disable(payload, "Enable"))

    def _disable(self, payload: str) -> None:
        self._client.call(EvseManager.enable_disable, *commands.legacy_enable_disable(payload, "Disable"))

    def _pause(self, _payload: str) -> None:
        self._client.call(EvseManager.pause_charging)

    def _resume(self, _payload: str) -> None:
        self._client.call(EvseManager.resume_charging)

    def _stop(self, _payload: str) -> None:
        self._client.call(EvseManager.stop_transaction, StopTransactionRequest(reason="Local"))

    def _force_unlock(self, payload: str) -> None:
        """Connector 1 where the payload names none; the transaction ends first, as in EVerest."""
        self._client.call(EvseManager.stop_transaction, StopTransactionRequest(reason="UnlockCommand"))
        self._client.call(EvseManager.force_unlock, commands.number(payload) or 1)

    def _limit_amps(self, payload: str) -> None:
        self._set_limits(limits.current(commands.limit(payload, "A"), self._now()))

    def _limit_watts(self, payload: str) -> None:
        self._set_limits(limits.power(commands.limit(payload, "W"), self._now()))

    def _limit_amps_phases(self, payload: str) -> None:
        self._set_limits(limits.current_and_phases(*commands.amps_and_phases(payload), self._now()))

    def _set_limits(self, wanted: ExternalLimits) -> None:
        sink = self._sinks.get(self._number)
        if sink is None:
            raise commands.PayloadError(
                f"nothing takes limits for this EVSE: connect an EnergyNode above it as evse_energy_sink of this module, "
                f"with a mapping to EVSE {self._number}"
            )
        sink.call(ExternalEnergyLimits.set_external_limits, wanted).then(None, self._limit_refused)

    def _limit_refused(self, error: CallError) -> None:
        self._seldom.error("limit", "a limit was not taken", evse_manager=self.evse, reason=error.message)

    def _delay(self) -> Client[UkRandomDelay]:
        if self._random_delay is None:
            raise commands.PayloadError(
                "the random delay of this EVSE is not connected: connect it as random_delay of this module"
            )
        return self._random_delay

    def _order_random_delay(self, payload: str) -> None:
        orders = {
            "enable": UkRandomDelay.enable,
            "disable": UkRandomDelay.disable,
            "cancel": UkRandomDelay.cancel,
        }
        self._delay().call(orders[commands.random_delay(payload)])

    def _set_longest_delay(self, payload: str) -> None:
        self._delay().call(UkRandomDelay.set_duration_s, commands.duration_s(payload))

    def _now(self) -> str:
        return timestamp(self._api.clock.utc())

    # Publishing.

    def _publish_session_info(self) -> None:
        clock = self._api.clock
        info = session_info.payload(
            self._info,
            clock.now_s(),
            timestamp(clock.utc()),
            permanent_fault=self._lost or bool(self._inoperative),
        )
        left_s = self._delay_left_s()
        if self._countdown is not None and left_s > 0:
            info["uk_random_delay"] = payloads.random_delay(self._countdown, left_s)
        self._publish_json("session_info", info, STATE_QOS)

    def _heard(self, name: str, value: dict[str, Any]) -> None:
        self._repeated[name].heard(_json(value), self._api.clock.now_s())

    def _publish_json(self, name: str, value: dict[str, Any], qos: int) -> None:
        self._publish(name, _json(value), qos)

    def _publish(self, name: str, payload: str, qos: int) -> None:
        self._api.mqtt.publish(api_var(self.evse, name), payload, qos=qos, latest=True)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
