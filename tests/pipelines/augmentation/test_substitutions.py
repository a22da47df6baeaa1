"""Substitutions swap unlike atoms, as many as asked for, and never give what is there already."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, mx2
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.pes import PESData
from potwright.pipelines.augmentation.copies import make_copies
from potwright.pipelines.augmentation.parameters import (
    RattleParameters,
    SubstitutionParameters,
    VacancyParameters,
)
from potwright.pipelines.augmentation.rattle import rattle_structures
from potwright.pipelines.augmentation.substitutions import swap_atoms, unlike_pairs
from potwright.pipelines.augmentation.vacancies import remove_atoms

ALL = SubstitutionParameters(fraction_of_structures=1.0)


def salt(repeats: int = 2) -> PESData:
    return PESData.from_atoms([bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(repeats)])


def copies_of(pes: PESData, copies: int) -> PESData:
    return rattle_structures(make_copies(pes, copies), RattleParameters(), 0.45, seed=1)


def changed_atoms(before: PESData, after: PESData) -> list[int]:
    parents = before[before.index_of(after.parent)]
    assert np.array_equal(parents.positions, after.positions)
    assert np.array_equal(parents.cell, after.cell)
    changed = (parents.numbers != after.numbers).astype(int)
    return np.add.reduceat(changed, after.offsets[:-1]).tolist()


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.4])
def test_the_number_of_swaps_is_the_fraction_of_the_atoms(fraction: float) -> None:
    # The published implementation swaps a random number, whatever fraction is asked for.
    copies = copies_of(salt(), 20)
    parameters = SubstitutionParameters(fraction_of_structures=1.0, swap_fraction=fraction)
    swapped = swap_atoms(copies, parameters, 0.0, seed=1)
    assert len(swapped) == 20
    assert changed_atoms(copies, swapped) == [2 * round(fraction * 64)] * 20
    for info in swapped.info:
        assert len(info["swapped_atoms"]) == round(fraction * 64)


def test_the_composition_stays() -> None:
    swapped = swap_atoms(copies_of(salt(), 5), ALL, 0.0, seed=1)
    numbers = swapped.numbers.reshape(5, 64)
    assert (numbers == 11).sum(axis=1).tolist() == [32] * 5


def test_the_minority_limits_the_swaps() -> None:
    atoms = bulk("Cu", cubic=True).repeat(2)
    atoms.numbers[:2] = 79
    copies = copies_of(PESData.from_atoms([atoms]), 5)
    assert changed_atoms(copies, swap_atoms(copies, ALL, 0.0, seed=1)) == [4] * 5


def test_what_is_there_already_is_not_emitted_again(caplog: pytest.LogCaptureFixture) -> None:
    # The published implementation emits copies without a swap.
    primitive = bulk("NaCl", "rocksalt", a=5.64)  # 0.2 of two atoms is no swap
    one_species = bulk("Cu", cubic=True).repeat(2)
    everything = PESData.concatenate(
        [copies_of(PESData.from_atoms([a]), 10) for a in (primitive, one_species)]
    )
    with caplog.at_level(logging.WARNING):
        assert len(swap_atoms(everything, ALL, 0.0, seed=1)) == 0
    assert "10 of 10 drawn structures skipped" in caplog.text
    copies = copies_of(salt(), 20)
    swapped = swap_atoms(copies, ALL, 0.0, seed=1)
    assert len(PESData.concatenate([copies, swapped]).drop_duplicates()) == 40


def test_a_fifth_of_each_inputs_structures_is_drawn() -> None:
    inputs = PESData.concatenate(
        [salt(), PESData.from_atoms([mx2("MoS2", vacuum=8).repeat((4, 4, 1))])]
    )
    copies = copies_of(inputs, 50)
    everything = PESData.concatenate([inputs, copies])
    swapped = swap_atoms(everything, SubstitutionParameters(), 0.0, seed=1)
    formulas = [
        int(np.any(numbers == 42)) for numbers in np.split(swapped.numbers, swapped.offsets[1:-1])
    ]
    assert np.bincount(formulas).tolist() == [10, 10]
    assert len(set(swapped.parent)) == 20
    assert set(swapped.origin) == {"substitution"}
    # Another input changes nothing about the first one's.
    alone = swap_atoms(
        PESData.concatenate([inputs[:1], copies[:50]]), SubstitutionParameters(), 0.0, seed=1
    )
    assert set(alone.id) < set(swapped.id)


def test_substitutions_stay_in_the_group_of_their_rattled_copy() -> None:
    rattled = copies_of(salt(), 10)
    copies = remove_atoms(rattled, VacancyParameters(fraction_of_copies=0.5), seed=1)
    swapped = swap_atoms(copies, ALL, 0.0, seed=1)
    assert swapped.group.tolist() == rattled.id.tolist()
    assert swapped.parent.tolist() == copies.id.tolist()
    assert [("removed_atoms" in info) for info in swapped.info].count(True) == 5


def test_atoms_are_not_brought_too_close() -> None:
    # Between two hydrogen atoms there is no room for caesium.
    atoms = Atoms("H2Cs2He8", np.zeros((12, 3)), cell=np.eye(3) * 40, pbc=False)
    atoms.positions[:, 0] = [0, 0.74, 10, 14, *np.arange(18, 34, 2)]
    pes = PESData.from_atoms([atoms])
    parameters = SubstitutionParameters(fraction_of_structures=1.0, swap_fraction=0.09)
    swaps = [swap_atoms(pes, parameters, 0.45, seed=s) for s in range(40)]
    for swapped in swaps:
        assert not np.any(swapped.numbers[:2] == 55)
    # Without the limit that is what happens.
    free = [swap_atoms(pes, parameters, 0.0, seed=s) for s in range(40)]
    assert any(np.any(swapped.numbers[:2] == 55) for swapped in free)


@given(
    st.lists(st.integers(1, 60), min_size=2, max_size=5),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_pairs_are_unlike_and_disjoint(counts: list[int], part: float, seed: int) -> None:
    numbers = np.repeat(np.arange(1, len(counts) + 1), counts)
    most = min(len(numbers) // 2, len(numbers) - max(counts))
    pairs = round(part * most)
    one, other = unlike_pairs(numbers, pairs, np.random.default_rng(seed))
    assert len(one) == len(other) == pairs
    assert len(set(one.tolist() + other.tolist())) == 2 * pairs
    assert np.all(numbers[one] != numbers[other])


def test_every_atom_is_swapped_equally_often() -> None:
    numbers = np.repeat([11, 17], [10, 10])
    rng = np.random.default_rng(1)
    drawn = np.concatenate([np.concatenate(unlike_pairs(numbers, 4, rng)) for _ in range(1000)])
    assert np.bincount(drawn, minlength=20) == pytest.approx(np.full(20, 400), abs=80)
