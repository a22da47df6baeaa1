"""Inputs are refused where they are clearly wrong, and padded where an axis is not periodic."""

from __future__ import annotations

import logging
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule

from potwright.errors import InputError
from potwright.geometry import empty_gaps, nearest_neighbour_distances
from potwright.pes import PESData
from potwright.pipelines.augmentation.inputs import prepare_inputs
from potwright.pipelines.augmentation.parameters import AugmentationParameters

PARAMETERS = AugmentationParameters()


def test_no_structures_are_refused() -> None:
    with pytest.raises(InputError, match="no structures found"):
        prepare_inputs(PESData.empty(), PARAMETERS)


def test_a_cell_without_volume_is_refused_by_name() -> None:
    flat = Atoms("C", cell=np.diag([2.0, 2.0, 0.0]), pbc=True)
    pes = PESData.from_atoms([bulk("Cu"), flat], source=["copper.cif", "flat.cif"])
    with pytest.raises(InputError, match=r"flat\.cif: its cell has no volume"):
        prepare_inputs(pes, PARAMETERS)


def test_nan_positions_are_refused_by_name() -> None:
    broken = Atoms("C", [[np.nan, 0, 0]], cell=np.eye(3), pbc=True)
    with pytest.raises(InputError, match=r"broken\.xyz.*not finite"):
        prepare_inputs(PESData.from_atoms([broken], source="broken.xyz"), PARAMETERS)


def test_a_sheet_stored_as_a_crystal_is_suspected(caplog: pytest.LogCaptureFixture) -> None:
    sheet = graphene(vacuum=5)
    sheet.pbc = True
    pes = PESData.from_atoms([sheet, bulk("Cu")], source=["sheet.cif", "copper.cif"])
    with caplog.at_level(logging.WARNING):
        prepared = prepare_inputs(pes, PARAMETERS)
    assert len(caplog.records) == 1
    assert "sheet.cif" in caplog.text
    assert "10.0 Å along axis c" in caplog.text
    assert prepared.id.tolist() == pes.id.tolist()


@pytest.mark.shared
def test_the_reference_sheet_is_suspected(
    shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sheet = ase.io.read(shared_data / "wte2_1tprime_270.extxyz")
    with caplog.at_level(logging.WARNING):
        prepare_inputs(PESData.from_atoms([sheet], labels="none", source="wte2"), PARAMETERS)
    assert "wte2: periodic along all axes" in caplog.text


@pytest.mark.shared
def test_reference_structures_of_all_periodicities_are_padded(shared_data: Path) -> None:
    frames = ase.io.read(shared_data / "carbon_structures.extxyz", index=":")
    pes = PESData.from_atoms(frames, labels="none")
    prepared = prepare_inputs(pes, PARAMETERS)
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
    prepared = prepare_inputs(inputs, PARAMETERS)
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
    prepared = prepare_inputs(PESData.from_atoms([water]), PARAMETERS)
    assert not prepared.has_labels.any()
    assert np.isnan(prepared.forces).all()
