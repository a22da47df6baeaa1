"""Relaxation by a committee goes downhill, a few steps, and says what it cannot do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import (
    AugmentationParameters,
    RelaxationParameters,
)
from potwright.pipelines.augmentation.random_search import random_crystals
from potwright.pipelines.augmentation.relaxation import relax
from potwright.potentials import Committee, load_committee
from potwright.potentials.model_file import ModelFile


@pytest.fixture(scope="module")
def committee(
    tmp_path_factory: pytest.TempPathFactory, untrained_mace: Callable[..., ModelFile]
) -> Path:
    folder = tmp_path_factory.mktemp("committee")
    members = tuple(untrained_mace(folder / f"{n}.model", n, {29: 0.0}, 10.0) for n in (0, 1))
    Committee(members).save(folder / "committee")
    return folder / "committee"


def block(committee: Path, **changes: object) -> RelaxationParameters:
    given = {"committee": str(committee), "executor": {"type": "serial"}, "device": "cpu"}
    return RelaxationParameters.model_validate(given | changes)


def crystals() -> list[Atoms]:
    made = []
    for seed in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.2, seed=seed)
        atoms.info["space_group"] = seed + 1
        made.append(atoms)
    return made


@pytest.mark.slow
def test_energy_falls_and_what_explodes_is_counted(
    committee: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = crystals()
    collapsed = Atoms("Cu2", cell=[4, 4, 4], pbc=True)  # forces that are not numbers
    with caplog.at_level(logging.WARNING):
        after = relax(
            [collapsed, *before], block(committee, steps=8, max_force_ev_per_angstrom=1e-6)
        )
    assert "1 crystals fail, one by: forces are not finite after 0 steps" in caplog.text
    calculator = load_committee(committee).calculator(device="cpu")
    for old, new in zip(before, after, strict=True):
        assert new.info == {"space_group": old.info["space_group"], "relaxation_steps": 8}
        assert calculator.get_potential_energy(new) < calculator.get_potential_energy(old)
        assert np.abs(new.cell.array - old.cell.array).max() > 1e-6
        assert new.calc is None


@pytest.mark.slow
def test_random_crystals_are_relaxed_and_stay_apart(committee: Path) -> None:
    search = {"compositions": {"Cu": 12.0}, "structures": 3, "formula_units": [2]}
    search["relaxation"] = block(committee, steps=2).model_dump()
    parameters = AugmentationParameters.model_validate({"random_search": search})
    made = random_crystals(PESData.empty(), parameters, seed=1)
    assert {info["relaxation_steps"] for info in made.info} <= {0, 1, 2}
    del search["relaxation"]
    parameters = AugmentationParameters.model_validate({"random_search": search})
    unrelaxed = random_crystals(PESData.empty(), parameters, seed=1)
    assert len(made) == len(unrelaxed)
    assert not set(made.id) & set(unrelaxed.id)
    again = random_crystals(PESData.empty(), parameters, seed=1)
    assert again.id.tolist() == unrelaxed.id.tolist()


def test_a_committee_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a committee"):
        relax(crystals(), block(tmp_path))


@pytest.mark.slow
def test_a_committee_that_does_not_know_an_element_is_refused(committee: Path) -> None:
    with pytest.raises(InputError, match=r"relaxation: the committee does not know Au"):
        relax([bulk("Au")], block(committee))
