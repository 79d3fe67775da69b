"""The file that a daemon was started with, kept beside its state.

Where the configuration was changed or broken since, make-safe still knows the boards of a daemon that has died.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

FILE_NAME = "running-config.yaml"

_writing = threading.Lock()
"""Reloads that follow each other closely have a thread each."""


def remember(config: Path, folder: Path) -> None:
    """Keeps a copy for its owner alone: there may be passwords in it.

    Where the disk takes none, there is none, rather than an old one.
    """
    kept = folder / FILE_NAME
    new = kept.with_name(f"{FILE_NAME}.new")
    with _writing:
        try:
            content = config.read_bytes()
            new.unlink(missing_ok=True)
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(handle, "wb") as file:  # noqa: PTH123 - it is a descriptor
                file.write(content)
            os.replace(new, kept)  # noqa: PTH105 - the name says that it is atomic
        except OSError:
            for each in (new, kept):
                with contextlib.suppress(OSError):
                    each.unlink(missing_ok=True)


def remembered(folder: Path | None) -> Path | None:
    """The copy in a folder, where there is one."""
    kept = None if folder is None else folder / FILE_NAME
    return kept if kept is not None and kept.is_file() else None
