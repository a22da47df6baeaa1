"""Clusters are small, connected, and made of what the inputs are made of."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.geometry import colliding_atoms, empty_gaps, nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.clusters import grow_clusters
from potwright.pipelines.augmentation.derivation import geometries
from potwright.pipelines.augmentation.parameters import ClusterParameters

CARBON = PESData.from_atoms([bulk("C", "diamond", a=3.567)])


@given(st.floats(0.8, 3), st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_nearest_neighbours_are_between_d_and_root_three_d(distance: float, seed: int) -> None:
    parameters = ClusterParameters(min_distance_angstrom=distance)
    clusters = grow_clusters(CARBON, parameters, 0.0, 15.0, seed)
    assert len(clusters) == 20
    for geometry in geometries(clusters):
        nearest = nearest_neighbour_distances(*geometry[1:])
        assert nearest.min() >= distance - 1e-6
        assert nearest.max() <= np.sqrt(3) * distance + 1e-6


def test_sizes_are_from_two_to_the_limit_and_not_beyond() -> None:
    # The published implementation makes clusters of one atom more than its limit.
    clusters = grow_clusters(CARBON, ClusterParameters(count=300), 0.45, 15.0, seed=1)
    counts = np.bincount(clusters.n_atoms)
    assert len(counts) == 11
    assert counts[:2].tolist() == [0, 0]
    assert np.all(counts[2:] > 10)


def test_species_follow_the_composition_of_the_inputs() -> None:
    inputs = PESData.from_atoms([molecule("CH4"), bulk("Cu"), bulk("Cu", cubic=True).repeat(3)])
    clusters = grow_clusters(inputs, ClusterParameters(count=500), 0.0, 15.0, seed=1)
    fractions = [(clusters.numbers == z).mean() for z in (1, 6, 29)]
    # Each input counts once, whatever its size.
    assert fractions == pytest.approx([0.8 / 3, 0.2 / 3, 2 / 3], abs=0.03)


def test_growth_has_no_preferred_direction() -> None:
    pairs = grow_clusters(CARBON, ClusterParameters(count=2000, max_atoms=2), 0.0, 15.0, seed=1)
    bonds = pairs.positions[1::2] - pairs.positions[::2]
    unit = bonds / np.linalg.norm(bonds, axis=1, keepdims=True)
    assert np.all(np.abs(unit.mean(axis=0)) < 5 / np.sqrt(3 * 2000))
    assert unit.T @ unit / len(unit) == pytest.approx(np.eye(3) / 3, abs=0.03)


def test_clusters_are_alone_in_their_vacuum_and_a_group_each() -> None:
    clusters = grow_clusters(CARBON, ClusterParameters(), 0.45, 12.0, seed=1)
    assert not clusters.pbc.any()
    assert set(clusters.origin) == {"cluster"}
    assert set(clusters.parent) == {""}
    assert clusters.group.tolist() == clusters.id.tolist()
    assert len(np.unique(clusters.id)) == 20
    for geometry in geometries(clusters):
        assert np.all(empty_gaps(geometry.positions, geometry.cell) >= 12 - 1e-6)
    assert clusters.info[0] == {"min_distance_angstrom": 1.5}


def test_large_species_are_kept_apart_by_their_radii(caplog: pytest.LogCaptureFixture) -> None:
    caesium = PESData.from_atoms([Atoms("Cs", cell=np.eye(3) * 6, pbc=True)])
    clusters = grow_clusters(caesium, ClusterParameters(), 0.45, 15.0, seed=1)
    assert len(clusters) == 20
    assert not any(colliding_atoms(*g, 0.45).any() for g in geometries(clusters))
    with caplog.at_level(logging.WARNING):
        few = grow_clusters(
            caesium, ClusterParameters(min_distance_angstrom=1.0), 0.45, 15.0, seed=1
        )
    assert len(few) == 0
    assert "20 of 20 given up" in caplog.text


def test_one_more_cluster_leaves_the_others_as_they_are() -> None:
    fewer = grow_clusters(CARBON, ClusterParameters(count=5), 0.45, 15.0, seed=1)
    more = grow_clusters(CARBON, ClusterParameters(count=6), 0.45, 15.0, seed=1)
    assert more.id[:5].tolist() == fewer.id.tolist()
