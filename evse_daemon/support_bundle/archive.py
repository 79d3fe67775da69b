"""Writes a bundle: a .tar.gz with a manifest, readable for its owner alone, whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import sys
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evse_daemon.support_bundle.collecting import File, Outcome

MANIFEST = "manifest.json"


def manifest(head: dict[str, Any], outcomes: Sequence[Outcome]) -> File:
    """What is in the bundle, and what could not be had and why."""
    parts = [
        {
            "part": outcome.name,
            "status": outcome.status,
            **({"reason": outcome.reason} if outcome.reason else {}),
            "took_s": outcome.took_s,
            "files": [
                {"name": file.name, "bytes": len(file.content), **({"cut": True} if file.cut else {})}
                for file in outcome.files
            ],
        }
        for outcome in outcomes
    ]
    text = json.dumps({**head, "parts": parts}, indent=2, ensure_ascii=False)
    return File(MANIFEST, text.encode("utf-8", "replace"))


def packed(folder: str, files: Iterable[File], mtime: float) -> bytes:
    """The files as a .tar.gz, in a folder of their own."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for file in files:
            info = tarfile.TarInfo(f"{folder}/{file.name}")
            info.size = len(file.content)
            info.mtime = int(mtime)
            info.mode = 0o600
            archive.addfile(info, io.BytesIO(file.content))
    return out.getvalue()


def write(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read; an older one of this name is replaced when this one is whole.

    Raises:
        OSError: it could not be written; nothing is left.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - it is a descriptor
            file.write(content)
            file.flush()
            os.fsync(handle)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def write_to_stdout(content: bytes) -> None:
    """Writes it to standard output; raises OSError."""
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
