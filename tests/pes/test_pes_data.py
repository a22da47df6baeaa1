"""PESData: what goes in comes out."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from potwright.errors import InputError
from potwright.pes import PESData, export_extxyz, import_extxyz

COLUMNS = [
    "numbers",
    "positions",
    "forces",
    "offsets",
    "cell",
    "pbc",
    "energy",
    "stress",
    "id",
    "origin",
    "parent",
    "group",
    "split",
    "iteration",
    "level_of_theory",
    "source",
]


def labelled_copper(seed: int) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    results = {n: EMT().get_property(n, atoms) for n in ("energy", "forces", "stress")}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture
def pes() -> PESData:
    structures = [labelled_copper(0), molecule("H2O"), labelled_copper(1)]
    return PESData.from_atoms(
        structures,
        origin=["rattle", "initial", "rattle"],
        source="copper.cif",
        iteration=[1, 2, 3],
        split=["training", "unassigned", "test"],
    )


def assert_same(a: PESData, b: PESData) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.info.tolist() == b.info.tolist()


def test_file_gives_back_every_column(pes, tmp_path):
    pes.write(tmp_path / "pes.h5")
    assert_same(PESData.read(tmp_path / "pes.h5"), pes)


def test_ranges_of_a_file_equal_ranges_in_memory(pes, tmp_path):
    many = PESData.concatenate([pes] * 5)
    many.write(tmp_path / "pes.h5")
    for k, chunk in enumerate(PESData.read(tmp_path / "pes.h5").chunks(4)):
        assert_same(chunk, many[4 * k : 4 * k + 4])


def test_atoms_give_back_every_column(pes):
    assert_same(PESData.from_atoms(pes.to_atoms()), pes)


def test_extxyz_keeps_ids_metadata_and_labels(pes, tmp_path):
    export_extxyz(pes, tmp_path / "pes.xyz")
    back = import_extxyz(tmp_path / "pes.xyz")
    for name in ("id", "origin", "split", "iteration", "source", "pbc", "numbers"):
        np.testing.assert_array_equal(getattr(back, name), getattr(pes, name), err_msg=name)
    np.testing.assert_allclose(back.energy, pes.energy, rtol=0, atol=1e-12)
    np.testing.assert_allclose(back.forces, pes.forces, rtol=0, atol=1e-8)


@given(
    npst.arrays(float, (4, 3), elements=st.floats(-1e4, 1e4)),
    npst.arrays(float, (3, 3), elements=st.floats(-50, 50)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
@settings(max_examples=50, deadline=None)
def test_an_id_survives_rounding_files_and_atoms(positions, cell, pbc):
    pes = PESData.from_atoms([Atoms("C4", positions, cell=cell, pbc=pbc)])
    again = PESData.from_atoms(pes.to_atoms())
    printed = [[float(f"{x:.8f}") for x in row] for row in pes.positions]
    assert again.id == pes.id
    assert pes.replace(positions=printed).id == pes.id


@pytest.mark.parametrize("change", ["positions", "cell", "pbc", "numbers", "order"])
def test_an_id_depends_on_geometry_and_order(change):
    atoms = bulk("Cu", cubic=True)
    other = atoms.copy()
    if change == "positions":
        other.positions[0, 0] += 2e-8
    elif change == "cell":
        other.cell[0, 0] += 2e-8
    elif change == "pbc":
        other.pbc = (True, True, False)
    elif change == "numbers":
        other.numbers[0] = 47
    else:
        other = other[[1, 0, 2, 3]]
    a, b = PESData.from_atoms([atoms, other]).id
    assert a != b


def test_a_label_does_not_change_an_id():
    atoms = labelled_copper(0)
    bare = atoms.copy()
    a, b = PESData.from_atoms([atoms, bare]).id
    assert a == b


def test_forces_are_minus_the_gradient_of_energies_through_the_whole_round_trip(tmp_path):
    atoms, step = labelled_copper(3), 1e-3
    moved = []
    for sign in (1, -1):
        displaced = atoms.copy()
        displaced.positions[1, 2] += sign * step
        energy = EMT().get_property("energy", displaced)
        displaced.calc = SinglePointCalculator(displaced, energy=energy)
        moved.append(displaced)
    PESData.from_atoms([atoms, *moved]).write(tmp_path / "pes.h5")
    export_extxyz(PESData.read(tmp_path / "pes.h5"), tmp_path / "pes.xyz")
    pes = import_extxyz(tmp_path / "pes.xyz")
    gradient = (pes.energy[1] - pes.energy[2]) / (2 * step)
    assert pes.forces[1, 2] == pytest.approx(-gradient, abs=1e-4)


def test_labels_are_read_from_the_keys_that_one_names():
    atoms = molecule("H2O")
    atoms.info["REF_energy"] = -3.5
    atoms.arrays["REF_forces"] = np.ones((3, 3))
    pes = PESData.from_atoms([atoms], labels="REF_")
    assert pes.energy.tolist() == [-3.5]
    assert (pes.forces == 1).all()
    assert pes.info[0] == {}
    untouched = PESData.from_atoms([atoms])
    assert np.isnan(untouched.energy[0])
    assert untouched.info[0]["REF_energy"] == -3.5
    assert untouched.info[0]["arrays"]["REF_forces"] == np.ones((3, 3)).tolist()


def test_the_energy_is_the_force_consistent_one_and_the_other_is_kept():
    atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.0, free_energy=-1.1)
    pes = PESData.from_atoms([atoms])
    assert pes.energy.tolist() == [-1.1]
    (back,) = pes.to_atoms()
    assert back.calc.results["energy"] == -1.0
    assert back.calc.results["free_energy"] == -1.1


def test_arrays_constraints_and_info_travel_along():
    atoms = molecule("H2O")
    atoms.set_constraint(FixAtoms([0]))
    atoms.set_initial_magnetic_moments([1.0, 0.0, 0.0])
    atoms.info["note"] = {"nested": [1, "two", None, True]}
    (back,) = PESData.from_atoms([atoms]).to_atoms()
    assert back.constraints[0].index.tolist() == [0]
    assert back.get_initial_magnetic_moments().tolist() == [1.0, 0.0, 0.0]
    assert back.info["note"] == {"nested": [1, "two", None, True]}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: a.info.update(strange=object()), r"structure 1 .*'strange'.* object"),
        (lambda a: a.positions.__setitem__((0, 0), np.nan), r"structure 1.*not finite"),
        (lambda a: a.numbers.__setitem__(0, 0), r"structure 1.*no chemical element"),
        (lambda a: a.set_celldisp([1, 0, 0]), r"structure 1 .*celldisp"),
    ],
)
def test_what_cannot_be_represented_is_an_error_that_names_structure_and_key(spoil, message):
    bad = molecule("H2O")
    spoil(bad)
    with pytest.raises(InputError, match=message):
        PESData.from_atoms([bulk("Cu"), bad])


def test_a_molecule_with_a_stress_is_refused():
    atoms = molecule("H2O")
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, stress=np.ones(6))
    with pytest.raises(InputError, match="FFF"):
        PESData.from_atoms([atoms])


def test_a_structure_without_atoms_is_refused():
    with pytest.raises(InputError, match="structure 1 has no atoms"):
        PESData.from_atoms([bulk("Cu"), Atoms()])


def test_columns_are_read_only(pes):
    with pytest.raises(ValueError, match="read-only"):
        pes.positions[0] = 0


@pytest.mark.parametrize("index", [slice(1, None), [2, 0], np.array([True, False, True]), [-1]])
def test_indexing_follows_numpy(pes, index):
    assert pes[index].id.tolist() == pes.id[index].tolist()
    assert pes[index].n_atoms.tolist() == pes.n_atoms[index].tolist()
    assert pes[index].energy.tolist() == pytest.approx(pes.energy[index].tolist(), nan_ok=True)


def test_concatenation_fills_typed_columns_that_a_part_lacks(pes, tmp_path):
    scored = pes.replace(score=np.arange(3.0))
    both = PESData.concatenate([scored, pes])
    both.write(tmp_path / "pes.h5")
    np.testing.assert_array_equal(
        PESData.read(tmp_path / "pes.h5").typed["score"], [0, 1, 2, np.nan, np.nan, np.nan]
    )


def test_a_group_is_the_structure_itself_unless_told_otherwise(pes):
    moved = pes.replace(positions=pes.positions + 0.1)
    assert pes.group.tolist() == pes.id.tolist()
    assert moved.group.tolist() == moved.id.tolist() != pes.id.tolist()
    assert pes.replace(group="family").group.tolist() == ["family"] * 3


def test_duplicates_are_dropped_and_the_first_is_kept(pes):
    twice = PESData.concatenate([pes, pes.replace(origin="md")])
    assert twice.drop_duplicates().origin.tolist() == pes.origin.tolist()


def test_engines_see_full_periodicity_where_there_is_any():
    sheet = Atoms("C", cell=[2, 2, 15], pbc=(True, True, False))
    seen = PESData.from_atoms([sheet, molecule("H2O")]).to_atoms(engine_pbc=True)
    assert [a.pbc.tolist() for a in seen] == [[True] * 3, [False] * 3]


def test_an_empty_container_is_a_valid_dataset(tmp_path):
    PESData.empty().write(tmp_path / "empty.h5")
    back = PESData.read(tmp_path / "empty.h5")
    assert len(back) == 0
    assert list(back.chunks(10)) == []
    assert back.to_atoms() == []
    assert len(PESData.concatenate([back, back])) == 0
    assert back.summary().empty


@pytest.mark.parametrize("content", [None, b"not HDF5"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "pes.h5"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"pes\.h5"):
        PESData.read(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(pes, tmp_path):
    path = tmp_path / "pes.h5"
    pes.write(path)
    before = path.read_bytes()
    spoilt = pes.replace(info=[{"not json": {1, 2}}, {}, {}])
    with pytest.raises(TypeError):
        spoilt.write(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["pes.h5"]


def test_summary_counts_by_origin(pes):
    table = pes.summary().set_index("origin")
    assert table.loc["rattle", ["structures", "labelled", "training", "test"]].tolist() == [
        2,
        2,
        1,
        1,
    ]
    assert table.loc["initial", ["structures", "labelled"]].tolist() == [1, 0]


@pytest.mark.shared
def test_the_carbon_reference_set_survives(shared_data, tmp_path):
    pes = import_extxyz(shared_data / "carbon_structures.extxyz")
    kinds, counts = np.unique(pes.pbc.sum(axis=1), return_counts=True)
    assert dict(zip(kinds.tolist(), counts.tolist(), strict=True)) == {0: 7, 1: 4, 2: 2, 3: 13}
    assert pes.has_labels.all()
    assert np.isnan(pes.stress).all()
    assert (pes.n_atoms.min(), pes.n_atoms.max()) == (1, 180)
    pes.write(tmp_path / "carbon.h5")
    assert_same(PESData.from_atoms(PESData.read(tmp_path / "carbon.h5").to_atoms()), pes)


@pytest.mark.shared
def test_the_telluride_sheet_keeps_its_order_of_species(shared_data):
    pes = import_extxyz(shared_data / "wte2_1tprime_270.extxyz")
    assert pes.numbers[0] == 52
    assert pes.species == [52, 74]


@pytest.mark.shared
def test_the_silicon_reference_sets_are_read(shared_data):
    training = import_extxyz(shared_data / "si_training.extxyz")
    test = import_extxyz(shared_data / "si_test.extxyz")
    assert (len(training), len(test)) == (214, 25)
    assert not np.isnan(training.stress).any()
    assert (training.n_atoms > 1).all()
