"""The commands of the random delay and of the external derating, which EvseManager provides beside its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from evse_daemon.framework.bus import Implementation
from evse_daemon.framework.calls import RejectedError
from evse_daemon.interfaces.dc_external_derate import DcExternalDerate
from evse_daemon.interfaces.uk_random_delay import UkRandomDelay
from evse_daemon.modules.evse_manager import events
from evse_daemon.types.dc_external_derate import ExternalDerating


def register_random_delay(
    implementation: Implementation[UkRandomDelay], feed: Callable[[events.Event], object]
) -> None:
    """Has the core decide on each command."""

    def order(event: events.Event) -> None:
        feed(event)

    def set_duration_s(value: int) -> None:
        if value < 0:
            raise RejectedError(
                f"the longest delay cannot be {value} s: 0 switches delays off, 600 is the usual value"
            )
        feed(events.SetDelayDuration(value))

    implementation.handle(UkRandomDelay.enable, partial(order, events.CommandDelay("enable")))
    implementation.handle(UkRandomDelay.disable, partial(order, events.CommandDelay("disable")))
    implementation.handle(UkRandomDelay.cancel, partial(order, events.CommandDelay("cancel")))
    implementation.handle(UkRandomDelay.set_duration_s, set_duration_s)


def register_dc_derating(implementation: Implementation[DcExternalDerate]) -> None:
    """The limits of a DC output; this EVSE has none."""

    def set_external_derating(derate: ExternalDerating) -> None:
        if derate != ExternalDerating():
            raise RejectedError(
                "this EVSE charges with AC and has no DC output to derate: "
                "limit it by external_limits of an EnergyNode above it"
            )

    implementation.handle(DcExternalDerate.set_external_derating, set_external_derating)
