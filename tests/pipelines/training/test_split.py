from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.training.nodes import merge_labels
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.split import SPLITS, assign_splits

TARGET = {"training": 0.8, "validation": 0.1, "test": 0.1}
Make = Callable[..., PESData]
fast = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def split(new: PESData, known: PESData | None = None, seed: int = 3, iteration: int = 1) -> PESData:
    return assign_splits(known or PESData.empty(), new, TARGET, seed, iteration)


def counts(pes: PESData) -> dict[str, int]:
    return {name: int((pes.split == name).sum()) for name in SPLITS}


def sets_of_each_group(pes: PESData) -> list[set[str]]:
    return [set(pes.split[pes.group == group].tolist()) for group in np.unique(pes.group)]


@pytest.mark.parametrize("seed", range(20))
def test_of_25_groups_of_4_validation_and_test_get_8_or_12_each(
    structures: Make, seed: int
) -> None:
    found = split(structures([4] * 25), seed=seed)
    number = counts(found)
    assert {number["validation"], number["test"]} <= {8, 12}
    assert number["training"] in (78, 80, 82)
    assert all(len(sets) == 1 for sets in sets_of_each_group(found))


@fast
@given(st.lists(st.integers(1, 12), min_size=1, max_size=40), st.integers(0, 99))
def test_every_structure_is_assigned_and_no_group_is_in_two_sets(
    structures: Make, sizes: list[int], seed: int
) -> None:
    pes = structures(sizes)
    found = split(pes, seed=seed)
    assert found.id.tolist() == pes.id.tolist()
    assert set(found.split.tolist()) <= set(SPLITS)
    assert all(len(sets) == 1 for sets in sets_of_each_group(found))
    if len(sizes) > 1:
        assert counts(found)["validation"] > 0  # without it nothing can be trained


def candidates(sizes: list[int]) -> np.ndarray:
    """Numbers of structures in the three sets for every assignment that can validate."""
    found = {
        tuple(np.bincount(place, weights=sizes, minlength=3).tolist())
        for place in product(range(3), repeat=len(sizes))
    }
    return np.array([c for c in found if c[1] > 0])


@fast
@given(st.lists(st.integers(1, 9), min_size=2, max_size=7), st.integers(0, 99))
def test_sets_are_within_half_the_largest_group_of_their_target_where_that_is_possible(
    structures: Make, sizes: list[int], seed: int
) -> None:
    """Oracle: every assignment there is."""
    target = np.array(list(TARGET.values())) * sum(sizes)
    limit = max(sizes) / 2 + 1e-9
    number = np.array(list(counts(split(structures(sizes), seed=seed)).values()))
    possible = candidates(sizes)
    good = possible[(np.abs(possible - target) <= limit).all(axis=1)]
    if len(good):
        assert np.abs(number - target).max() <= limit
    if (good > 0).all(axis=1).any():
        assert number.min() > 0


@fast
@given(st.lists(st.integers(1, 30), min_size=12, max_size=80), st.integers(0, 99))
def test_many_groups_always_come_within_half_the_largest_group(
    structures: Make, sizes: list[int], seed: int
) -> None:
    number = np.array(list(counts(split(structures(sizes), seed=seed)).values()))
    target = np.array(list(TARGET.values())) * sum(sizes)
    assert np.abs(number - target).max() <= max(sizes) / 2 + 1e-9


def test_every_kind_of_structure_is_spread_over_the_sets(structures: Make) -> None:
    """Strata: two origins from two inputs, 50 groups of 2 each."""
    pes = structures(
        [2] * 200,
        origin=np.tile(np.repeat(["rattle", "strain"], 200), 1),
        source=np.tile(np.repeat(["a.cif", "b.cif"], 100), 2),
    )
    found = split(pes)
    for origin, source in product(("rattle", "strain"), ("a.cif", "b.cif")):
        number = counts(found[(found.origin == origin) & (found.source == source)])
        assert abs(number["validation"] - 10) <= 2
        assert abs(number["test"] - 10) <= 2


def test_every_composition_is_spread_over_the_sets(structures: Make) -> None:
    pes = structures([1] * 80, numbers=np.repeat([29, 79], 40))
    found = split(pes)
    for species in (29, 79):
        number = counts(found[found.numbers == species])
        assert number["validation"] in (3, 4, 5) and number["test"] in (3, 4, 5)


def test_the_seed_decides(structures: Make) -> None:
    pes = structures([2] * 30)
    assert split(pes, seed=1).split.tolist() == split(pes, seed=1).split.tolist()
    assert split(pes, seed=1).split.tolist() != split(pes, seed=2).split.tolist()


def test_the_order_of_structures_does_not_decide(structures: Make) -> None:
    pes = structures([1, 3, 2, 2, 5, 1, 1, 4, 2, 2])
    order = np.random.default_rng(0).permutation(len(pes))
    np.testing.assert_array_equal(split(pes[order]).split, split(pes).split[order])


def test_what_is_settled_stays_when_labels_are_merged(structures: Make) -> None:
    campaign, parameters = CampaignParameters(), TrainingParameters()
    first, later = structures([2] * 20), structures([3] * 30)
    later = later.replace(positions=later.positions + 0.5, group=[f"h{g}" for g in later.group])
    merged = merge_labels(PESData.empty(), first, parameters, campaign, 5)
    both = merge_labels(
        merged.replace(iteration=1), PESData.concatenate([later, first]), parameters, campaign, 5
    )
    assert len(both) == 40 + 90  # what was there is not added again
    np.testing.assert_array_equal(both.id[:40], merged.id)
    np.testing.assert_array_equal(both.split[:40], merged.split)
    number = counts(both)
    assert abs(number["validation"] - 13) <= 1.5 and abs(number["test"] - 13) <= 1.5


def test_frames_follow_the_group_of_their_start(structures: Make) -> None:
    known = split(structures([1] * 20))
    frames = structures([2] * 20, origin="md").replace(positions=np.full((40, 3), 0.3))
    found = split(frames, known, iteration=2)
    np.testing.assert_array_equal(found.split, np.repeat(known.split, 2))


def test_splits_that_structures_bring_along_are_respected(structures: Make) -> None:
    brought = ["test"] * 3 + ["validation"] * 2 + ["unassigned"] * 15
    found = split(structures([1] * 20, split=brought))
    assert found.split[:5].tolist() == brought[:5]
    assert "unassigned" not in found.split.tolist()
    # the quota sees them: what is open mostly trains
    assert counts(found) == {"training": 15, "validation": 2, "test": 3}


def test_a_group_of_which_one_member_brings_a_split_follows_it(structures: Make) -> None:
    found = split(structures([3], split=["unassigned", "test", "unassigned"]))
    assert found.split.tolist() == ["test"] * 3


def test_a_settled_group_overrules_what_a_newcomer_brings(
    structures: Make, caplog: pytest.LogCaptureFixture
) -> None:
    known = structures([1], split="training")
    new = structures([1], split="test", positions=np.full((1, 3), 0.3))
    assert split(new, known).split.tolist() == ["training"]
    assert "1 structures came with another split than their group has" in caplog.text


@pytest.mark.parametrize("origin", ["isolated_atom", "initial"])
@pytest.mark.parametrize("brought", ["unassigned", "test"])
def test_isolated_atoms_always_train_and_count_in_no_quota(
    structures: Make, caplog: pytest.LogCaptureFixture, origin: str, brought: str
) -> None:
    lone = structures(
        [1], origin=origin, pbc=np.zeros((1, 3)), split=brought, group=["lone"], numbers=[6]
    )
    with caplog.at_level(logging.INFO):
        found = split(PESData.concatenate([structures([1] * 52), lone]))
    assert found.split[-1] == "training"
    assert counts(found[:-1]) == {"training": 42, "validation": 5, "test": 5}
    assert "Split: 42 training, 5 validation, 5 test" in caplog.text
    assert "further from its target" not in caplog.text


def test_a_split_that_cannot_come_near_its_target_is_reported(
    structures: Make, caplog: pytest.LogCaptureFixture
) -> None:
    split(structures([1, 1, 1]))
    assert "further from its target than half the largest group" in caplog.text


def test_nothing_new_changes_nothing() -> None:
    assert len(split(PESData.empty())) == 0
