"""What a session costs, while it runs and at its end."""

from __future__ import annotations

from typing import Literal

from evse_daemon.types.authorization import ProvidedIdToken
from evse_daemon.types.base import EverestType, Integer, OpenType, Timestamp
from evse_daemon.types.display_message import IdentifierType
from evse_daemon.types.money import Currency, MoneyAmount, Price
from evse_daemon.types.text_message import MessageContent


class DefaultPrice(EverestType):
    messages: list[MessageContent]


class TariffMessage(EverestType):
    messages: list[MessageContent]
    ocpp_transaction_id: str | None = None
    identifier_id: str | None = None
    identifier_type: IdentifierType | None = None
    pre_authorized_amount: MoneyAmount | None = None


class IdlePrice(EverestType):
    grace_minutes: Integer | None = None
    hour_price: Price | None = None


CostCategory = Literal["Energy", "Time", "FlatFee", "Other"]


class ChargingPriceComponent(OpenType):
    category: CostCategory | None = None
    price: Price | None = None


class NextPeriodPrice(OpenType):
    timestamp_from: Timestamp
    charging_price: list[ChargingPriceComponent]
    idle_price: IdlePrice | None = None


class SessionCostChunk(EverestType):
    timestamp_from: Timestamp | None = None
    timestamp_to: Timestamp | None = None
    metervalue_from: Integer | None = None
    metervalue_to: Integer | None = None
    cost: MoneyAmount | None = None
    category: CostCategory | None = None


SessionStatus = Literal["Running", "Idle", "Finished"]


class SessionCost(EverestType):
    """The costs of a session so far, or in total when ``status`` is Finished."""

    session_id: str
    currency: Currency
    status: SessionStatus
    id_tag: ProvidedIdToken | None = None
    cost_chunks: list[SessionCostChunk] | None = None
    idle_price: IdlePrice | None = None
    charging_price: list[ChargingPriceComponent] | None = None
    next_period: NextPeriodPrice | None = None
    message: list[MessageContent] | None = None
    qr_code: str | None = None
