"""evse_manager_consumer_API: a program watches and drives an EVSE (EVerest's module of this name)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from evse_daemon.everest_api.channels import hears, says, serves
from evse_daemon.everest_api.module import EverestApiModule, LatchingOptions, Reply, RequestingOptions
from evse_daemon.framework.bus import Client
from evse_daemon.framework.interface import Command, Kind, Var
from evse_daemon.framework.module import Context, Provides, Requires, RequiresOptional
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.interfaces.generic_error import GenericError
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager_consumer_api import session_info
from evse_daemon.types.base import Integer, OpenType
from evse_daemon.types.board_support_common import ProximityPilot
from evse_daemon.types.energy import EnforcedLimits
from evse_daemon.types.evse_board_support import HardwareCapabilities
from evse_daemon.types.evse_manager import (
    EnableDisableSource,
    EVInfo,
    Evse,
    HlcSessionFailedEvent,
    SessionEvent,
    StopTransactionRequest,
)
from evse_daemon.types.iso15118 import EnergyTransferMode
from evse_daemon.types.powermeter import Powermeter
from evse_daemon.types.uk_random_delay import CountDown


class EnableDisable(OpenType):
    """Connector 0 is the whole EVSE."""

    connector_id: Integer
    source: EnableDisableSource


def _tells(name: str, payload: Any, text: str, kind: Kind = Kind.STATE) -> Any:
    return says(name, payload, text, kind, latched=True)


PASSED_ON: tuple[tuple[str, Var[Any]], ...] = (
    ("hlc_session_failed", EvseManager.hlc_session_failed),
    ("ev_info", EvseManager.ev_info),
    ("powermeter_public_key_ocmf", EvseManager.powermeter_public_key_ocmf),
    ("evse_id", EvseManager.evse_id),
    ("hw_capabilities", EvseManager.hw_capabilities),
    ("enforced_limits", EvseManager.enforced_limits),
    ("supported_energy_transfer_modes", EvseManager.supported_energy_transfer_modes),
)


class evse_manager_consumer_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """Tells a program what an EVSE does, and has the EVSE do what the program orders."""

    class Options(RequestingOptions, LatchingOptions):
        """See RequestingOptions and LatchingOptions."""

    api_type = "evse_manager_consumer"
    channels = (
        serves("get_evse", None, Evse, "number and connectors of the EVSE"),
        serves("enable_disable", EnableDisable, bool, "a wish to enable or disable"),
        serves("pause_charging", None, bool, "pauses charging"),
        serves("resume_charging", None, bool, "ends a pause"),
        serves("stop_transaction", StopTransactionRequest, bool, "ends the transaction", secret=True),
        serves("force_unlock", Integer, bool, "unlocks a connector; the number of the connector"),
        hears("random_delay_enable", None, "switches the random delay on", order=True),
        hears("random_delay_disable", None, "switches it off", order=True),
        hears("random_delay_cancel", None, "ends a delay that runs", order=True),
        hears("random_delay_set_duration_s", Integer, "the longest delay (s)", order=True),
        _tells("session_event", SessionEvent, "what happens in a session", Kind.EVENT),
        _tells(
            "hlc_session_failed", HlcSessionFailedEvent, "a session over ISO 15118 ended early", Kind.EVENT
        ),
        _tells("ev_info", EVInfo, "what the car has told of itself", Kind.TELEMETRY),
        _tells("session_info", session_info.SessionInfo, "state, energy and times of the session"),
        _tells("powermeter", Powermeter, "a reading of the meter", Kind.TELEMETRY),
        _tells("powermeter_public_key_ocmf", str, "the key to what the meter signs"),
        _tells("evse_id", str, "the id of the EVSE"),
        _tells("hw_capabilities", HardwareCapabilities, "what the board can"),
        _tells("enforced_limits", EnforcedLimits, "what the energy management allows", Kind.TELEMETRY),
        _tells("selected_protocol", str, "how car and charger talk"),
        _tells(
            "supported_energy_transfer_modes",
            Annotated[list[EnergyTransferMode], Field(min_length=1)],
            "the kinds of charging",
        ),
        _tells("ac_nr_of_phases_available", Integer, "phases; where evse_bsp is connected"),
        _tells("ac_pp_ampacity", ProximityPilot, "the rating of the cable; where evse_bsp is connected"),
        _tells("random_delay_countdown", CountDown, "a delay that runs", Kind.TELEMETRY),
    )

    main = Provides(GenericError)
    evse_manager = Requires(EvseManager)
    evse_bsp = RequiresOptional(EvseBoardSupport)
    random_delay = RequiresOptional(UkRandomDelay)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._known = session_info.Known()

    def init(self) -> None:
        super().init()
        evse = self.evse_manager
        for name, var in PASSED_ON:
            evse.subscribe(var, partial(self.say, name))
        evse.subscribe(EvseManager.session_event, self._on_event)
        evse.subscribe(EvseManager.powermeter, self._on_reading)
        evse.subscribe(EvseManager.selected_protocol, self._on_protocol)
        if self.evse_bsp is not None:
            phases = EvseBoardSupport.ac_nr_of_phases_available
            self.evse_bsp.subscribe(phases, partial(self.say, "ac_nr_of_phases_available"))
            self.evse_bsp.subscribe(EvseBoardSupport.ac_pp_ampacity, partial(self.say, "ac_pp_ampacity"))
        self._init_orders()
        if self.random_delay is not None:
            self._init_random_delay(self.random_delay)

    def _init_orders(self) -> None:
        for command in (EvseManager.get_evse, EvseManager.pause_charging, EvseManager.resume_charging):
            self._order(command, lambda _: {})
        self._order(
            EvseManager.enable_disable,
            lambda given: {"connector_id": given.connector_id, "cmd_source": given.source},
        )
        self._order(EvseManager.stop_transaction, lambda given: {"request": given})
        self._order(EvseManager.force_unlock, lambda given: {"connector_id": given})

    def _order(self, command: Command[..., Any], arguments: Callable[[Any], dict[str, Any]]) -> None:
        def handler(given: Any, reply: Reply) -> None:
            call = self.evse_manager.call(command, **arguments(given))
            call.then(reply, partial(self.not_done, command.name))

        self.serve(command.name, handler)

    def _init_random_delay(self, delay: Client[UkRandomDelay]) -> None:
        delay.subscribe(UkRandomDelay.countdown, partial(self.say, "random_delay_countdown"))
        for command in (UkRandomDelay.enable, UkRandomDelay.disable, UkRandomDelay.cancel):
            self.hear(f"random_delay_{command.name}", lambda _, command=command: self._delay(delay, command))  # type: ignore[misc]
        set_duration = UkRandomDelay.set_duration_s
        self.hear("random_delay_set_duration_s", lambda value: self._delay(delay, set_duration, value))

    def _delay(self, delay: Client[UkRandomDelay], command: Command[..., None], *arguments: Any) -> None:
        delay.call(command, *arguments).then(None, partial(self.not_done, f"random_delay_{command.name}"))

    def _on_event(self, event: SessionEvent) -> None:
        self.say("session_event", event)
        self._known = session_info.after_event(self._known, event, self.clock.now_s())
        self._tell()

    def _on_reading(self, reading: Powermeter) -> None:
        self.say("powermeter", reading)
        self._known = session_info.after_reading(self._known, reading)
        if self._known.tells:
            self._tell()

    def _on_protocol(self, protocol: str) -> None:
        self.say("selected_protocol", protocol)
        self._known = replace(self._known, protocol=protocol)
        if self._known.tells:
            self._tell()

    def _tell(self) -> None:
        now_s = self.clock.now_s()
        self.say("session_info", session_info.payload(self._known, now_s, self.context.bus.timestamp()))
