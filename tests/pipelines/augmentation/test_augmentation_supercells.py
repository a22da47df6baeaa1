"""Supercells replace their originals and remember them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import SupercellParameters, VacuumParameters
from potwright.pipelines.augmentation.supercells import build_supercells
from potwright.pipelines.augmentation.vacuum import add_vacuum


def test_copper_gets_the_largest_images_within_the_limit(caplog: pytest.LogCaptureFixture) -> None:
    pes = PESData.from_atoms([bulk("Cu", a=3.61)], source="copper.cif")
    with caplog.at_level(logging.WARNING):
        supercells = build_supercells(pes, SupercellParameters())
    assert supercells.n_atoms.tolist() == [343]
    assert supercells.info[0]["supercell_matrix"] == np.diag([7, 7, 7]).tolist()
    assert supercells.info[0]["shortest_image_angstrom"] == pytest.approx(17.868, abs=1e-3)
    assert "copper.cif" in caplog.text
    assert "17.87" in caplog.text


def test_supercells_know_their_input(inputs: PESData) -> None:
    prepared = add_vacuum(inputs, VacuumParameters())
    supercells = build_supercells(prepared, SupercellParameters(min_length_angstrom=7))
    assert supercells.origin.tolist() == ["supercell", "supercell", "supercell", "initial"]
    # Also those whose padding changed their id: the id is the one of the initial structures.
    assert supercells.parent.tolist() == inputs.id.tolist()
    assert supercells.source.tolist() == inputs.source.tolist()
    assert supercells.group.tolist() == supercells.id.tolist()
    assert [info["supercell_matrix"] for info in supercells.info[:3]] == [
        np.diag(repeats).tolist() for repeats in ([2, 2, 2], [3, 3, 1], [1, 3, 1])
    ]


def test_the_crystal_is_the_same() -> None:
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.set_array("site", np.array([10, 20]))
    supercells = build_supercells(
        PESData.from_atoms([atoms]), SupercellParameters(min_length_angstrom=7)
    )
    (built,) = supercells.to_atoms()
    expected: Atoms = atoms.repeat(np.diag(supercells.info[0]["supercell_matrix"]))
    assert np.array_equal(built.numbers, expected.numbers)
    assert built.positions == pytest.approx(expected.positions)
    assert np.array_equal(built.arrays["site"], expected.arrays["site"])
