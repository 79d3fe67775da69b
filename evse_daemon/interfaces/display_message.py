"""EVerest's interface ``display_message``."""

from __future__ import annotations

from evse_daemon.framework.interface import Interface, command
from evse_daemon.types import display_message as display_message_types
from evse_daemon.types.display_message import (
    ClearDisplayMessageRequest,
    ClearDisplayMessageResponse,
    GetDisplayMessageRequest,
    GetDisplayMessageResponse,
    SetDisplayMessageResponse,
)


class DisplayMessage(Interface, name="display_message"):
    """The messages on the charger's display."""

    @command(timeout_s=10)
    def set_display_message(
        self, request: list[display_message_types.DisplayMessage]
    ) -> SetDisplayMessageResponse:
        """Adds or replaces messages."""

    @command(timeout_s=10)
    def get_display_messages(self, request: GetDisplayMessageRequest) -> GetDisplayMessageResponse:
        """The messages that pass the filters."""

    @command(timeout_s=10)
    def clear_display_message(self, request: ClearDisplayMessageRequest) -> ClearDisplayMessageResponse:
        """Removes a message."""
