from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.pipelines.training.reference_energies import reference_energies
from potwright.pipelines.training.training_set import training_set

EXACT = {29: -3.25, 79: -1.5}
BOX = np.eye(3) * 8


def molecule(formula: str, shift: float = 0.0, energy: float | None = None) -> Atoms:
    """Atoms in a line, whose energy is the sum of ``EXACT`` unless it is given."""
    atoms = Atoms(formula, cell=BOX, pbc=True)
    atoms.positions[:, 0] = 2.5 * np.arange(len(atoms)) + shift
    exact = sum(EXACT.get(z, 0.0) for z in atoms.numbers.tolist())
    atoms.calc = SinglePointCalculator(atoms, energy=exact if energy is None else energy)
    return atoms


def lone(symbol: str, energy: float) -> Atoms:
    atoms = Atoms(symbol)
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    return atoms


def data(structures: list[Atoms], **metadata: object) -> PESData:
    return PESData.from_atoms(structures, **{"split": "training", "iteration": 1} | metadata)


def test_isolated_atoms_give_their_energies_where_every_species_has_one() -> None:
    found = reference_energies(data([molecule("CuAu2"), lone("Cu", -0.1), lone("Au", -0.2)]))
    assert found.by_species == {29: -0.1, 79: -0.2}
    assert found.source == "isolated atoms"


def test_with_one_isolated_atom_missing_all_are_fitted_and_that_is_said() -> None:
    structures = [molecule("CuAu2"), molecule("Cu2Au"), molecule("Cu3", 0.1)]
    found = reference_energies(data([*structures, lone("Cu", EXACT[29])]))
    assert found.by_species == pytest.approx(EXACT)
    assert found.source == "least squares over 4 training structures"


def test_the_fit_is_of_total_energies_on_composition_not_a_mean() -> None:
    rng = np.random.default_rng(0)
    structures = [
        molecule(f"Cu{i}Au{j}", 0.1 * i, EXACT[29] * i + EXACT[79] * j + rng.normal(scale=0.1))
        for i in range(1, 5)
        for j in range(1, 5)
    ]
    found = reference_energies(data(structures)).by_species
    composition = np.array([[i, j] for i in range(1, 5) for j in range(1, 5)], dtype=float)
    energy = np.array([atoms.get_potential_energy() for atoms in structures])
    residual = energy - composition @ [found[29], found[79]]
    np.testing.assert_allclose(composition.T @ residual, 0, atol=1e-9)  # the normal equations
    assert found == pytest.approx(EXACT, abs=0.1)


def test_a_fit_stays_as_the_first_iteration_made_it() -> None:
    first = data([molecule("CuAu2"), molecule("Cu2Au")])
    later = data([molecule("CuAu3", 0.2, -40.0), molecule("Cu4", 0.3, 90.0)], iteration=2)
    assert reference_energies(PESData.concatenate([first, later])) == reference_energies(first)


@pytest.mark.parametrize("entering", [[lone("Cu", -0.1)], [lone("Cu", -0.1), lone("Au", -0.2)]])
def test_isolated_atoms_that_enter_later_leave_a_fit_as_it_is(entering: list[Atoms]) -> None:
    first = data([molecule("CuAu2"), molecule("Cu2Au")])
    both = PESData.concatenate([first, data(entering, iteration=2)])
    assert reference_energies(both) == reference_energies(first)
    # they are learnt from, then
    both = PESData.concatenate([both, data([molecule("CuAu3", 0.3)], split="validation")])
    assert len(training_set(both).training) == 2 + len(entering)


def test_only_a_species_that_enters_later_is_fitted_anew() -> None:
    """Of structures that say of copper what the first ones did not, it learns nothing."""
    first = data([molecule("Cu2"), molecule("Cu3", 0.1)])
    later = data([molecule("CuAu2"), molecule("Cu4", 0.2, 50.0)], iteration=2)
    found = reference_energies(PESData.concatenate([first, later]))
    assert found.by_species == pytest.approx(EXACT)
    assert found.source == (
        "least squares over 2 training structures; "
        "least squares over 1 training structures (Z = 79)"
    )


def test_where_isolated_atoms_decide_a_later_species_has_its_own_or_is_fitted() -> None:
    first = data([molecule("Cu2"), lone("Cu", -0.1)])
    with_atom = data([molecule("Cu2Au", 0.1), lone("Au", -0.2)], iteration=2)
    found = reference_energies(PESData.concatenate([first, with_atom]))
    assert found.by_species == {29: -0.1, 79: -0.2}
    assert found.source == "isolated atoms"
    without = data([molecule("Cu2Au", 0.1, -9.0)], iteration=2)
    both = PESData.concatenate([first, without])
    found = reference_energies(both)
    assert found.by_species == pytest.approx({29: -0.1, 79: -9.0 + 0.2})
    assert found.source.startswith("isolated atoms; least squares over 1 training structures")
    # an atom that comes after that is a structure like others
    later = data([lone("Au", -0.2)], iteration=3)
    checking = data([molecule("CuAu3", 0.3)], split="validation", iteration=3)
    everything = training_set(PESData.concatenate([both, later, checking]))
    assert everything.energies == found
    assert sorted(everything.training.energy) == pytest.approx([-9.0, 2 * EXACT[29], -0.2])


def test_only_training_structures_are_fitted() -> None:
    held_out = data([molecule("Cu4", 0.4, 1000.0)], split="test")
    training = data([molecule("CuAu2"), molecule("Cu2Au")])
    found = reference_energies(PESData.concatenate([held_out, training])).by_species
    assert found == pytest.approx(EXACT)


def test_an_atom_in_a_crystal_is_not_isolated() -> None:
    crystal = Atoms("Cu", cell=[2.5] * 3, pbc=True)
    crystal.calc = SinglePointCalculator(crystal, energy=-7.0)
    assert reference_energies(data([crystal])).source.startswith("least squares")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_species_without_training_structure_is_an_error_that_names_it(split: str) -> None:
    pes = data([molecule("Cu2"), molecule("CuAu2")], split=["training", split])
    with pytest.raises(InputError, match=r"no training structure holds the species \[79\]"):
        reference_energies(pes)


def test_without_any_training_structure_there_is_an_error() -> None:
    with pytest.raises(InputError, match=r"label structures"):
        reference_energies(data([molecule("Cu2")], split="test"))
