"""What a model file holds, as a short text: the same content, the same predictions."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def checksum(path: Path) -> str:
    """The blake2b-128 of a file, 32 hexadecimal digits; a file is read once per process."""
    return _checksum(path, path.stat().st_mtime_ns)


@lru_cache
def _checksum(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
