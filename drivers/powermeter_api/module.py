"""powermeter_API: a program is the meter of an EVSE or of a fuse (EVerest's module of this name)."""

from __future__ import annotations

from evse_daemon.everest_api.channels import asks, hears
from evse_daemon.everest_api.module import EverestApiModule, RequestingOptions
from evse_daemon.framework.calls import Deferred
from evse_daemon.framework.module import Provides
from evse_daemon.interfaces.powermeter import Powermeter
from evse_daemon.types import powermeter as types
from evse_daemon.types.powermeter import TransactionReq, TransactionStartResponse, TransactionStopResponse

NO_REPLY = "the program of the meter has not replied, or wrongly"


class powermeter_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """A meter that a program on MQTT reads."""

    class Options(RequestingOptions):
        """See RequestingOptions."""

    api_type = "powermeter"
    fault = "powermeter/CommunicationFault"
    channels = (
        hears("powermeter_values", types.Powermeter, "a reading"),
        hears("public_key_ocmf", str, "the key to what the meter signs"),
        asks("start_transaction", TransactionReq, TransactionStartResponse, "begins a signed transaction"),
        asks("stop_transaction", str, TransactionStopResponse, "ends it; empty: all that are open"),
    )

    main = Provides(Powermeter)

    def init(self) -> None:
        super().init()
        self.hear("powermeter_values", lambda value: self.main.publish(Powermeter.powermeter, value))
        self.hear("public_key_ocmf", lambda value: self.main.publish(Powermeter.public_key_ocmf, value))
        self.main.handle(Powermeter.start_transaction, self._start)
        self.main.handle(Powermeter.stop_transaction, self._stop)

    def _start(self, value: TransactionReq) -> Deferred[TransactionStartResponse]:
        answer: Deferred[TransactionStartResponse] = Deferred()
        none = TransactionStartResponse(status="UNEXPECTED_ERROR", error=NO_REPLY)
        timeout_s = self.timeout_s(Powermeter.start_transaction)
        self.ask("start_transaction", value, timeout_s, lambda reply: answer.resolve(reply or none))
        return answer

    def _stop(self, transaction_id: str) -> Deferred[TransactionStopResponse]:
        answer: Deferred[TransactionStopResponse] = Deferred()
        none = TransactionStopResponse(status="UNEXPECTED_ERROR", error=NO_REPLY)
        timeout_s = self.timeout_s(Powermeter.stop_transaction)
        self.ask("stop_transaction", transaction_id, timeout_s, lambda reply: answer.resolve(reply or none))
        return answer
