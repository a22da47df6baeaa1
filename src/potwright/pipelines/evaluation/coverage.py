"""Uncertainty-weighted coverage of atomic environments.

What a label teaches is local: an environment that was seen often is known well, whatever structure
it was in. So the atoms of all frames and known structures are sorted into K kinds of environment by
k-means on the committee's descriptors, and the rule maximises

    f(S) = Σ_k U_k (1 − n_k / (n_k + m_k(S)))

U_k is the squared force disagreement of kind k, summed over the uncertain frames; n_k how much of
this kind is known, m_k(S) how much the frames in S would add, both in structures (a structure of N
atoms adds 1/N for each, so that its size does not matter). The bracket is by how much a squared
error that falls as one over the number of labels would fall. U weighs by disagreement, its sum
over frames by how common a kind is, and the diminishing return keeps near-duplicates out. f is
monotone and submodular (a weighted feature-based function: Wei, Iyer, Bilmes, ICML 2015), so
taking the frame of largest gain again and again is within 1 − 1/e of the best set (Nemhauser et
al., 1978).
"""

from __future__ import annotations

import numpy as np

from potwright.pipelines.evaluation.environments import Environments
from potwright.pipelines.evaluation.parameters import CoverageSelection
from potwright.pipelines.evaluation.rules import Chosen, Pool

DIMENSIONS = 16
"""Principal components of the descriptors that k-means sees, all structures counting alike."""
ATOMS_PER_KIND = 20
"""There are fewer kinds where there are not this many atoms of each on average."""
FITTED_ATOMS = 30_000
"""K-means is fitted to so many atoms at most; all are assigned."""


def cover(pool: Pool, count: int, generator: np.random.Generator) -> Chosen:
    """The rule; see the module."""
    assert pool.environments is not None
    assert pool.force_disagreement is not None
    candidates = np.flatnonzero(pool.uncertain)
    count = min(count, len(candidates))
    if not count:
        return Chosen(candidates[:0])
    wanted = pool.settings.kinds if isinstance(pool.settings, CoverageSelection) else 200
    kind, known_kind, kinds = kinds_of_environment(pool.environments, wanted, generator)
    offsets = pool.environments.offsets
    shares = shares_of_kinds(kind, offsets, kinds)[candidates]
    known = shares_of_kinds(known_kind, pool.environments.known_offsets, kinds).sum(axis=0)
    squared = pool.force_disagreement**2 / np.repeat(np.diff(offsets), np.diff(offsets))
    belongs = np.repeat(pool.uncertain, np.diff(offsets))
    weight = np.bincount(kind[belongs], weights=squared[belongs], minlength=kinds)
    order, gains = greedy(shares, weight, known, count)
    total = float(weight.sum()) or 1.0
    return Chosen(candidates[order], [{"share_of_disagreement": g / total} for g in gains])


def greedy(
    shares: np.ndarray, weight: np.ndarray, known: np.ndarray, count: int
) -> tuple[np.ndarray, list[float]]:
    """The frames of largest gain, one after the other, and these gains.

    Parameters
    ----------
    shares
        Of each kind in each frame, shape (S, K).
    weight, known
        U and n of each kind, shape (K,).
    count
        How many frames.
    """
    # as if one more structure were known, spread over all kinds: a new kind has a finite gain
    prior = known + 1.0 / len(known)
    covered, total = prior.copy(), float(weight.sum()) or 1.0
    left = np.ones(len(shares), dtype=bool)
    order, gains = [], []
    for _ in range(count):
        gain = (weight * prior * (1 / covered - 1 / (covered + shares))).sum(axis=1)
        # rounded, so that the number of atoms does not break ties by its rounding errors
        best = int(np.where(left, np.round(gain / total, 12), -np.inf).argmax())
        left[best] = False
        covered += shares[best]
        order.append(best)
        gains.append(float(gain[best]))
    return np.array(order, dtype=np.int64), gains


def kinds_of_environment(
    environments: Environments, wanted: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Kind of each atom of the frames (N,) and of the known structures (T,), and how many kinds."""
    from sklearn.cluster import KMeans

    scaled, weights = environments.standardised(), environments.weights()
    atoms = np.concatenate([scaled.frames, scaled.known])
    if atoms.shape[1] == 0:  # all environments are alike
        return np.zeros(len(scaled.frames), int), np.zeros(len(scaled.known), int), 1
    _, axes = np.linalg.eigh((atoms * weights[:, None]).T @ atoms)
    atoms = (atoms @ axes[:, -DIMENSIONS:]).astype(np.float32)
    sample = np.arange(len(atoms))
    if len(atoms) > FITTED_ATOMS:
        sample = np.sort(generator.choice(sample, FITTED_ATOMS, replace=False))
    distinct = len(np.unique(atoms[sample], axis=0))
    kinds = max(1, min(wanted, len(atoms) // ATOMS_PER_KIND, distinct))
    model = KMeans(kinds, n_init=1, max_iter=50, random_state=int(generator.integers(2**31)))
    model.fit(atoms[sample], sample_weight=weights[sample])
    kind = model.predict(atoms).astype(np.int64)
    return kind[: len(scaled.frames)], kind[len(scaled.frames) :], kinds


def shares_of_kinds(kind: np.ndarray, offsets: np.ndarray, kinds: int) -> np.ndarray:
    """Which fraction of each structure's atoms is of each kind, shape (S, K)."""
    counts = np.diff(offsets)
    structure = np.repeat(np.arange(len(counts)), counts)
    table = np.bincount(structure * kinds + kind, minlength=len(counts) * kinds)
    return table.reshape(len(counts), kinds) / np.maximum(counts, 1)[:, None]
