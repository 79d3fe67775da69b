"""EVerest's interface ``powermeter``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, command, var
from evse_daemon.types import powermeter as powermeter_types
from evse_daemon.types.powermeter import TransactionReq, TransactionStartResponse, TransactionStopResponse


class Powermeter(Interface, name="powermeter", errors=("powermeter",), hardware=True):
    """A meter with up to three phases, or DC."""

    powermeter: Var[powermeter_types.Powermeter] = var(Kind.TELEMETRY)
    public_key_ocmf: Var[str] = var(Kind.STATE)

    @command(timeout_s=30)
    def start_transaction(self, value: TransactionReq) -> TransactionStartResponse:
        """Starts a signed transaction in the meter."""

    @command(timeout_s=30)
    def stop_transaction(self, transaction_id: str) -> TransactionStopResponse:
        """Ends a signed transaction and returns its report; an empty id ends all that are open."""
