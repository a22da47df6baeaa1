"""Plans: who answers does not matter, and one that fails stops no other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.pipelines.validation.plans import (
    NoResultError,
    Plan,
    Values,
    answer,
    carry_out,
    in_supercells,
    together,
)
from potwright.pipelines.validation.relaxation import relax


def energies(count: int) -> Plan[list[float]]:
    found = []
    for i in range(count):
        [values] = yield [bulk("Cu", a=3.6 + 0.1 * i)]
        found.append(values.energy)
    return found


def failing() -> Plan[list[float]]:
    yield [bulk("Cu")]
    raise NoResultError("no more")


def test_plans_of_any_length_go_on_side_by_side_and_one_that_fails_stops_no_other() -> None:
    asked = []

    def evaluate(structures: Sequence[Atoms]) -> list[Values]:
        asked.append(len(structures))
        n = [len(atoms) for atoms in structures]
        return [
            Values(atoms.get_volume(), np.zeros((k, 3)), np.zeros(6))
            for atoms, k in zip(structures, n, strict=True)
        ]

    found = answer(
        together({"long": energies(3), "none": failing(), "short": energies(1)}), evaluate
    )
    volumes = [bulk("Cu", a=3.6 + 0.1 * i).get_volume() for i in range(3)]
    assert found["long"] == pytest.approx(volumes)
    assert found["short"] == pytest.approx(volumes[:1])
    assert str(found["none"]) == "no more"
    assert asked == [3, 1, 1]  # rounds, in which all that is asked for is evaluated at once


def test_a_supercell_answers_as_its_cell() -> None:
    """Energies, forces and stress of two atoms out of place: extensive, equivariant, intensive."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)

    def values_of() -> Plan[Values]:
        [values] = yield [atoms]
        return values

    alone = carry_out(values_of(), EMT())
    folded = carry_out(in_supercells(values_of(), (1, 2, 3)), EMT())
    assert folded.energy == pytest.approx(alone.energy)
    assert folded.forces == pytest.approx(alone.forces, abs=1e-10)
    assert folded.stress == pytest.approx(alone.stress, abs=1e-10)


def test_a_cell_relaxes_along_its_periodic_directions_only_wherever_they_point() -> None:
    sheet = bulk("Cu", cubic=True)  # a slab of two layers, its normal along x
    sheet.cell[0, 0] += 12.0
    sheet.pbc = (False, True, True)
    sheet.rotate(40, (1, 2, 3), rotate_cell=True)
    relaxed, values = carry_out(relax(sheet, cell=True, max_force=0.01), EMT())
    lengths, before = relaxed.cell.lengths(), sheet.cell.lengths()
    assert lengths[0] == pytest.approx(before[0], abs=1e-9)
    assert (lengths[1:] < before[1:] - 0.01).all()  # a thin sheet of copper contracts
    assert np.linalg.norm(values.forces, axis=1).max() < 0.01


def test_what_does_not_relax_or_has_no_values_says_why() -> None:
    far = bulk("Cu", a=3.9)
    with pytest.raises(NoResultError, match="2 steps do not suffice"):
        carry_out(relax(far, cell=True, max_steps=2), EMT())
    with pytest.raises(NoResultError, match="killed: its process ended"):
        answer(
            relax(far),
            lambda asked: [Values.none(len(a), "killed: its process ended") for a in asked],
        )
