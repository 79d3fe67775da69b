"""Error flags between a dialect's protobuf message and messages.ErrorFlags: its fields have the same names."""

from __future__ import annotations

from google.protobuf.message import Message

from drivers.board.messages import ErrorFlags


def read(words: Message) -> ErrorFlags:
    """The flags of a message; those that the dialect lacks are down."""
    return ErrorFlags(**{field.name: getattr(words, field.name) for field in words.DESCRIPTOR.fields})


def write(flags: ErrorFlags, words: Message) -> None:
    """Sets the flags of a message that the dialect has."""
    for field in words.DESCRIPTOR.fields:
        setattr(words, field.name, getattr(flags, field.name))
