"""How often a threshold on disagreement decides rightly, with intervals of the counts.

True positives and their like as in AiiDA-TrainsPot, Digital Discovery 2026, Eqs. 3 and 4. The rates
mean something only on structures that were drawn regardless of their disagreement: among selected
ones there are no false negatives by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Proportion:
    """``successes`` out of ``trials``, with a binomial confidence interval; NaN without trials."""

    successes: int
    trials: int
    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Classification:
    """Counts and rates of one threshold pair.

    Attributes
    ----------
    true_positives, false_positives, false_negatives, true_negatives
        Counts; positive means D > τ, true means that this agrees with ε > ε_thr.
    true_positive_rate
        TP / (TP + FN): how many of the badly predicted structures would be selected.
    positive_predictive_value
        TP / (TP + FP): how many of the selected structures are badly predicted.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    true_positive_rate: Proportion
    positive_predictive_value: Proportion


def proportion(successes: int, trials: int, confidence: float = 0.95) -> Proportion:
    """A proportion with its two-sided Clopper-Pearson interval, exact for any number of trials."""
    if trials == 0:
        return Proportion(0, 0, float("nan"), float("nan"), float("nan"))
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    failures = trials - successes
    lower = 0.0 if successes == 0 else float(betaincinv(successes, failures + 1, tail))
    upper = 1.0 if failures == 0 else float(betaincinv(successes + 1, failures, 1 - tail))
    return Proportion(successes, trials, successes / trials, lower, upper)


def classify(
    disagreement: np.ndarray,
    error: np.ndarray,
    disagreement_threshold: float,
    error_threshold: float,
    confidence: float = 0.95,
) -> Classification:
    """Compare D > τ with ε > ε_thr.

    Parameters
    ----------
    disagreement, error
        D and ε, shape (S,); structures where one is not finite do not count.
    disagreement_threshold, error_threshold
        τ and ε_thr.
    confidence
        Of the intervals.
    """
    keep = np.isfinite(disagreement) & np.isfinite(error)
    positive = disagreement[keep] > disagreement_threshold
    bad = error[keep] > error_threshold
    hits = int(np.count_nonzero(positive & bad))
    false_alarms = int(np.count_nonzero(positive & ~bad))
    misses = int(np.count_nonzero(~positive & bad))
    return Classification(
        true_positives=hits,
        false_positives=false_alarms,
        false_negatives=misses,
        true_negatives=int(np.count_nonzero(~positive & ~bad)),
        true_positive_rate=proportion(hits, hits + misses, confidence),
        positive_predictive_value=proportion(hits, hits + false_alarms, confidence),
    )


def confusion_map(
    disagreement: np.ndarray,
    error: np.ndarray,
    disagreement_thresholds: np.ndarray,
    error_thresholds: np.ndarray,
) -> np.ndarray:
    """Counts of :func:`classify` for every pair of thresholds.

    Parameters
    ----------
    disagreement, error
        D and ε, shape (S,); structures where one is not finite do not count.
    disagreement_thresholds, error_thresholds
        Values of τ, shape (T,), and of ε_thr, shape (E,).

    Returns
    -------
    np.ndarray
        Shape (4, E, T): true positives, false positives, false negatives, true negatives.
    """
    keep = np.isfinite(disagreement) & np.isfinite(error)
    positive = (disagreement[keep, None] > disagreement_thresholds).astype(np.int64)
    bad = (error[keep, None] > error_thresholds).astype(np.int64)
    pairs = ((bad, positive), (1 - bad, positive), (bad, 1 - positive), (1 - bad, 1 - positive))
    return np.array([truth.T @ said for truth, said in pairs])


def coverage(error: np.ndarray, error_bar: np.ndarray, confidence: float = 0.95) -> Proportion:
    """How often the error of the mean stays within its error bar."""
    keep = np.isfinite(error) & np.isfinite(error_bar)
    within = int(np.count_nonzero(error[keep] <= error_bar[keep]))
    return proportion(within, int(keep.sum()), confidence)
