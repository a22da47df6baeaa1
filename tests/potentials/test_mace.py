from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.errors import InputError
from potwright.geometry import engine_pbc
from potwright.pes import PESData
from potwright.potentials import Committee
from potwright.potentials.batching import ATOMS_PER_BATCH
from potwright.potentials.model_file import ModelFile, evaluator

pytestmark = pytest.mark.slow


def as_engines_see(structures: list[Atoms]) -> list[Atoms]:
    seen = [atoms.copy() for atoms in structures]
    for atoms in seen:
        atoms.pbc = engine_pbc(atoms.pbc)
    return seen


def by_mace_itself(path: Path, structures: list[Atoms], dtype: str) -> list[dict]:
    """What MACE's own calculator says of each structure alone."""
    from mace.calculators import MACECalculator

    calculator = MACECalculator(model_paths=[str(path)], device="cpu", default_dtype=dtype)
    results = []
    for atoms in structures:
        alone = atoms.copy()
        alone.calc = calculator
        alone.get_forces()
        results.append(dict(calculator.results))
    return results


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-6)])
def test_a_batch_gives_what_mace_gives_for_each_structure_alone(
    committee: Committee, mixture: list[Atoms], tmp_path: Path, dtype: str, tolerance: float
) -> None:
    import torch

    structures = as_engines_see(mixture)
    model = torch.load(committee.members[0].path, weights_only=False)
    path = tmp_path / "member.model"
    torch.save(model.to(getattr(torch, dtype)), path)
    energy, forces, stress = evaluator([path], "mace", "cpu")(structures)
    alone = by_mace_itself(path, structures, dtype)
    np.testing.assert_allclose(energy[0], [r["energy"] for r in alone], rtol=tolerance)
    expected = np.concatenate([r["forces"] for r in alone])
    np.testing.assert_allclose(forces[0], expected, atol=5 * tolerance)
    assert np.abs(expected).max() > 0.1
    for i, atoms in enumerate(structures):
        if atoms.pbc.any():
            np.testing.assert_allclose(stress[0, i], alone[i]["stress"], atol=tolerance)


def test_only_structures_without_periodic_direction_have_no_stress(
    committee: Committee, mixture: list[Atoms]
) -> None:
    energy, forces, stress = committee.members[0].evaluate(PESData.from_atoms(mixture))
    molecules = [not atoms.pbc.any() for atoms in mixture]
    np.testing.assert_array_equal(np.isnan(stress).all(axis=1), molecules)
    np.testing.assert_array_equal(np.isnan(stress).any(axis=1), molecules)
    assert np.isfinite(energy).all() and np.isfinite(forces).all()


def test_the_order_of_structures_and_their_batches_do_not_matter(committee: Committee) -> None:
    structures = [bulk("Cu", a=3.7, cubic=True).repeat((2, 2, 1 + i % 3)) for i in range(50)]
    for seed, atoms in enumerate(structures):
        atoms.rattle(0.1, seed=seed)
    assert sum(map(len, structures)) > ATOMS_PER_BATCH["cpu"]
    evaluate = evaluator([member.path for member in committee.members], "mace", "cpu")
    order = np.random.default_rng(0).permutation(len(structures))
    one, other = evaluate(structures), evaluate([structures[i] for i in order])
    np.testing.assert_allclose(one.energy[:, order], other.energy, rtol=1e-12)
    np.testing.assert_allclose(one.stress[:, order], other.stress, atol=1e-12)
    ends = np.cumsum([0, *map(len, structures)])
    atoms_in_order = np.concatenate([np.arange(ends[i], ends[i + 1]) for i in order])
    np.testing.assert_allclose(one.forces[:, atoms_in_order], other.forces, atol=1e-12)


def test_evaluation_leaves_structures_alone(committee: Committee, mixture: list[Atoms]) -> None:
    structures = as_engines_see(mixture)
    before = [atoms.copy() for atoms in structures]
    evaluator([committee.members[0].path], "mace", "cpu")(structures)
    assert structures == before


def test_a_species_that_was_not_trained_is_named(committee: Committee) -> None:
    with pytest.raises(InputError, match=r"does not know Si; it was trained on Cu, Au"):
        committee.members[0].evaluate(PESData.from_atoms([bulk("Si")]))


def test_a_potential_travels_between_processes(committee: Committee, mixture: list[Atoms]) -> None:
    potential = committee.members[1]
    assert isinstance(potential, ModelFile)
    sent = pickle.dumps(potential)
    assert len(sent) < 1000
    pes = PESData.from_atoms(mixture)
    for here, there in zip(potential.evaluate(pes), pickle.loads(sent).evaluate(pes), strict=True):
        np.testing.assert_array_equal(here, there)


@pytest.mark.filterwarnings("ignore")
def test_descriptors_are_maces_own_invariants(committee: Committee, mixture: list[Atoms]) -> None:
    from mace.calculators import MACECalculator

    calculator = MACECalculator(model_paths=[str(committee.members[0].path)], device="cpu")
    found = committee.descriptors(PESData.from_atoms(mixture))
    expected = [calculator.get_descriptors(atoms) for atoms in as_engines_see(mixture)]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-9)
    assert np.ptp(found, axis=0).max() > 1e-2
