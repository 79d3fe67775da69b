"""What the modules that an EVSE is connected to say of hardware and errors, as events of the kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from evse_daemon.framework.errors import Error
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.dc_external_derate import DcExternalDerate
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.modules.evse_manager import events
from evse_daemon.modules.evse_manager.residual_current import ResidualCurrent
from evse_daemon.modules.evse_manager.shell import EvseShell
from evse_daemon.types.board_support_common import BspEvent, ProximityPilot
from evse_daemon.types.evse_board_support import HardwareCapabilities, Telemetry
from evse_daemon.types.evse_manager import StopTransactionRequest
from evse_daemon.types.powermeter import Powermeter

NAMESPACES = {
    "bsp": "evse_board_support",
    "ac_rcd": "ac_rcd",
    "connector_lock": "connector_lock",
    "powermeter": "powermeter",
}
"""By requirement, the errors that its interface has."""


class Peers:
    """Translates; what follows is the kernel's matter.

    Args:
        evse: whose peers they are.
        billing_sample: takes each reading of the billing meter.
    """

    def __init__(self, evse: EvseShell, billing_sample: Callable[[Powermeter], None]) -> None:
        self.grid_meter: Powermeter | None = None
        """The latest reading on the grid's side."""
        self._evse = evse
        self._billing_sample = billing_sample
        self._errors: dict[tuple[str, str, str], events.Cause] = {}
        self._residual_current = ResidualCurrent(evse.clock.now_s)

    def subscribe(self) -> None:
        """Before anything is said: while the module is initialised."""
        evse = self._evse
        bsp, meter = evse.bsp, evse.billing_meter
        bsp.subscribe(EvseBoardSupport.event, self._bsp_event)
        bsp.subscribe(EvseBoardSupport.capabilities, self._capabilities)
        bsp.subscribe(EvseBoardSupport.ac_pp_ampacity, self._proximity)
        bsp.subscribe(EvseBoardSupport.ac_nr_of_phases_available, self._phases_available)
        bsp.subscribe(EvseBoardSupport.request_stop_transaction, self._stop_requested)
        bsp.subscribe(EvseBoardSupport.telemetry, self._telemetry)
        if evse.ac_rcd is not None:
            evse.ac_rcd.subscribe(AcRcd.rcd_current_mA, self._residual_current.measured)
        for source, client in (
            ("bsp", bsp),
            ("connector_lock", evse.connector_lock),
            ("ac_rcd", evse.ac_rcd),
            ("powermeter", meter if evse.options.fail_on_powermeter_errors else None),
        ):
            if client is not None:
                client.subscribe_errors(partial(self._error_changed, source))
                client.subscribe_lost(partial(self._lost, source, client.module_id))
        if meter is not None:
            meter.subscribe(PowermeterInterface.powermeter, self._billing_sample)
            meter.subscribe(
                PowermeterInterface.public_key_ocmf,
                partial(evse.evse.publish, EvseManagerInterface.powermeter_public_key_ocmf),
            )
        if evse.powermeter_grid_side is not None:
            evse.powermeter_grid_side.subscribe(PowermeterInterface.powermeter, self._grid_sample)

    def _bsp_event(self, value: BspEvent) -> None:
        match value.event:
            case "PowerOn":
                self._evse.feed(events.ContactorChanged(closed=True))
            case "PowerOff":
                self._evse.feed(events.ContactorChanged(closed=False))
            case "Disconnected":
                self._evse.feed(events.CpChanged(None))
            case "A" | "B" | "C" | "D" | "E" | "F":
                self._evse.feed(events.CpChanged(value.event))
            case _:
                self._evse.log.debug("an event of the board has no meaning here", event_=value.event)

    def _telemetry(self, value: Telemetry) -> None:
        evse = self._evse
        evse.evse.publish(EvseManagerInterface.telemetry, self._residual_current.beside(value))
        if value.plug_temperature_C is not None:
            evse.dc_external_derate.publish(DcExternalDerate.plug_temperature_C, value.plug_temperature_C)

    def _capabilities(self, value: HardwareCapabilities) -> None:
        self._evse.feed(events.CapabilitiesChanged(value))

    def _proximity(self, value: ProximityPilot) -> None:
        capabilities = self._evse.state.capabilities
        single_phase = capabilities is not None and capabilities.max_phase_count_import == 1
        ratings_a = {
            "A_13": 13.0,
            "A_20": 20.0,
            "A_32": 32.0,
            "A_63_3ph_70_1ph": 70.0 if single_phase else 63.0,
        }
        self._evse.feed(events.ProximityChanged(ratings_a.get(value.ampacity)))

    def _phases_available(self, count: int) -> None:
        self._evse.feed(events.PhasesAvailable(count))

    def _stop_requested(self, request: StopTransactionRequest) -> None:
        self._evse.feed(events.Stop(request.reason, request.id_tag))

    def _grid_sample(self, value: Powermeter) -> None:
        self.grid_meter = value

    def _error_changed(self, source: str, error: Error) -> None:
        key = (source, error.type, error.sub_type)
        if error.active:
            self._errors[key] = events.Cause(
                source, error.type, error.sub_type, error.severity, error.description, error.vendor_id
            )
        else:
            self._errors.pop(key, None)
        self._evse.feed(events.CausesChanged(tuple(self._errors.values())))

    def _lost(self, source: str, module_id: str) -> None:
        """A module that this EVSE depends on has failed for good."""
        cause = events.Cause(
            source, f"{NAMESPACES[source]}/CommunicationFault", "", "High", f"module {module_id} has failed"
        )
        self._errors[source, cause.type, "lost"] = cause
        self._evse.feed(events.CausesChanged(tuple(self._errors.values())))
