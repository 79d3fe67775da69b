"""DummyTokenProvider: presents its token whenever a session starts (EVerest's module of this name)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evse_daemon.framework.module import Context, Module, ModuleOptions, Provides, Requires, unsupported
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.interfaces.evse_manager import EvseManager
from evse_daemon.types.authorization import AuthorizationType, IdToken, ProvidedIdToken
from evse_daemon.types.evse_manager import SessionEvent


class MainOptions(ModuleOptions):
    token: Annotated[str, Field(min_length=1, max_length=20)] = "DEADBEEF"  # noqa: S105 - EVerest's default
    type: AuthorizationType = "RFID"
    timeout: float = unsupported(10, ge=0, le=120)
    """Without effect in EVerest, too."""
    connector_id: Annotated[int, Field(ge=0)] = 0
    """The EVSE that the token is for; 0 for any."""


class DummyTokenProvider(Module):
    """Presents the token at each SessionStarted, also at one that another token began (as EVerest's does)."""

    main = Provides(AuthTokenProvider, MainOptions)
    evse = Requires(EvseManager)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["main"]
        assert isinstance(options, MainOptions)
        token = IdToken(value=options.token, type="ISO14443")
        self._token = ProvidedIdToken(
            id_token=token,
            parent_id_token=token,
            authorization_type=options.type,
            connectors=[options.connector_id] if options.connector_id > 0 else None,
        )

    def init(self) -> None:
        self.evse.subscribe(EvseManager.session_event, self._on_session_event)

    def _on_session_event(self, event: SessionEvent) -> None:
        if event.event == "SessionStarted":
            self.main.publish(AuthTokenProvider.provided_token, self._token)
