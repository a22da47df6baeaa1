"""Point defects: what is built, what it costs, and who relaxes and evaluates."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.optimize import FIRE

from potwright.errors import InputError
from potwright.pipelines.validation import defects
from potwright.pipelines.validation.defects import (
    BY_REFERENCE,
    OF_REFERENCE,
    OWN,
    formation_energy,
    relax_defect,
    with_defect,
)
from potwright.pipelines.validation.plans import carry_out
from potwright.pipelines.validation.surfaces import REFERENCE, Surface


def sheet() -> Atoms:
    atoms = graphene("C2", a=2.46, vacuum=7.5)
    atoms.pbc = (True, True, False)
    return atoms


def bonds(atoms: Atoms) -> np.ndarray:
    return np.sort(atoms.get_all_distances(mic=True)[0])


def test_vacancies_lack_neighbours() -> None:
    pristine = sheet().repeat((5, 5, 1))
    one, two = with_defect(pristine, "vacancy"), with_defect(pristine, "divacancy")
    assert (len(one), len(two)) == (49, 48)
    missing = [p for p in pristine.positions if not (np.abs(two.positions - p) < 1e-6).all(1).any()]
    pair = Atoms("C2", missing, cell=pristine.cell, pbc=pristine.pbc)
    assert pair.get_distance(0, 1, mic=True) == pytest.approx(2.46 / np.sqrt(3))


@pytest.mark.parametrize("turned", [False, True])
def test_a_stone_wales_defect_turns_one_bond_in_the_plane(turned: bool) -> None:
    pristine = sheet().repeat((5, 5, 1))
    if turned:
        pristine.rotate(50, (1, 2, 0.5), rotate_cell=True)
    turned_bond = with_defect(pristine, "stone_wales")
    moved = np.flatnonzero(np.abs(turned_bond.positions - pristine.positions).max(axis=1) > 1e-9)
    assert len(turned_bond) == 50 and len(moved) == 2 and moved[0] == 0
    before, after = (
        atoms.get_distance(*moved, mic=True, vector=True) for atoms in (pristine, turned_bond)
    )
    assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before))
    assert after @ before == pytest.approx(0, abs=1e-9)
    normal = np.cross(pristine.cell[0], pristine.cell[1])
    assert after @ normal == pytest.approx(0, abs=1e-9)


def test_a_vacancy_of_copper_costs_what_it_costs_by_hand() -> None:
    relaxed = carry_out(relax_defect(bulk("Cu"), (3, 3, 3), "vacancy"), EMT())
    found = carry_out(formation_energy(relaxed), EMT())

    pristine = bulk("Cu", a=relaxed.pristine.cell.lengths()[0] / 3 * np.sqrt(2)).repeat(3)
    defective = pristine[1:]
    for atoms in (pristine, defective):
        atoms.calc = EMT()
    unrelaxed = defective.get_potential_energy() - pristine.get_potential_energy() * 26 / 27
    FIRE(defective, logfile=None).run(fmax=0.005, steps=300)
    by_hand = defective.get_potential_energy() - pristine.get_potential_energy() * 26 / 27
    assert found == pytest.approx(by_hand, abs=2e-3)
    assert 0 < found < unrelaxed


class Shifted(Calculator):
    """Effective medium theory that counts energies from elsewhere and misses some of them."""

    implemented_properties = ("energy", "forces", "stress")

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        super().calculate(atoms, properties, system_changes)
        pairs = LennardJones(sigma=2.3, epsilon=0.02, rc=5.0)
        values = [
            c.get_property(p, self.atoms)
            for p in self.implemented_properties
            for c in (EMT(), pairs)
        ]
        energy, forces, stress = (a + b for a, b in zip(values[::2], values[1::2], strict=True))
        self.results = {
            "energy": energy - 7.0 * len(self.atoms),
            "forces": forces,
            "stress": stress,
        }


def test_four_combinations_of_who_relaxes_and_who_evaluates(in_process, asked) -> None:
    """Each surface is lowest on what it relaxed, up to the strain of the other's lattice."""
    surfaces = in_process({REFERENCE: EMT(), Surface("shifted"): Shifted()})
    hosts = {"hosts": [{"prototype": "copper", "defects": ["vacancy"]}], "min_length_angstrom": 7.0}
    result = defects.measure(surfaces, asked(defects=hosts))
    rows = {q.quantity.removeprefix("formation energy, "): q.values for q in result.quantities}
    assert set(rows) == {OWN, BY_REFERENCE, OF_REFERENCE}
    reference, potential = REFERENCE, Surface("shifted")
    assert len({round(row[reference], 9) for row in rows.values()}) == 1  # by itself, each time
    assert rows[BY_REFERENCE][potential] == pytest.approx(rows[OWN][reference], abs=0.05)
    assert rows[OF_REFERENCE][potential] == pytest.approx(rows[OWN][potential], abs=0.05)
    assert abs(rows[OWN][potential] - rows[OWN][reference]) > 0.08


def test_hosts_that_give_no_answer_are_refused() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.6)
    with pytest.raises(InputError, match="chemical potential of the missing atom"):
        defects.refuse_other_hosts(salt, ["vacancy"], "salt")
    with pytest.raises(InputError, match="stone_wales turns a bond in a sheet"):
        defects.refuse_other_hosts(bulk("C"), ["stone_wales"], "diamond")
