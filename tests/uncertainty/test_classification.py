from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from potwright.uncertainty import classify, confusion_map, coverage, proportion


def test_counts_follow_the_four_cases() -> None:
    disagreement = np.array([2, 2, 2, 0.5, 0.5, 0.5, 0.5, np.nan])
    error = np.array([20, 20, 5, 20, 5, 5, 5, 20.0])
    result = classify(disagreement, error, disagreement_threshold=1, error_threshold=10)
    assert (result.true_positives, result.false_positives) == (2, 1)
    assert (result.false_negatives, result.true_negatives) == (1, 3)
    assert result.true_positive_rate.value == pytest.approx(2 / 3)
    assert result.positive_predictive_value.value == pytest.approx(2 / 3)


@pytest.mark.parametrize(("successes", "trials"), [(0, 8), (3, 8), (8, 8), (1, 1), (40, 50)])
def test_intervals_are_the_exact_binomial_ones(successes: int, trials: int) -> None:
    exact = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    ours = proportion(successes, trials)
    assert (ours.lower, ours.upper) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_no_trials_give_no_rate() -> None:
    result = classify(np.zeros(3), np.zeros(3), 1.0, 1.0)
    assert np.isnan(result.true_positive_rate.value)
    assert result.true_positive_rate.trials == 0


def test_coverage_counts_errors_within_their_bars() -> None:
    assert coverage(np.array([1, 2, 3, np.nan]), np.array([1, 1, 5, 1.0])).value == 2 / 3


def test_a_map_of_thresholds_holds_what_classify_says_of_each_pair() -> None:
    rng = np.random.default_rng(0)
    disagreement, error = rng.random(50), rng.random(50)
    error[3] = np.nan
    d_values, e_values = np.array([0.2, 0.5, 0.9]), np.array([0.3, 0.7])
    counts = confusion_map(disagreement, error, d_values, e_values)
    assert counts.shape == (4, 2, 3)
    for i, e in enumerate(e_values):
        for j, d in enumerate(d_values):
            one = classify(disagreement, error, d, e)
            assert counts[:, i, j].tolist() == [
                one.true_positives,
                one.false_positives,
                one.false_negatives,
                one.true_negatives,
            ]
