"""Vacancies replace some of the copies, and never leave less than two atoms."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.augmentation.copies import make_copies
from potwright.pipelines.augmentation.parameters import RattleParameters, VacancyParameters
from potwright.pipelines.augmentation.rattle import rattle_structures
from potwright.pipelines.augmentation.vacancies import remove_atoms


@pytest.fixture
def copies(inputs: PESData) -> PESData:
    return rattle_structures(make_copies(inputs, 10), RattleParameters(), 0.45, seed=1)


def test_thirty_per_cent_of_each_inputs_copies_lose_two_atoms(
    copies: PESData, inputs: PESData
) -> None:
    defective = remove_atoms(copies, VacancyParameters(), seed=1)
    assert len(defective) == len(copies)
    lost = (copies.n_atoms - defective.n_atoms).reshape(4, 10)
    # Two atoms of the sheet's or the wire's two cannot be removed.
    assert (lost == 2).sum(axis=1).tolist() == [3, 0, 0, 3]
    assert lost.sum() == 12
    assert np.array_equal(defective.origin == "vacancy", lost.ravel() == 2)
    assert np.array_equal(defective.parent, copies.parent)
    # What lost atoms has the coordinates of the rattled copy, and belongs to it.
    assert np.array_equal(defective.group, copies.id)


def test_what_remains_is_the_copy_without_the_removed_atoms(copies: PESData) -> None:
    defective = remove_atoms(copies, VacancyParameters(), seed=1)
    for before, after in zip(copies.to_atoms(), defective.to_atoms(), strict=True):
        kept = np.delete(np.arange(len(before)), after.info.get("removed_atoms", []))
        assert np.array_equal(after.positions, before.positions[kept])
        assert np.array_equal(after.numbers, before.numbers[kept])


def test_skipped_copies_are_counted(copies: PESData, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        remove_atoms(copies, VacancyParameters(), seed=1)
    assert "6 of 12 drawn copies skipped" in caplog.text


def test_two_atoms_may_remain(inputs: PESData) -> None:
    methane = make_copies(inputs[[3]], 1)
    parameters = VacancyParameters(fraction_of_copies=1, atoms=3)
    assert remove_atoms(methane, parameters, seed=1).n_atoms.tolist() == [2]
    parameters = VacancyParameters(fraction_of_copies=1, atoms=4)
    assert remove_atoms(methane, parameters, seed=1).n_atoms.tolist() == [5]


def test_more_atoms_than_any_structure_has_are_refused(inputs: PESData) -> None:
    copies = make_copies(inputs[[0, 3]], 3)
    assert len(remove_atoms(copies, VacancyParameters(atoms=8), seed=1)) == 6
    with pytest.raises(InputError, match=r"vacancies\.atoms = 9: the largest structure has only 8"):
        remove_atoms(copies, VacancyParameters(atoms=9), seed=1)
    assert len(remove_atoms(PESData.empty(), VacancyParameters(), seed=1)) == 0


def test_copies_that_are_not_distorted_stay_together(inputs: PESData) -> None:
    copies = make_copies(inputs[[0]], 10)
    defective = remove_atoms(copies, VacancyParameters(fraction_of_copies=1), seed=1)
    assert set(defective.group) == {inputs.id[0]}


def test_every_atom_can_be_removed(inputs: PESData) -> None:
    diamond = make_copies(inputs[[0]], 200)
    parameters = VacancyParameters(fraction_of_copies=1)
    removed = [info["removed_atoms"] for info in remove_atoms(diamond, parameters, seed=1).info]
    counts = np.bincount(np.concatenate(removed), minlength=8)
    assert counts == pytest.approx(np.full(8, 50), abs=30)
