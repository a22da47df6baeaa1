"""Inputs relaxed by the engine that labels."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

GAMMA_ONLY = {
    "augmentation": {"supercells": {"enabled": True, "min_length_angstrom": 4.5, "max_atoms": 40}},
    "labelling": {"engine": {"gamma_only": True}},
}


@pytest.fixture(scope="module")
def minimum() -> Atoms:
    """Copper as EMT has it, by ASE alone."""
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-4)
    return atoms


def test_a_strained_crystal_comes_to_the_minimum_of_the_engine(project, minimum):
    ase.io.write(project.folder / "stretched.extxyz", bulk("Cu", cubic=True, a=3.75))
    output = project.succeed("campaign", "relax", "stretched.extxyz", "data/01_raw/relaxed")
    relaxed = ase.io.read(project.folder / "data/01_raw/relaxed/stretched.extxyz")
    assert relaxed.cell.lengths() == pytest.approx(minimum.cell.lengths(), abs=1e-3)
    assert relaxed.calc is None
    assert f"{minimum.get_potential_energy() / 4:.4f} eV/atom" in output
    assert "(4 atoms)" in output


def test_an_engine_of_gamma_alone_sees_the_supercell_that_it_will_label(project, minimum):
    """EMT knows no Γ point, so the minimum of the supercell is that of the cell."""
    ase.io.write(project.folder / "stretched.extxyz", bulk("Cu", cubic=True, a=3.75))
    project.configure(GAMMA_ONLY)
    output = project.succeed("campaign", "relax", "stretched.extxyz", "relaxed")
    assert "(32 atoms)" in output
    relaxed = ase.io.read(project.folder / "relaxed/stretched.extxyz")
    assert len(relaxed) == 4
    assert relaxed.cell.lengths() == pytest.approx(minimum.cell.lengths(), abs=1e-3)


def test_a_sheet_keeps_its_vacuum_and_what_was_computed_is_not_computed_again(project):
    sheet = bulk("Cu", "sc", a=2.55)
    sheet.pbc = (True, True, False)
    ase.io.write(project.folder / "sheet.extxyz", sheet)
    project.succeed("campaign", "relax", "sheet.extxyz", "first", "--max-force", "0.05")
    relaxed = ase.io.read(project.folder / "first/sheet.extxyz")
    assert list(relaxed.pbc) == [True, True, False]
    assert relaxed.cell.lengths()[2] == pytest.approx(15.0)
    assert abs(relaxed.cell.lengths()[0] - 2.55) > 0.05
    before = project.calculations
    project.succeed("campaign", "relax", "sheet.extxyz", "second", "--max-force", "0.05")
    assert project.calculations == before
    again = ase.io.read(project.folder / "second/sheet.extxyz")
    assert np.array_equal(again.positions, relaxed.positions)


def test_no_file_is_replaced_and_what_does_not_arrive_is_told_of(project):
    ase.io.write(project.folder / "stretched.extxyz", bulk("Cu", cubic=True, a=3.75))
    command = ("campaign", "relax", "stretched.extxyz", "relaxed", "--max-steps", "2")
    status, output = project.kedro(*command)
    assert status == 1
    assert "2 steps do not suffice" in output
    assert "not relaxed: stretched" in output
    assert not (project.folder / "relaxed").exists()
    (project.folder / "relaxed").mkdir()
    (project.folder / "relaxed/stretched.extxyz").touch()
    status, output = project.kedro(*command)
    assert status == 1
    assert "is there already" in output
