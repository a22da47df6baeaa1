"""Inputs that the augmentation tests share."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule

from potwright.pes import PESData


@pytest.fixture
def wire() -> Atoms:
    """A zigzag chain along a tilted axis, periodic along the second cell vector only."""
    cell = np.array([[12.0, 1.0, 0], [0.5, 2.5, 0.5], [0, 3.0, 14.0]])
    atoms = Atoms("C2", [[1.0, 0, 0], [1.7, 1.2, 0.6]], cell=cell, pbc=[False, True, False])
    return atoms


@pytest.fixture
def inputs(wire: Atoms) -> PESData:
    """A crystal, a sheet, a wire and a molecule."""
    structures = [bulk("C", "diamond", a=3.567, cubic=True), graphene(vacuum=10), wire]
    structures.append(molecule("CH4"))
    names = ["diamond.extxyz", "graphene.extxyz", "wire.extxyz", "methane.xyz"]
    return PESData.from_atoms(structures, origin="initial", source=names)
