"""What tests of both engines share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest


class Killed(BaseException):
    """Stands for a kill: nothing of ours catches it."""


@dataclass(frozen=True)
class KilledAt:
    """A watch that does at a step what a kill does; it remembers the steps that it has seen."""

    Killed: ClassVar[type[BaseException]] = Killed
    is_costly: ClassVar[bool] = False

    step: int
    seen: list[int] = field(default_factory=list)
    every: int = 1

    def complaint(self, state):
        self.seen.append(state.step)
        if state.step == self.step:
            raise Killed


@pytest.fixture
def killed_at() -> type[KilledAt]:
    """The watch; what it raises is its ``Killed``."""
    return KilledAt
