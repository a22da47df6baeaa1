"""What disagreement is worth: slopes with standard errors, rank correlation, trust.

Two factors, which answer two questions:

- a, of D ≈ a·ε through the origin (AiiDA-TrainsPot, Digital Discovery 2026, §2.1.6), turns a
  tolerated error into a threshold on disagreement, τ = a·ε_thr;
- c, of b ≈ c·D with c² = Σb²/ΣD², turns disagreement into an error bar of the committee mean.

Because ε² = D² + b², a high correlation of D with ε proves nothing; trust rests on the rank
correlation of D with b. Structures of one group (frames of one trajectory, copies of one cell) are
not independent, hence all standard errors and bounds resample or sum over whole groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MINIMUM_POINTS = 3


@dataclass(frozen=True)
class Factor:
    """A fitted factor with its standard error, both NaN where it cannot be fitted."""

    value: float
    standard_error: float

    @property
    def fitted(self) -> bool:
        """Whether there is a value to use."""
        return bool(np.isfinite(self.value) and self.value > 0)


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's ρ and the lower bound of its one-sided confidence interval."""

    value: float
    lower_bound: float


NOT_FITTED = Factor(float("nan"), float("nan"))


def usable(*columns: np.ndarray) -> np.ndarray:
    """Where all columns hold finite numbers, shape (S,)."""
    return np.logical_and.reduce([np.isfinite(column) for column in columns])


def fit_slope(disagreement: np.ndarray, error: np.ndarray, group: np.ndarray) -> Factor:
    """The slope a of D ≈ a·ε through the origin, a = Σ Dε / Σ ε².

    The standard error is robust to unequal scatter and to dependence within groups: the sandwich
    estimator over groups, each divided by one minus its leverage (CR3: what leaving out one group
    at a time gives). Without the leverage a few large errors make it far too small.

    Parameters
    ----------
    disagreement, error
        D and ε, shape (S,); structures where one is not finite do not count.
    group
        What belongs together, shape (S,).

    Returns
    -------
    Factor
        Not fitted where fewer than 3 points are left or all errors or disagreements vanish.
    """
    keep = usable(disagreement, error)
    d, e, group = disagreement[keep], error[keep], group[keep]
    if len(d) < MINIMUM_POINTS or not (d.any() and e.any()):
        return NOT_FITTED
    slope = float(d @ e / (e @ e))
    return Factor(slope, _clustered(e * (d - slope * e), e**2, group))


def error_scale(disagreement: np.ndarray, error: np.ndarray, group: np.ndarray) -> Factor:
    """The factor c of b ≈ c·D, c² = Σ b² / Σ D².

    The standard error is that of a ratio of sums, robust as that of :func:`fit_slope`.

    Parameters
    ----------
    disagreement, error
        D and b of structures (or of atoms, for the factor per atom), shape (S,).
    group
        What belongs together, shape (S,).
    """
    keep = usable(disagreement, error)
    d2, b2, group = disagreement[keep] ** 2, error[keep] ** 2, group[keep]
    if len(d2) < MINIMUM_POINTS or not (d2.any() and b2.any()):
        return NOT_FITTED
    squared = float(b2.sum() / d2.sum())
    factor = squared**0.5
    return Factor(factor, _clustered(b2 - squared * d2, d2, group) / (2 * factor))


def likelihood_scale(disagreement: np.ndarray, error: np.ndarray) -> float:
    """The factor that makes normal errors of standard deviation c·D most likely.

    Setting the derivative of Σ (b²/2c²D² + ln cD) to zero gives c² = mean(b²/D²). Against
    :func:`error_scale` it weighs every structure alike, so a structure on which all members happen
    to agree can dominate it.
    """
    keep = usable(disagreement, error) & (disagreement > 0)
    if keep.sum() < MINIMUM_POINTS:
        return float("nan")
    return float(np.sqrt(np.mean((error[keep] / disagreement[keep]) ** 2)))


def conformal_factor(
    disagreement: np.ndarray, error: np.ndarray, level: float, group: np.ndarray | None = None
) -> float:
    """The factor q for which b ≤ q·D holds with probability ``level``.

    Split conformal prediction, for a structure that is exchangeable with these: the
    ⌈(n + 1)·level⌉-th smallest of the ratios b/D; infinite where they are too few for that level.

    Frames of one trajectory, or atoms of one structure, are not exchangeable with those of another.
    With groups the promise is one for a member of a *new* group: each of the K groups has the
    weight 1/(K + 1), shared by its members, and the rest of 1/(K + 1) lies at infinity (Lee,
    Barber, Willett, arXiv:2306.06342). Groups of one member each give the former.

    Parameters
    ----------
    disagreement, error
        D and b, shape (S,); points where one is not finite do not count.
    level
        The probability.
    group
        What belongs together, shape (S,); each point by itself if it is not given.
    """
    keep = usable(disagreement, error)
    if not keep.any():
        return float("inf")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.nan_to_num(error[keep] / disagreement[keep], nan=0.0, posinf=np.inf)
    members = np.arange(len(ratios)) if group is None else group[keep]
    _, member_of, sizes = np.unique(members, return_inverse=True, return_counts=True)
    order = np.argsort(ratios, kind="stable")
    weights = 1 / (sizes[member_of[order]] * (len(sizes) + 1))
    rank = int(np.searchsorted(np.cumsum(weights), level - 1e-9))
    return float(ratios[order[rank]]) if rank < len(ratios) else float("inf")


def rank_correlation(
    disagreement: np.ndarray,
    error: np.ndarray,
    group: np.ndarray,
    generator: np.random.Generator,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
) -> RankCorrelation:
    """Spearman's ρ(D, b), and its lower bound by a bootstrap that draws whole groups.

    Parameters
    ----------
    disagreement, error
        D and b, shape (S,).
    group
        What belongs together, shape (S,).
    generator
        Where the bootstrap's randomness comes from.
    confidence
        One-sided confidence of the lower bound.
    resamples
        Number of bootstrap samples.
    """
    keep = usable(disagreement, error)
    d, b, group = disagreement[keep], error[keep], group[keep]
    if len(d) < MINIMUM_POINTS:
        return RankCorrelation(float("nan"), float("nan"))
    value = float(_weighted_spearman(d, b, np.ones((1, len(d))))[0])
    _, member_of = np.unique(group, return_inverse=True)
    groups = int(member_of.max()) + 1
    samples = []
    block = max(1, 2_000_000 // len(d))  # bounds memory, not the result
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        counts = generator.multinomial(groups, np.full(groups, 1 / groups), size=size)
        samples.append(_weighted_spearman(d, b, counts[:, member_of].astype(float)))
    drawn = np.concatenate(samples)
    drawn = drawn[np.isfinite(drawn)]
    bound = float(np.quantile(drawn, 1 - confidence)) if len(drawn) else float("nan")
    return RankCorrelation(value, bound)


def trusted(
    correlation: RankCorrelation,
    groups: int,
    *,
    minimum_groups: int = 20,
    minimum_correlation: float = 0.2,
) -> bool:
    """Whether D says something about b: enough independent groups, and ρ surely above a minimum."""
    return groups >= minimum_groups and correlation.lower_bound > minimum_correlation


def log_errors(disagreement: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """How far, in ln b, the guess c·D is off, and how far one constant guess is.

    Root mean squares of ln(b/guess) once each guess has the factor that is best for it. With the
    factors of :func:`error_scale` instead, a D that varies at random could win against a constant
    merely because its typical value is below its root mean square, as that of b is. Structures
    where D or b is zero have no logarithm and do not count.
    """
    keep = usable(disagreement, error) & (disagreement > 0) & (error > 0)
    if keep.sum() < MINIMUM_POINTS:
        return float("nan"), float("nan")
    log_b = np.log(error[keep])
    return float(np.std(log_b - np.log(disagreement[keep]))), float(np.std(log_b))


def informative(disagreement: np.ndarray, error: np.ndarray) -> bool:
    """Whether c·D guesses b better, in its logarithm, than one constant error bar does."""
    by_disagreement, by_constant = log_errors(disagreement, error)
    return bool(by_disagreement < by_constant * (1 - 1e-9))  # beyond rounding


def _clustered(scores: np.ndarray, weights: np.ndarray, group: np.ndarray) -> float:
    """Standard error of a weighted mean with these scores, when only groups are independent."""
    _, member_of = np.unique(group, return_inverse=True)
    sums = np.bincount(member_of, weights=scores)
    shares = np.bincount(member_of, weights=weights) / weights.sum()
    if len(sums) < 2 or (shares >= 1).any():
        return float("nan")
    return float(np.sqrt(np.sum((sums / (1 - shares)) ** 2)) / weights.sum())


def _weighted_spearman(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman's ρ of samples in which point i occurs ``weights[k, i]`` times, shape (k,).

    Ranks are those within each sample, ties at their mean rank; NaN where a sample has no spread.
    """
    total = weights.sum(axis=1, keepdims=True)
    u = _weighted_ranks(x, weights) - (total + 1) / 2
    v = _weighted_ranks(y, weights) - (total + 1) / 2
    covariance = (weights * u * v).sum(axis=1)
    spread = (weights * u * u).sum(axis=1) * (weights * v * v).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, covariance / np.sqrt(spread), np.nan)


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean rank of each point within each sample, shape of ``weights``."""
    order = np.argsort(values, kind="stable")
    _, first, tie = np.unique(values[order], return_index=True, return_inverse=True)
    occurrences = np.add.reduceat(weights[:, order], first, axis=1)
    mean_rank = np.cumsum(occurrences, axis=1) - (occurrences - 1) / 2
    ranks = np.empty_like(weights)
    ranks[:, order] = mean_rank[:, tie]
    return ranks
