"""auth_token_provider_API: a program presents tokens, such as that of a card reader (EVerest's module of this name)."""

from __future__ import annotations

from evse_daemon.everest_api.channels import hears
from evse_daemon.everest_api.module import EverestApiModule
from evse_daemon.framework.module import Provides
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.types.authorization import ProvidedIdToken


class auth_token_provider_API(EverestApiModule):  # noqa: N801 - EVerest's name
    """Presents each token that a program provides."""

    api_type = "auth_token_provider"
    channels = (hears("provided_token", ProvidedIdToken, "a token is presented", order=True, secret=True),)

    main = Provides(AuthTokenProvider)

    def init(self) -> None:
        super().init()
        self.hear("provided_token", lambda token: self.main.publish(AuthTokenProvider.provided_token, token))
