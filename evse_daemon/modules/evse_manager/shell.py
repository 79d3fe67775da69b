"""What all parts of an EVSE's shell share: its connections, its state, and the way into the kernel."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial

from evse_daemon.framework.bus import Client
from evse_daemon.framework.module import Context, Module, Provides, Requires, RequiresOptional
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.ac_rcd import AcRcd
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.connector_lock import ConnectorLock
from evse_daemon.interfaces.dc_external_derate import DcExternalDerate
from evse_daemon.interfaces.energy import Energy
from evse_daemon.interfaces.evse_board_support import EvseBoardSupport
from evse_daemon.interfaces.evse_manager import EvseManager as EvseManagerInterface
from evse_daemon.interfaces.kvs import Kvs
from evse_daemon.interfaces.powermeter import Powermeter as PowermeterInterface
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import events
from evse_daemon.modules.evse_manager.billing_meter import BillingMeter
from evse_daemon.modules.evse_manager.board_lane import BoardLane
from evse_daemon.modules.evse_manager.explain_limits import Failed
from evse_daemon.modules.evse_manager.options import EvseManagerOptions
from evse_daemon.modules.evse_manager.session_logger import SessionLogger
from evse_daemon.modules.evse_manager.state import KernelConfig, State
from evse_daemon.mqtt.topics import api_var


class EvseShell(Module):
    """The base of EvseManager; its parts are handed it, and the other parts that they need."""

    class Options(EvseManagerOptions):
        """See options.py."""

    evse = Provides(EvseManagerInterface)
    energy_grid = Provides(Energy)
    token_provider = Provides(AuthTokenProvider)
    """Publishes nothing: autocharge and contracts need ISO 15118."""
    random_delay = Provides(UkRandomDelay)
    dc_external_derate = Provides(DcExternalDerate)

    bsp = Requires(EvseBoardSupport)
    ac_rcd = RequiresOptional(AcRcd)
    connector_lock = RequiresOptional(ConnectorLock)
    powermeter_grid_side = RequiresOptional(PowermeterInterface)
    powermeter_car_side = RequiresOptional(PowermeterInterface)
    store = RequiresOptional(Kvs)

    board: BoardLane
    meter: BillingMeter

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        assert isinstance(context.options, EvseManagerOptions)
        self.options = context.options
        self.seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self.config = KernelConfig()
        self.state = State()
        self.session_log = SessionLogger(
            context.bus.timestamp, partial(self.mqtt.publish, api_var(self.module_id, "hlc_log"))
        )
        self.latches_read = False
        """What a run before this one has latched is known, and may be overwritten."""

    @property
    def billing_meter(self) -> Client[PowermeterInterface] | None:
        """The meter on the car's side if there is one, else the one on the grid's (EvseManager.cpp:2481)."""
        return self.powermeter_car_side or self.powermeter_grid_side

    def connect(self) -> None:
        super().connect()
        self.board = BoardLane(self.bsp, self.connector_lock, self.feed, self.log)
        self.meter = BillingMeter(self.billing_meter, self.options.evse_id, self.feed)

    @property
    @abstractmethod
    def kernel_failed(self) -> Failed:
        """Whether the kernel is down after an exception, or could not begin."""

    @abstractmethod
    def feed(self, event: events.Event) -> bool | None:
        """Has the core decide on an event and runs the effects; returns a command's result."""
