"""Selection rules: which of the uncertain frames to label.

A rule is a function of a :class:`Pool`, a count and a random generator, which returns what it has
:class:`Chosen`. A new rule is such a function, its line in ``RULES``, and its block of parameters
(with the same ``type``) in ``parameters.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.evaluation.environments import Environments
from potwright.pipelines.evaluation.parameters import RandomSelection, SelectionParameters


@dataclass(frozen=True, eq=False)
class Pool:
    """What a rule chooses from.

    Attributes
    ----------
    frames
        All explored frames, S of them with N atoms in all.
    uncertain
        Frames that a rule is meant to choose from, shape (S,) bool.
    available
        Frames that could be labelled at all, shape (S,) bool: sane, unlabelled, not in the audit.
    excess
        max over properties of D/τ, shape (S,); NaN where nothing is calibrated.
    force_disagreement
        D of the force on each atom, shape (N,), eV/Å.
    environments
        Descriptors of the atoms of these frames and of what is known already (training set and
        audit sample); None for rules that do not want them.
    settings
        The rule's block of parameters.
    """

    frames: PESData
    uncertain: np.ndarray
    available: np.ndarray
    excess: np.ndarray
    force_disagreement: np.ndarray | None = None
    environments: Environments | None = None
    settings: SelectionParameters = field(default_factory=RandomSelection)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Indices of the frames that a rule takes, and what it can say of each (JSON values)."""

    frames: np.ndarray
    notes: Sequence[dict[str, Any]] = ()

    def note(self, i: int) -> dict[str, Any]:
        """What the rule says of the i-th frame that it took."""
        return dict(self.notes[i]) if self.notes else {}


RuleFunction = Callable[[Pool, int, np.random.Generator], Chosen]


@dataclass(frozen=True)
class Rule:
    """A rule as it is registered.

    Attributes
    ----------
    take
        The function.
    wants_descriptors
        Whether the pool is to hold descriptors, which cost an evaluation of all frames.
    """

    take: RuleFunction
    wants_descriptors: bool = False


def random(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """Uncertain frames at random (AiiDA-TrainsPot's rule: the largest D may be unphysical)."""
    return Chosen(_draw(pool.uncertain, count, generator))


def top(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """The uncertain frames whose disagreement exceeds its threshold most."""
    candidates = np.flatnonzero(pool.uncertain)
    taken = candidates[np.argsort(-pool.excess[candidates], kind="stable")[:count]]
    return Chosen(taken, [{"excess": float(value)} for value in pool.excess[taken]])


def proportional(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """Uncertain frames at random, with weights in proportion to the excess of their disagreement.

    Weighted sampling without replacement (Efraimidis and Spirakis, Inf. Process. Lett. 97, 181
    (2006)): it leans towards what is disputed, as ``top`` does, and keeps to how common frames are,
    as ``random`` does.
    """
    candidates = np.flatnonzero(pool.uncertain)
    weights = np.maximum(np.nan_to_num(pool.excess[candidates], nan=1.0), 1e-12)
    keys = generator.exponential(size=len(candidates)) / weights
    taken = candidates[np.argsort(keys, kind="stable")[:count]]
    return Chosen(taken, [{"excess": float(value)} for value in pool.excess[taken]])


def random_control(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """As many frames as the other rules would take, but from all that could be labelled."""
    return Chosen(_draw(pool.available, min(count, int(pool.uncertain.sum())), generator))


def farthest_point(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """Uncertain frames that are farthest from what is known and from each other."""
    from potwright.pipelines.evaluation.farthest_point import farthest

    return farthest(pool, count, generator)


def coverage(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """Uncertain frames that together cover the environments where disagreement is, most first."""
    from potwright.pipelines.evaluation.coverage import cover

    return cover(pool, count, generator)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "random": Rule(random),
        "top": Rule(top),
        "proportional": Rule(proportional),
        "random_control": Rule(random_control),
        "farthest_point": Rule(farthest_point, wants_descriptors=True),
        "coverage": Rule(coverage, wants_descriptors=True),
    }
)


def _draw(mask: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    candidates = np.flatnonzero(mask)
    return generator.choice(candidates, size=min(count, len(candidates)), replace=False)
