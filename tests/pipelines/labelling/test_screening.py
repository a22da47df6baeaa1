"""Screening drops what no calculation is worth, and says how much."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.data import atomic_numbers, covalent_radii
from hypothesis import given
from hypothesis import strategies as st

from potwright.errors import InputError
from potwright.geometry.cells import reduced_basis
from potwright.pes import PESData
from potwright.pipelines.labelling import screening
from potwright.pipelines.labelling.parameters import ScreeningParameters
from potwright.pipelines.labelling.screening import reasons_to_drop
from potwright.quantum import ASEEngine, TBLiteEngine

LIMITS = ScreeningParameters()


def pes(*atoms, **metadata):
    return PESData.from_atoms(list(atoms), **metadata)


def reasons(data, ancestors=(), labelled=None, **limits):
    return reasons_to_drop(data, ancestors, ScreeningParameters(**limits), labelled).tolist()


@st.composite
def cells(draw, max_skew):
    """Triclinic cells, sheared far."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = random.uniform(1.5, 8.0, 3)
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = random.uniform(-max_skew, max_skew, 3) * lengths[0]
    return cell


def dimer(ratio):
    distance = ratio * 2 * covalent_radii[atomic_numbers["C"]]
    return Atoms("C2", positions=[[0, 0, 0], [0, 0, distance]])


def test_pairs_may_come_as_close_as_045_of_their_radii():
    assert reasons(pes(dimer(0.44), dimer(0.46))) == [screening.COLLISION, ""]


def test_collisions_across_the_boundary_are_seen_in_any_cell():
    crushed = bulk("Cu") * (2, 2, 2)
    crushed.set_cell(crushed.cell * 0.4, scale_atoms=True)
    lone = Atoms("C", cell=[0.5, 9, 9], pbc=[True, False, False])
    assert reasons(pes(bulk("Cu"), crushed, lone)) == ["", screening.COLLISION, screening.COLLISION]


def test_too_little_vacuum_is_a_collision_because_engines_see_full_periodicity():
    assert reasons(pes(graphene(vacuum=0.2))) == [screening.COLLISION]


def test_isolated_atoms_are_exempt():
    atom = Atoms("C", cell=[0.5, 0.5, 0.5])
    assert reasons(pes(atom, origin="isolated_atom")) == [""]


def test_the_volume_of_a_crystal_is_compared_with_its_parents():
    parent = pes(bulk("Cu", cubic=True))
    scaled = []
    for ratio in (0.29, 0.31, 4.9, 5.1):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * ratio ** (1 / 3), scale_atoms=True)
        scaled.append(atoms)
    children = pes(*scaled, parent=str(parent.id[0]))
    expected = [screening.COMPRESSED, "", "", screening.EXPANDED]
    assert reasons(children, [parent], min_covalent_ratio=0.1) == expected
    assert reasons(children, [], min_covalent_ratio=0.1) == [""] * 4


def test_a_supercell_has_its_parents_volume_and_a_vacancy_too():
    parent = pes(bulk("Cu", cubic=True))
    supercell = bulk("Cu", cubic=True) * (2, 2, 2)
    vacancy = bulk("Cu", cubic=True)[[0, 1]]
    children = pes(supercell, vacancy, parent=str(parent.id[0]))
    assert screening.volume_ratios(children, [parent]) == pytest.approx([1.0, 1.0])


def test_sheets_are_not_compared_by_volume():
    parent = pes(graphene(vacuum=5))
    child = pes(graphene(vacuum=50), parent=str(parent.id[0]))
    assert np.isnan(screening.volume_ratios(child, [parent])).all()


def test_cells_without_volume_are_dropped_and_skewed_ones_of_the_same_lattice_are_not():
    flat = Atoms("Cu", cell=[[5, 0, 0], [0, 5, 0], [5, 5, 1e-9]], pbc=True)
    no_third_vector = Atoms("C", cell=[[5, 0, 0], [0, 5, 0], [0, 0, 0]], pbc=[True, True, False])
    skewed = bulk("Cu", cubic=True)
    skewed.set_cell(np.array([[1, 0, 0], [0, 1, 0], [7, 9, 1]]) @ skewed.cell.array)
    expected = [screening.FLAT_CELL, screening.FLAT_CELL, ""]
    assert reasons(pes(flat, no_third_vector, skewed)) == expected


def test_repeated_structures_are_labelled_once_and_size_can_be_limited():
    data = pes(molecule("H2O"), molecule("CH4"), molecule("H2O"))
    assert reasons(data) == ["", "", screening.DUPLICATE]
    assert reasons(data, max_atoms=4) == ["", screening.TOO_MANY_ATOMS, screening.DUPLICATE]


def test_near_duplicates_of_candidates_and_of_what_is_labelled_are_dropped():
    water, copper = molecule("H2O", vacuum=4.0), bulk("Cu", cubic=True)
    shifted = [atoms.copy() for atoms in (water, copper)]
    for atoms in shifted:
        atoms.positions += 0.1
    data = pes(water, *shifted, bulk("Ag"))
    near = screening.NEAR_DUPLICATE
    assert reasons(data) == ["", near, "", ""]
    assert reasons(data, labelled=pes(copper)) == ["", near, near, ""]
    assert reasons(data, labelled=pes(copper), near_duplicate_angstrom=None) == [""] * 4


def test_what_is_dropped_for_another_reason_is_nobodys_near_duplicate():
    crushed = Atoms("C2", [[0, 0, 0], [0, 0, 0.3]])
    shifted = crushed.copy()
    shifted.positions += 1.0
    assert reasons(pes(crushed, shifted)) == [screening.COLLISION] * 2


def test_a_lattice_that_is_sheared_out_of_shape_is_dropped():
    parent = pes(bulk("Cu", cubic=True) * (2, 2, 2))
    shears = []
    for shear in (0.5, 1.0, 3.0, 40.0):  # 1.0 and 3.0 are the same lattice, written otherwise
        atoms = bulk("Cu", cubic=True) * (2, 2, 2)
        atoms.set_cell([[1, 0, 0], [shear, 1, 0], [0, 0, 1]] @ atoms.cell.array, scale_atoms=True)
        shears.append(atoms)
    needle = bulk("Cu", cubic=True) * (2, 2, 2)
    needle.set_cell(needle.cell * [3.0, 0.5, 0.667], scale_atoms=True)
    children = pes(*shears, needle, parent=str(parent.id[0]))
    limits = {"min_covalent_ratio": 0.0}
    assert reasons(children, [parent], **limits) == [""] * 4 + [screening.ELONGATED]
    assert reasons(children, **limits) == [""] * 5
    assert reasons(children, [parent], max_elongation_ratio=7.0, **limits) == [""] * 5


def test_a_long_cell_is_as_its_parent_and_a_sheets_vacuum_is_no_length():
    long, sheet = pes(bulk("Cu", cubic=True) * (1, 1, 12)), pes(graphene(vacuum=4))
    thick = pes(graphene(vacuum=60), parent=str(sheet.id[0]))
    strained = bulk("Cu", cubic=True) * (1, 1, 12)
    strained.set_cell(strained.cell * 1.1, scale_atoms=True)
    child = pes(strained, parent=str(long.id[0]))
    assert reasons(PESData.concatenate([child, thick]), [long, sheet]) == ["", ""]


@given(cells(max_skew=30.0))
def test_no_lattice_is_skewed_after_reduction(cell):
    """So there is nothing for a rule on skewness to find; what is left is elongation."""
    reduced, _ = reduced_basis(cell, np.ones(3, dtype=bool))
    lengths = np.linalg.norm(reduced, axis=1)
    assert np.prod(lengths) <= np.sqrt(2) * abs(np.linalg.det(cell)) * (1 + 1e-6)


def test_what_is_dropped_is_counted_by_origin_and_reason(caplog):
    origins = ["rattle"] * 3 + ["initial"] * 2
    data = pes(
        dimer(0.3), dimer(0.35), dimer(1.0), molecule("H2O"), molecule("CH4"), origin=origins
    )
    with caplog.at_level(logging.INFO):
        table = screening.count(data, reasons_to_drop(data, [], LIMITS), warn_fraction=0.2)
    assert table[["origin", "reason"]].values.tolist() == [["rattle", screening.COLLISION]] * 2
    assert "drops 2 structures of origin rattle: atoms too close" in caplog.text
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.getMessage() == "screening drops 67 % of the 3 structures of origin rattle"


def test_an_element_that_the_engine_does_not_know_is_named_with_its_file():
    data = pes(molecule("H2O"), bulk("Fr", "bcc", a=6), source=["water.xyz", "francium.cif"])
    with pytest.raises(InputError, match=r"does not know Fr, found in francium\.cif"):
        screening.refuse_unknown_elements(data, TBLiteEngine())
    emt = ASEEngine(
        type="ase", calculator="ase.calculators.emt.EMT", supported_elements=["Cu", "O", "H"]
    )
    with pytest.raises(InputError, match="Fr"):
        screening.refuse_unknown_elements(data, emt)
    screening.refuse_unknown_elements(data[:1], emt)


def test_short_periodic_cells_get_a_warning_and_vacuum_does_not_count(caplog):
    long_enough = bulk("C", cubic=True) * (3, 3, 3)
    data = pes(long_enough, graphene(vacuum=3), molecule("H2O"), source=["a", "b", "c"])
    screening.warn_of_short_cells(data, TBLiteEngine())
    (record,) = caplog.records
    assert "1 periodic structures repeat within 9.0 Å (1 initial)" in record.getMessage()
    assert "2.46 Å (b)" in record.getMessage()
    caplog.clear()
    screening.warn_of_short_cells(data, TBLiteEngine(min_length_angstrom=None))
    assert not caplog.records


def test_an_engine_with_k_points_has_no_short_cells(caplog):
    emt = {"type": "ase", "calculator": "ase.calculators.emt.EMT", "min_length_angstrom": 9.0}
    screening.warn_of_short_cells(pes(bulk("Cu")), ASEEngine(**emt))
    assert not caplog.records
    screening.warn_of_short_cells(pes(bulk("Cu")), ASEEngine(**emt, gamma_only=True))
    assert "2.55 Å" in caplog.text
