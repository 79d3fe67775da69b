"""DummyTokenProviderManual: presents the tokens that MQTT clients send (EVerest's module of this name)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationError

from evse_daemon.framework.module import Context, Message, Module, ModuleOptions, Provides
from evse_daemon.framework.rate_limit import RateLimitedLog
from evse_daemon.interfaces.auth_token_provider import AuthTokenProvider
from evse_daemon.mqtt.topics import api_command
from evse_daemon.types.authorization import ProvidedIdToken


class MainOptions(ModuleOptions):
    mqtt_topic: Annotated[str, Field(max_length=500)] = ""
    """The topic of the tokens; empty for everest_api's of this module."""


class DummyTokenProviderManual(Module):
    """Presents each valid ProvidedIdToken in JSON on its topic; anything else is logged, without its content."""

    main = Provides(AuthTokenProvider, MainOptions)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        options = context.implementation_options["main"]
        assert isinstance(options, MainOptions)
        self._seldom = RateLimitedLog(self.log, now=self.clock.now_s)
        self._topic = options.mqtt_topic or api_command(context.module_id, "provide")

    def init(self) -> None:
        self.mqtt.subscribe(self._topic, self.context.inbox, self._on_message)

    def _on_message(self, message: Message) -> None:
        try:
            token = ProvidedIdToken.model_validate_json(message.payload)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            self._seldom.warning(
                "payload",
                "not a token: ignored",
                topic=message.topic,
                problems=[
                    f"{'.'.join(str(part) for part in problem['loc']) or 'payload'}: {problem['msg']}"
                    for problem in problems[:5]
                ],
            )
            return
        self.main.publish(AuthTokenProvider.provided_token, token)
