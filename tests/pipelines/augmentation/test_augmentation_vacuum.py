"""The inputs get their vacuum, and remember what they were."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import molecule

from potwright.geometry import empty_gaps, nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import VacuumParameters
from potwright.pipelines.augmentation.vacuum import add_vacuum

PARAMETERS = VacuumParameters()


@pytest.mark.shared
def test_reference_structures_of_all_periodicities_are_padded(shared_data: Path) -> None:
    frames = ase.io.read(shared_data / "carbon_structures.extxyz", index=":")
    pes = PESData.from_atoms(frames, labels="none")
    prepared = add_vacuum(pes, PARAMETERS)
    assert np.array_equal(prepared.pbc, pes.pbc)
    for before, after in zip(pes.to_atoms(), prepared.to_atoms(), strict=True):
        gaps = empty_gaps(after.positions, after.cell.array)[~after.pbc]
        assert np.all(gaps >= 15 - 1e-6)
        # The same atoms at the same distances, molecules whole
        distances = nearest_neighbour_distances(before.positions, before.cell.array, before.pbc)
        assert nearest_neighbour_distances(
            after.positions, after.cell.array, after.pbc
        ) == pytest.approx(distances, abs=1e-6)


def test_open_axes_get_their_vacuum_and_periodic_cells_are_untouched(inputs: PESData) -> None:
    prepared = add_vacuum(inputs, PARAMETERS)
    for atoms in prepared.to_atoms():
        gaps = empty_gaps(atoms.positions, atoms.cell.array)[~atoms.pbc]
        assert np.all(gaps >= 15 - 1e-6)
    assert prepared.pbc.tolist() == inputs.pbc.tolist()
    assert prepared.source.tolist() == inputs.source.tolist()
    assert prepared.origin.tolist() == ["initial"] * 4
    # The diamond and the sheet, which has 20 Å already, stay; the others know where they come from.
    assert prepared.id[:2].tolist() == inputs.id[:2].tolist()
    assert prepared.parent.tolist() == ["", "", *inputs.id[2:]]


def test_existing_labels_do_not_survive_a_change_of_cell() -> None:
    from ase.calculators.singlepoint import SinglePointCalculator

    water = molecule("H2O")
    water.calc = SinglePointCalculator(water, energy=-1.0, forces=np.zeros((3, 3)))
    prepared = add_vacuum(PESData.from_atoms([water]), PARAMETERS)
    assert not prepared.has_labels.any()
    assert np.isnan(prepared.forces).all()
