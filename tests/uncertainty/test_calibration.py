"""Synthetic committees x_ij = ref_i + s_i (k z_i + η_ij), of which every answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from potwright.uncertainty import (
    RankCorrelation,
    conformal_factor,
    error_scale,
    fit_slope,
    informative,
    likelihood_scale,
    rank_correlation,
    trusted,
)

MEMBERS, COMPONENTS = 4, 600


def synthetic(
    seed: int, structures: int = 80, k: float = 1.0, members: int = MEMBERS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D, ε and b of structures whose scales s_i differ; the reference is 0 throughout."""
    rng = np.random.default_rng(seed)
    s = np.exp(0.4 * rng.normal(size=(structures, 1)))
    z = rng.standard_normal((structures, COMPONENTS), dtype=np.float32)
    eta = rng.standard_normal((members, structures, COMPONENTS), dtype=np.float32)
    values = s * (k * z + eta)
    variance, offset = values.var(axis=0).mean(axis=1), (values.mean(axis=0) ** 2).mean(axis=1)
    return np.sqrt(variance), np.sqrt(variance + offset), np.sqrt(offset)


def independent(seed: int, structures: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """D, ε and b of one component, with D and b independent and of equal root mean square."""
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(MEMBERS, structures)).std(axis=0)
    b = np.sqrt(1 - 1 / MEMBERS) * np.abs(rng.normal(size=structures))
    return d, np.hypot(d, b), b


def test_slopes_are_unbiased_and_their_standard_errors_true() -> None:
    k = 1.0
    # E D² = s²(1 − 1/M) and E b² = s²(k² + 1/M), hence both slopes
    true_a = np.sqrt((1 - 1 / MEMBERS) / (1 + k**2))
    true_c = np.sqrt((k**2 + 1 / MEMBERS) / (1 - 1 / MEMBERS))
    z = []
    for seed in range(200):
        d, e, b = synthetic(seed, k=k)
        group = np.arange(len(d))
        a, c = fit_slope(d, e, group), error_scale(d, b, group)
        z.append(((a.value - true_a) / a.standard_error, (c.value - true_c) / c.standard_error))
    mean, spread = np.mean(z, axis=0), np.std(z, axis=0, ddof=1)
    assert np.all(np.abs(mean) < 0.2), mean
    assert np.all((spread > 0.85) & (spread < 1.15)), spread


def test_standard_errors_know_that_frames_of_one_trajectory_are_not_independent() -> None:
    """Each structure five times over is no more evidence than once."""
    d, e, b = synthetic(3, structures=40)
    once, five_times = np.arange(40), np.repeat(np.arange(40), 5)
    for fit, error in ((fit_slope, e), (error_scale, b)):
        single = fit(d, error, once)
        repeated = fit(np.repeat(d, 5), np.repeat(error, 5), five_times)
        assert repeated.value == pytest.approx(single.value)
        assert repeated.standard_error == pytest.approx(single.standard_error)


def test_the_two_factors_say_the_same_where_every_structure_is_alike() -> None:
    """ε² = D² + b², so b = cD means D = ε/√(1 + c²)."""
    d = np.linspace(1, 3, 30)
    b = 0.7 * d
    group = np.arange(30)
    assert error_scale(d, b, group).value == pytest.approx(0.7)
    assert fit_slope(d, np.hypot(d, b), group).value == pytest.approx(1 / np.sqrt(1.49))
    assert likelihood_scale(d, b) == pytest.approx(0.7)
    assert conformal_factor(d, b, 0.9) == pytest.approx(0.7)


@pytest.mark.parametrize("seed", range(5))
def test_an_error_independent_of_disagreement_is_not_trusted(seed: int) -> None:
    d, _, b = independent(seed, structures=300)
    rho = rank_correlation(d, b, np.arange(300), np.random.default_rng(0))
    assert not trusted(rho, groups=300)
    assert not informative(d, b)


@pytest.mark.parametrize("seed", range(5))
def test_an_error_that_follows_disagreement_is_trusted(seed: int) -> None:
    d, _, b = synthetic(seed)
    rho = rank_correlation(d, b, np.arange(len(d)), np.random.default_rng(0))
    assert trusted(rho, groups=len(d))
    assert informative(d, b)


def test_disagreement_against_member_error_looks_convincing_even_when_it_knows_nothing() -> None:
    """Why the plot of D against ε is no evidence: ε contains D."""
    d, e, b = independent(0, structures=20_000)
    assert abs(spearmanr(d, b).statistic) < 0.03
    assert spearmanr(d, e).statistic == pytest.approx(0.6, abs=0.05)
    estimate = d / fit_slope(d, e, np.arange(len(d))).value
    within_factor_2 = np.mean((estimate < 2 * e) & (estimate > e / 2))
    assert within_factor_2 == pytest.approx(0.9, abs=0.05)


def test_few_independent_groups_are_never_trusted() -> None:
    certain = RankCorrelation(1.0, 1.0)
    assert trusted(certain, groups=20)
    assert not trusted(certain, groups=19)
    assert not trusted(RankCorrelation(0.9, 0.2), groups=100)


def test_a_lower_bound_that_is_not_a_number_is_no_trust() -> None:
    rho = rank_correlation(np.ones(50), np.arange(50.0), np.arange(50), np.random.default_rng(0))
    assert np.isnan(rho.value)
    assert not trusted(rho, groups=50)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=30))
@settings(max_examples=60)
def test_the_rank_correlation_is_spearmans_ties_included(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    rho = rank_correlation(x, y, np.arange(len(x)), np.random.default_rng(0), resamples=100)
    if np.ptp(x) > 0 and np.ptp(y) > 0:
        assert rho.value == pytest.approx(spearmanr(x, y).statistic)
    else:
        assert np.isnan(rho.value)


def test_the_bootstrap_agrees_with_resampling_one_group_after_another() -> None:
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(30), 3)
    x = rng.normal(size=90) + rng.normal(size=30)[group]
    y = x + rng.normal(size=90)
    drawn = []
    for _ in range(2000):
        chosen = rng.integers(30, size=30)
        rows = np.concatenate([np.flatnonzero(group == g) for g in chosen])
        drawn.append(spearmanr(x[rows], y[rows]).statistic)
    rho = rank_correlation(x, y, group, np.random.default_rng(0), resamples=2000)
    assert rho.lower_bound == pytest.approx(np.quantile(drawn, 0.05), abs=0.02)


def test_dependent_frames_lower_the_bound() -> None:
    """Ten copies of 12 pairs must not look like 120 independent ones."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    x10, y10 = np.repeat(x, 10), np.repeat(y, 10)
    by_group = rank_correlation(x10, y10, np.repeat(np.arange(12), 10), np.random.default_rng(0))
    by_frame = rank_correlation(x10, y10, np.arange(120), np.random.default_rng(0))
    assert by_group.lower_bound < by_frame.lower_bound - 0.1


def test_constant_disagreement_is_not_informative() -> None:
    b = np.abs(np.random.default_rng(0).normal(size=200))
    assert not informative(np.ones(200), b)


def test_the_conformal_factor_covers_fresh_structures_at_its_level() -> None:
    covered = []
    for seed in range(300):
        d, _, b = independent(seed, structures=51)
        q = conformal_factor(d[1:], b[1:], 0.8)
        covered.append(b[0] <= q * d[0])
    # 300 trials at 0.8: standard deviation 0.023
    assert np.mean(covered) == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_conformal_coverage_is_within_3_points_of_its_level_on_2000_fresh_structures(
    level: float,
) -> None:
    """The standard deviation of calibration and count together is √(2·0.25/2000) = 1.6 points."""
    d, _, b = independent(7, structures=4000)
    q = conformal_factor(d[:2000], b[:2000], level)
    assert np.mean(b[2000:] <= q * d[2000:]) == pytest.approx(level, abs=0.03)


def test_conformal_coverage_of_new_groups_needs_the_groups() -> None:
    """Large groups that share their difficulty: 2,000 points of 40 groups, and 2,000 new groups.

    A tenth of the groups is hard, and these are small: by point they hardly count.
    """
    rng = np.random.default_rng(11)
    covered = {"by group": [], "by point": []}
    for _ in range(30):
        hard = rng.random(40) < 0.25
        sizes = np.where(hard, 5, 60)
        group = np.repeat(np.arange(40), sizes)
        b = np.abs(rng.normal(size=len(group))) * np.where(hard, 4.0, 1.0)[group]
        d = np.ones(len(group))
        fresh = np.abs(rng.normal(size=2000)) * np.where(rng.random(2000) < 0.25, 4.0, 1.0)
        for name, belongs in (("by group", group), ("by point", None)):
            covered[name].append(np.mean(fresh <= conformal_factor(d, b, 0.9, belongs)))
    assert np.mean(covered["by group"]) == pytest.approx(0.9, abs=0.03)
    assert np.mean(covered["by point"]) < 0.85


def test_groups_of_one_give_the_quantile_of_split_conformal_prediction() -> None:
    d, _, b = independent(3, structures=99)
    rank = int(np.ceil(100 * 0.9))
    assert conformal_factor(d, b, 0.9) == np.sort(b / d)[rank - 1]
    assert conformal_factor(d, b, 0.9, np.arange(99)) == conformal_factor(d, b, 0.9)


def test_a_conformal_factor_from_too_few_structures_is_infinite() -> None:
    assert conformal_factor(np.ones(8), np.ones(8), 0.9) == np.inf
    assert np.isfinite(conformal_factor(np.ones(9), np.ones(9), 0.9))
    assert conformal_factor(np.ones(90), np.ones(90), 0.9, np.arange(90) % 8) == np.inf
    assert conformal_factor(np.empty(0), np.empty(0), 0.9) == np.inf


@pytest.mark.parametrize(
    ("disagreement", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0]),  # too few
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),  # members are identical
        ([1.0, 2.0, np.nan], [1.0, 2.0, 3.0]),  # too few that are finite
    ],
)
def test_what_cannot_be_fitted_is_said_to_be_unfitted(
    disagreement: list[float], error: list[float]
) -> None:
    d, e = np.array(disagreement), np.array(error)
    assert not fit_slope(d, e, np.arange(len(d))).fitted
    assert not error_scale(d, e, np.arange(len(d))).fitted
