"""EVerest's interface ``session_cost``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, Kind, Var, var
from evse_daemon.types import session_cost as session_cost_types
from evse_daemon.types.session_cost import DefaultPrice, TariffMessage


class SessionCost(Interface, name="session_cost"):
    """Prices and costs of sessions."""

    default_price: Var[DefaultPrice] = var(Kind.STATE)
    tariff_message: Var[TariffMessage] = var(Kind.EVENT)
    session_cost: Var[session_cost_types.SessionCost] = var(Kind.EVENT)
