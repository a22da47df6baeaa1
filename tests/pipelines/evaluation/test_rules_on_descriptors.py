"""Farthest points and coverage, on descriptors of which the right choice can be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from potwright.pes import PESData
from potwright.pipelines.evaluation.coverage import greedy
from potwright.pipelines.evaluation.environments import Environments, mean_over
from potwright.pipelines.evaluation.parameters import CoverageSelection, FarthestPointSelection
from potwright.pipelines.evaluation.rules import RULES, Pool


def environments(frames: list[Any], known: list[Any]) -> Environments:
    """From the descriptors of each structure's atoms, shape (n, F) each."""

    def packed(parts: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        arrays = [np.atleast_2d(np.array(part, dtype=float)) for part in parts]
        sizes = [len(part) for part in arrays]
        return np.concatenate(arrays), np.concatenate([[0], np.cumsum(sizes)])

    return Environments(*packed(frames), *packed(known))


def pool(
    frames: list[Any], known: list[Any], settings: Any, disagreement: list[float] | None = None
) -> Pool:
    """A pool of which only the descriptors, the sizes and the disagreement matter."""
    described = environments(frames, known)
    sizes = np.diff(described.offsets)
    each = np.ones(len(frames)) if disagreement is None else np.array(disagreement)
    everything = np.ones(len(frames), dtype=bool)
    return Pool(
        PESData.empty(),
        everything,
        everything,
        each,
        np.repeat(each, sizes),
        described,
        settings,
    )


def take(rule: str, given: Pool, count: int) -> list[int]:
    return RULES[rule].take(given, count, np.random.default_rng(0)).frames.tolist()


LINE = [[[0.1]], [[5.0]], [[9.0]], [[9.1]], [[2.0]]]
ORIGIN = [[[0.0, 0.0]]]


def test_farthest_points_start_from_what_is_known_and_avoid_near_duplicates() -> None:
    line = pool(LINE, [[[0.0]]], FarthestPointSelection())
    # 9.1 is farthest from 0; then the middle of the gap, not 9.1's neighbour at 9.0
    assert take("farthest_point", line, 3) == [3, 1, 4]
    notes = RULES["farthest_point"].take(line, 3, np.random.default_rng(0)).notes
    assert [note["distance"] for note in notes] == pytest.approx(
        np.array([9.1, 4.1, 2.0]) / np.std([0, 0.1, 5, 9, 9.1, 2])
    )


def test_a_frame_like_the_training_set_is_taken_last() -> None:
    known = [[[0.0]], LINE[3]]
    assert take("farthest_point", pool(LINE, known, FarthestPointSelection()), 5)[-1] == 3


def test_one_strange_atom_is_seen_by_the_farthest_atom_and_not_by_the_mean() -> None:
    dull, odd = np.zeros((50, 2)), np.zeros((50, 2))
    odd[0, 0] = 8.0
    shifted = np.full((50, 2), 1.0)
    frames = [dull, odd, shifted]
    assert take("farthest_point", pool(frames, ORIGIN, FarthestPointSelection()), 1) == [2]
    by_atom = pool(frames, ORIGIN, FarthestPointSelection(by="atom"))
    assert take("farthest_point", by_atom, 1) == [1]


@pytest.mark.parametrize("by", ["structure", "atom"])
def test_scales_of_single_descriptors_do_not_matter(by: Any) -> None:
    rng = np.random.default_rng(1)
    frames = [rng.normal(size=(4, 3)) for _ in range(20)]
    stretched = [frame * [1.0, 1e3, 1e-3] for frame in frames]
    settings = FarthestPointSelection(by=by)
    known, far = [np.zeros((1, 3))], [np.zeros((1, 3))]
    assert take("farthest_point", pool(frames, known, settings), 6) == take(
        "farthest_point", pool(stretched, far, settings), 6
    )


def test_coverage_prefers_disputed_environments() -> None:
    frames = [[[float(i % 2), 0.0]] * 10 for i in range(40)]
    disputed = [3.0 if i % 2 else 0.1 for i in range(40)]
    taken = take("coverage", pool(frames, ORIGIN, CoverageSelection(kinds=2), disputed), 5)
    assert all(i % 2 for i in taken)


def test_coverage_shares_out_what_is_disputed_alike() -> None:
    """Two kinds, one nine times as common: both are taken, the common one more often."""
    frames = [[[0.0 if i < 36 else 5.0, 0.0]] * 10 for i in range(40)]
    known = [[[0.0, 0.0], [5.0, 0.0]]]
    taken = np.array(take("coverage", pool(frames, known, CoverageSelection(kinds=2)), 12))
    rare = int((taken >= 36).sum())
    assert 1 <= rare <= 4


def test_coverage_does_not_pay_for_what_is_known() -> None:
    frames = [[[0.0, 0.0]] * 10, [[5.0, 0.0]] * 10]
    known = [[[0.0, 0.0]] * 10] * 20
    assert take("coverage", pool(frames, known, CoverageSelection(kinds=2)), 1) == [1]


ORIGIN_3 = [np.zeros((1, 3))]


@pytest.mark.parametrize("rule", ["coverage", "farthest_point"])
def test_frames_of_8_and_400_atoms_with_equal_spread_are_selected_equally(rule: str) -> None:
    """A cell and its 50-fold supercell have the same environments: neither is preferred."""
    settings = {"coverage": CoverageSelection(), "farthest_point": FarthestPointSelection()}[rule]
    taken_large = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        cells = [rng.normal(size=(8, 3)) for _ in range(20)]
        large = rng.permutation(20) < 10
        frames = [np.tile(c, (50, 1)) if big else c for c, big in zip(cells, large, strict=True)]
        taken_large.append(large[take(rule, pool(frames, ORIGIN_3, settings), 10)].sum())
    # of 10 large among 20, 10 are taken, 12 times: hypergeometric, standard error 1.15/√12
    assert np.mean(taken_large) == pytest.approx(5, abs=4 * 1.15 / 12**0.5)


def test_gains_never_rise_and_never_add_up_to_more_than_there_is() -> None:
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.full(12, 0.2), size=60)
    weight, known = rng.random(12), 3 * rng.random(12)
    order, gains = greedy(shares, weight, known, 60)
    assert sorted(order.tolist()) == list(range(60))
    assert (np.diff(gains) <= 1e-12).all()
    assert 0 < sum(gains) < weight.sum()


def test_the_first_frame_is_the_best_single_one() -> None:
    rng = np.random.default_rng(3)
    shares, weight, known = rng.dirichlet(np.ones(5), size=30), rng.random(5), rng.random(5)
    prior = known + 1 / 5
    reduction = (weight * (1 - prior / (prior + shares))).sum(axis=1)
    assert greedy(shares, weight, known, 1)[0][0] == reduction.argmax()


@pytest.mark.parametrize("rule", ["coverage", "farthest_point"])
@pytest.mark.parametrize("count", [0, 3, 99])
def test_as_many_different_frames_as_asked_for_or_all(rule: str, count: int) -> None:
    frames = [np.random.default_rng(i).normal(size=(6, 3)) for i in range(12)]
    given = pool(frames, ORIGIN_3, FarthestPointSelection())
    taken = take(rule, given, count)
    assert len(set(taken)) == len(taken) == min(count, 12)


@pytest.mark.parametrize("rule", ["coverage", "farthest_point"])
def test_only_uncertain_frames_are_taken_and_identical_ones_do_no_harm(rule: str) -> None:
    frames = [np.ones((6, 3))] * 8
    given = replace(pool(frames, ORIGIN_3, FarthestPointSelection()), uncertain=np.arange(8) < 5)
    assert sorted(take(rule, given, 8)) == [0, 1, 2, 3, 4]


def test_means_are_those_of_each_structure() -> None:
    values, offsets = np.arange(10.0).reshape(5, 2), np.array([0, 2, 5])
    np.testing.assert_allclose(mean_over(values, offsets), [[1, 2], [6, 7]])
