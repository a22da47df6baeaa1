"""Compositions of alloys cover all that are possible, and become whole numbers of atoms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.pipelines.augmentation.compositions import counts_of, spread_over_simplex


@given(st.integers(1, 200), st.integers(2, 5))
@settings(deadline=None)
def test_compositions_add_up_and_begin_with_the_pure_species(count: int, species: int) -> None:
    points = spread_over_simplex(count, species)
    assert points.shape == (count, species)
    assert points.min() >= 0
    assert points.sum(axis=1) == pytest.approx(np.ones(count))
    pure = min(count, species)
    assert points[:pure].max(axis=1) == pytest.approx(np.ones(pure))
    assert len(np.unique(np.round(points, 9), axis=0)) == count


def test_two_species_are_spread_evenly_from_nothing_to_everything() -> None:
    points = np.sort(spread_over_simplex(100, 2)[:, 0])
    assert points == pytest.approx(np.linspace(0, 1, 100))


@pytest.mark.parametrize("species", [3, 4])
def test_no_part_of_the_simplex_is_left_out(species: int) -> None:
    points = spread_over_simplex(100, species)
    somewhere = np.random.default_rng(1).dirichlet(np.ones(species), 2000)
    distance = np.abs(somewhere[:, None] - points).max(axis=-1).min(axis=1)
    assert distance.max() < {3: 0.09, 4: 0.2}[species]
    assert points.mean(axis=0) == pytest.approx(np.full(species, 1 / species), abs=0.03)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6).filter(any), st.integers(1, 300))
@settings(deadline=None)
def test_counts_follow_the_largest_remainder(shares: list[float], sites: int) -> None:
    composition = np.array(shares) / sum(shares)
    counts = counts_of(composition, sites)
    assert counts.sum() == sites
    assert np.all(np.abs(counts - composition * sites) < 1 + 1e-6)
    remainders = composition * sites - np.floor(composition * sites + 1e-9)
    up = counts > np.floor(composition * sites + 1e-9)
    if up.any() and not up.all():
        assert remainders[up].min() >= remainders[~up].max() - 1e-9


def test_exact_shares_stay_exact() -> None:
    assert counts_of(np.array([0.3, 0.7]), 10).tolist() == [3, 7]
    assert counts_of(np.array([1 / 3, 1 / 3, 1 / 3]), 10).tolist() == [4, 3, 3]
    assert counts_of(np.array([1.0, 0.0]), 7).tolist() == [7, 0]
