"""What a label depends on besides the structure, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class LevelOfTheory:
    """Engine, version and every setting that changes the numbers.

    Attributes
    ----------
    engine
        Name of the engine.
    exact_version
        Full version, kept beside each label. Only its first two parts enter the hash: releases
        that repair a bug do not make labels incomparable.
    settings
        JSON values; whatever changes the result and nothing else.
    """

    engine: str
    exact_version: str
    settings: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The major and minor version."""
        return ".".join(self.exact_version.split(".")[:2])

    @cached_property
    def canonical(self) -> str:
        """The same text for the same level, whatever the order of the settings."""
        content = {"engine": self.engine, "version": self.version, "settings": self.settings}
        return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal digits that name this level of theory."""
        return hashlib.blake2b(self.canonical.encode(), digest_size=16).hexdigest()

    def __str__(self) -> str:
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"{self.engine} {self.version} ({settings})"
