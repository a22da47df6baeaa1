"""Selection rules: which of the uncertain frames to label.

A rule is a function of a :class:`Pool`, a count and a random generator, which returns the indices
of the frames it takes. A new rule is such a function, its line in ``RULES``, and its block of
parameters (with the same ``type``) in ``parameters.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from potwright.pes import PESData


@dataclass(frozen=True, eq=False)
class Pool:
    """What a rule chooses from.

    Attributes
    ----------
    frames
        All explored frames, S of them.
    uncertain
        Frames that a rule is meant to choose from, shape (S,) bool.
    available
        Frames that could be labelled at all, shape (S,) bool: sane, unlabelled, not in the audit.
    excess
        max over properties of D/τ, shape (S,); NaN where nothing is calibrated.
    """

    frames: PESData
    uncertain: np.ndarray
    available: np.ndarray
    excess: np.ndarray


Rule = Callable[[Pool, int, np.random.Generator], np.ndarray]


def random(pool: Pool, count: int, generator: np.random.Generator) -> np.ndarray:
    """Uncertain frames at random (AiiDA-TrainsPot's rule: the largest D may be unphysical)."""
    return _draw(pool.uncertain, count, generator)


def top(pool: Pool, count: int, generator: np.random.Generator) -> np.ndarray:
    """The uncertain frames whose disagreement exceeds its threshold most."""
    candidates = np.flatnonzero(pool.uncertain)
    order = np.argsort(-pool.excess[candidates], kind="stable")
    return candidates[order[:count]]


def random_control(pool: Pool, count: int, generator: np.random.Generator) -> np.ndarray:
    """As many frames as the other rules would take, but from all that could be labelled."""
    return _draw(pool.available, min(count, int(pool.uncertain.sum())), generator)


RULES: Mapping[str, Rule] = MappingProxyType(
    {"random": random, "top": top, "random_control": random_control}
)


def _draw(mask: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    candidates = np.flatnonzero(mask)
    return generator.choice(candidates, size=min(count, len(candidates)), replace=False)
