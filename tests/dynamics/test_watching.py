from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.dynamics import (
    Collision,
    Complaint,
    Evaporation,
    FiniteNumbers,
    State,
    Temperature,
    Volume,
)


def state(atoms: Atoms, start: Atoms | None = None, temperature: float = 300.0) -> State:
    atoms = atoms.copy()
    atoms.calc = EMT()
    return State(atoms, start or atoms, 10, 10.0, temperature, 300.0)


COPPER = bulk("Cu", cubic=True) * 2


@pytest.mark.parametrize(
    "watch", [FiniteNumbers(), Temperature(), Collision(), Volume(), Evaporation()]
)
def test_a_crystal_at_its_temperature_is_fine(watch):
    assert watch.complaint(state(COPPER)) is None


def test_positions_that_are_not_numbers():
    atoms = COPPER.copy()
    atoms.positions[3, 1] = np.nan
    assert FiniteNumbers().complaint(state(atoms)) == Complaint("not a number: positions")


def test_temperature_limit_is_a_multiple_of_the_target_and_a_floor():
    watch = Temperature(factor=2, floor_kelvin=100)
    assert watch.complaint(state(COPPER, temperature=700)) is None
    assert "701 K exceeds 700 K" in watch.complaint(state(COPPER, temperature=701)).reason


def test_collision_across_the_boundary():
    atoms = Atoms("C2", positions=[[0, 0, 0.1], [0, 0, 9.5]], cell=[10, 10, 10], pbc=True)
    complaint = Collision(smallest_ratio=0.45).complaint(state(atoms))
    assert complaint.reason.startswith("collision: a pair at 0.39")
    atoms.pbc = False
    assert Collision(smallest_ratio=0.45).complaint(state(atoms)) is None


def test_volume_that_grows_or_collapses():
    for strain, wrong in ((1.7, False), (1.72, True), (0.68, False), (0.66, True)):
        atoms = COPPER.copy()
        atoms.set_cell(atoms.cell * strain, scale_atoms=True)
        assert bool(Volume(0.3, 5).complaint(state(atoms, COPPER))) == wrong
    assert Volume().complaint(state(Atoms("Cu"), Atoms("Cu"))) is None


def test_an_atom_that_leaves():
    start = Atoms("Cu3", positions=[[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0]])
    moved = start.copy()
    moved.positions[2, 1] = 30
    assert "1 atom without" in Evaporation().complaint(state(moved, start)).reason
    alone_from_the_start = moved
    assert Evaporation().complaint(state(moved, alone_from_the_start)) is None
