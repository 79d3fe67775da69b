"""A text in a language and format."""

from __future__ import annotations

from typing import Literal

from evse_daemon.types.base import OpenType

MessageFormat = Literal["ASCII", "HTML", "URI", "UTF8", "QRCODE"]


class MessageContent(OpenType):
    content: str
    format: MessageFormat | None = None
    language: str | None = None
