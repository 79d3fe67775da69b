"""The file that a daemon was started with, kept beside its state.

Where the configuration was changed or broken since, make-safe still knows the boards of a daemon that has died.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

FILE_NAME = "running-config.yaml"


def remember(config: Path, folder: Path) -> None:
    """Keeps a copy; where the disk takes none, there is none, rather than an old one."""
    kept = folder / FILE_NAME
    new = kept.with_name(f"{FILE_NAME}.new")
    try:
        shutil.copyfile(config, new)
        new.chmod(0o600)
        os.replace(new, kept)  # noqa: PTH105 - the name says that it is atomic
    except OSError:
        for file in (new, kept):
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)


def remembered(folder: Path | None) -> Path | None:
    """The copy in a folder, where there is one."""
    kept = None if folder is None else folder / FILE_NAME
    return kept if kept is not None and kept.is_file() else None
