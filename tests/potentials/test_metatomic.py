from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from potwright.errors import InputError
from potwright.geometry import engine_pbc
from potwright.pes import PESData
from potwright.potentials import Committee, load_committee
from potwright.potentials.model_file import evaluator


def as_engines_see(structures: list[Atoms]) -> list[Atoms]:
    seen = [atoms.copy() for atoms in structures]
    for atoms in seen:
        atoms.pbc = engine_pbc(atoms.pbc)
    return seen


def paths(committee: Committee) -> list:
    return [member.path for member in committee.members]


@pytest.mark.filterwarnings("ignore")
def test_a_batch_gives_what_metatomic_gives_for_each_structure_alone(
    metatomic_committee: Committee, mixture: list[Atoms]
) -> None:
    from metatomic_ase import MetatomicCalculator

    structures = as_engines_see(mixture)
    values = evaluator(paths(metatomic_committee), "metatrain", "cpu")(structures)
    ends = np.cumsum([0, *map(len, structures)])
    for member, path in enumerate(paths(metatomic_committee)):
        calculator = MetatomicCalculator(str(path), extensions_directory=path.parent / "extensions")
        for i, atoms in enumerate(structures):
            atoms.calc = calculator
            assert values.energy[member, i] == pytest.approx(atoms.get_potential_energy(), rel=1e-9)
            alone = values.forces[member, ends[i] : ends[i + 1]]
            if len(atoms) > 1:
                np.testing.assert_allclose(alone, atoms.get_forces(), atol=1e-9)
            if atoms.pbc.any():
                np.testing.assert_allclose(values.stress[member, i], atoms.get_stress(), atol=1e-10)
    assert np.abs(values.forces).max() > 1e-3
    assert np.abs(values.energy[0] - values.energy[1]).max() > 1e-6


def test_descriptors_move_with_their_atoms(
    metatomic_committee: Committee, mixture: list[Atoms]
) -> None:
    pes = PESData.from_atoms(mixture)
    found = metatomic_committee.descriptors(pes)
    assert found.shape[0] == pes.offsets[-1] and np.ptp(found, axis=0).max() > 1e-3
    order = np.random.default_rng(0).permutation(len(mixture[0]))
    permuted = metatomic_committee.descriptors(PESData.from_atoms([mixture[0][order]]))
    np.testing.assert_allclose(permuted, found[: len(order)][order], atol=1e-9)


def test_a_committee_is_saved_with_what_its_models_need(
    metatomic_committee: Committee, mixture: list[Atoms], tmp_path
) -> None:
    metatomic_committee.save(tmp_path / "committee")
    opened = load_committee(tmp_path / "committee")
    assert opened.backend == "metatrain" == opened.record["backend"]
    assert (tmp_path / "committee" / "extensions").is_dir()
    pes = PESData.from_atoms(mixture)
    expected = metatomic_committee.predict(pes).forces
    np.testing.assert_allclose(opened.predict(pes).forces, expected, atol=1e-12)


def test_a_species_that_was_not_trained_is_named(metatomic_committee: Committee) -> None:
    with pytest.raises(InputError, match=r"does not know Si; it was trained on Cu, Au"):
        metatomic_committee.predict(PESData.from_atoms([bulk("Si")]))


def test_the_neighbour_list_of_a_structure_is_made_once_for_all_members(
    soap_bpnn: Committee, mixture: list[Atoms], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vesin.metatomic import NeighborList

    calls = []
    original = NeighborList.compute

    def counting(self: NeighborList, *arguments: object, **options: object) -> object:
        calls.append(1)
        return original(self, *arguments, **options)

    monkeypatch.setattr(NeighborList, "compute", counting)
    soap_bpnn.predict(PESData.from_atoms(mixture))
    assert len(soap_bpnn) == 2 and len(calls) == len(mixture)
