"""error_history_consumer_API: a program watches the errors of the station (EVerest's module of this name)."""

from __future__ import annotations

from functools import partial

from evse_daemon.everest_api.channels import says, serves
from evse_daemon.everest_api.module import EverestApiModule, LatchingOptions, Reply
from evse_daemon.framework.errors import Error
from evse_daemon.framework.interface import Kind
from evse_daemon.framework.module import Provides, Requires
from evse_daemon.interfaces.error_history import ErrorHistory
from evse_daemon.interfaces.generic_error import GenericError
from evse_daemon.modules.error_history.history import kept
from evse_daemon.types.base import OpenType
from evse_daemon.types.error_history import ErrorObject, FilterArguments


class Errors(OpenType):
    """Errors that were asked for."""

    errors: list[ErrorObject]


class error_history_consumer_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """Tells a program each error that is raised or cleared, and those of before when it asks."""

    class Options(LatchingOptions):
        """See LatchingOptions."""

    api_type = "error_history_consumer"
    channels = (
        serves("active_errors", None, Errors, "the errors that are active"),
        serves("get_errors", FilterArguments, Errors, "the errors that pass all filters"),
        says("error_raised", ErrorObject, "an error begins", Kind.EVENT, latched=True),
        says("error_cleared", ErrorObject, "an error is over", Kind.EVENT, latched=True),
    )

    main = Provides(GenericError)
    error_history = Requires(ErrorHistory)

    def init(self) -> None:
        super().init()
        self.serve(
            "active_errors", lambda _, reply: self._find(FilterArguments(state_filter="Active"), reply)
        )
        self.serve("get_errors", self._find)
        for implementation in self.context.bus.implementations.values():
            implementation.subscribe_errors(self.context.inbox, self._changed)

    def _find(self, filters: FilterArguments, reply: Reply) -> None:
        self.error_history.call(ErrorHistory.get_errors, filters).then(
            lambda found: reply(Errors(errors=found)), partial(self.not_done, "get_errors")
        )

    def _changed(self, error: Error) -> None:
        name = "error_raised" if error.active else "error_cleared"
        self.say(name, kept(error, self.context.bus.timestamp()).as_object())
