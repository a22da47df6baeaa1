from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene

from potwright.dynamics.dispersion import D2Dispersion
from potwright.dynamics.pair_list import PairList

CUTOFF = 7.0


def structures() -> list[Atoms]:
    skewed = bulk("NaCl", "rocksalt", a=5.6)
    skewed.cell[2] += 2 * skewed.cell[0]
    return [
        skewed,
        graphene("C2", vacuum=8.0),
        Atoms("C2H", positions=[[0, 0, 0], [3.2, 0, 0], [0, 1, 0]]),
        bulk("Cu") * (2, 1, 1),
    ]


@pytest.mark.parametrize("atoms", structures(), ids=lambda atoms: str(atoms.symbols))
def test_an_old_list_gives_what_a_new_one_gives_to_the_last_bit(atoms):
    old = D2Dispersion(cutoff_angstrom=CUTOFF).calculator()
    pairs, held = PairList.of(atoms, CUTOFF), []
    old.calculate(atoms)
    for seed in range(14):
        atoms.rattle(0.07, seed=seed)
        if atoms.pbc.any():
            shear = np.array([[1.004, 0.003, 0], [0, 0.998, 0.002], [0, 0, 1.001]])
            atoms.set_cell(atoms.cell @ shear, scale_atoms=True)
        new = D2Dispersion(cutoff_angstrom=CUTOFF).calculator()
        for calculator in (old, new):
            calculator.calculate(atoms)
        for name, value in new.results.items():
            assert np.array_equal(value, old.results[name])
        held.append(pairs.hold(atoms))
        if held[-1]:
            close = pairs.vectors(atoms)[1] < CUTOFF**2
            fresh = PairList.of(atoms, CUTOFF)
            assert close.sum() == (fresh.vectors(atoms)[1] < CUTOFF**2).sum()
    assert held[0] and not held[-1]  # it is used for a while, and given up in time


def test_other_atoms_need_another_list():
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    pairs = PairList.of(atoms, CUTOFF)
    exchanged, larger, open_end = atoms.copy(), atoms.repeat((2, 1, 1)), atoms.copy()
    exchanged.numbers = exchanged.numbers[::-1]
    open_end.pbc = (1, 1, 0)
    assert pairs.hold(atoms)
    assert not any(pairs.hold(other) for other in (exchanged, larger, open_end))
