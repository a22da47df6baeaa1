"""Slabs are cut from the crystal, thick enough, once each, with their vacuum along the normal."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc100, fcc110, fcc111, graphene, molecule

from potwright.errors import InputError
from potwright.geometry import (
    empty_gaps,
    nearest_neighbour_distances,
    plane_normals,
    shortest_image,
)
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import SlabParameters, SupercellParameters
from potwright.pipelines.augmentation.slabs import cut_slabs
from potwright.pipelines.augmentation.supercells import build_supercells

SMALLEST = SupercellParameters(enabled=False)
COPPER = bulk("Cu", a=3.61)


def slabs_of(
    *crystals: Atoms, supercells: SupercellParameters = SMALLEST, vacuum: float = 15.0, **keys: Any
) -> PESData:
    pes = PESData.from_atoms(list(crystals), source=[f"{c.symbols}.cif" for c in crystals])
    return cut_slabs(pes, SlabParameters.model_validate(keys), supercells, vacuum)


def thickness(atoms: Atoms) -> float:
    return float(np.ptp(atoms.positions @ plane_normals(atoms.cell.array)[2]))


def test_the_paper_cuts_three_planes() -> None:
    slabs = slabs_of(COPPER)
    assert [info["miller_indices"] for info in slabs.info] == [[1, 1, 1], [1, 1, 0], [1, 0, 0]]
    assert set(slabs.origin) == {"slab"}


@pytest.mark.parametrize(
    ("miller", "build", "layers"),
    [([1, 1, 1], fcc111, 6), ([1, 1, 0], fcc110, 9), ([1, 0, 0], fcc100, 7)],
)
def test_low_index_slabs_are_those_of_ase(miller: list[int], build: Any, layers: int) -> None:
    (slab,) = slabs_of(COPPER, miller_indices=[miller]).to_atoms()
    expected = build("Cu", (1, 1, layers), a=3.61, vacuum=7.5)
    assert len(slab) == len(expected) == layers
    assert thickness(slab) == pytest.approx(np.ptp(expected.positions[:, 2]))
    assert slab.cell.volume == pytest.approx(expected.cell.volume)
    # Each layer's neighbours are at the same distances.
    found = np.sort(slab.repeat((3, 3, 1)).get_all_distances(mic=True).ravel())
    wanted = np.sort(expected.repeat((3, 3, 1)).get_all_distances(mic=True).ravel())
    assert found == pytest.approx(wanted, abs=1e-6)


def test_the_vacuum_is_along_the_normal_and_only_there() -> None:
    for slab in slabs_of(COPPER, bulk("Ti"), vacuum=12.0).to_atoms():
        assert slab.pbc.tolist() == [True, True, False]
        assert slab.cell.array[:2] @ slab.cell.array[2] == pytest.approx([0, 0], abs=1e-6)
        gap = empty_gaps(slab.positions, slab.cell.array)[2]
        assert gap == pytest.approx(12.0)
        assert slab.cell.volume > 0


@pytest.mark.parametrize("minimum", [3.0, 10.0, 20.0])
def test_slabs_are_as_thick_as_wanted_and_no_spacing_thicker(minimum: float) -> None:
    slabs = slabs_of(COPPER, bulk("C", "diamond", a=3.567), min_thickness_angstrom=minimum)
    for slab, info in zip(slabs.to_atoms(), slabs.info, strict=True):
        h, k, l = info["miller_indices"]  # noqa: E741
        a = 3.61 if slab.symbols[0] == "Cu" else 3.567
        repeat = a / np.sqrt(h * h + k * k + l * l)
        assert minimum - 1e-6 <= thickness(slab) < minimum + repeat
        assert info["thickness_angstrom"] == pytest.approx(thickness(slab))


def test_the_limit_of_atoms_comes_before_the_thickness(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        slabs = slabs_of(bulk("C", "diamond", a=3.567), max_atoms=7, miller_indices=[[1, 0, 0]])
    assert slabs.n_atoms.tolist() == [6]
    assert "1 of 1 are thinner than 10.0 Å" in caplog.text
    with caplog.at_level(logging.WARNING):
        assert len(slabs_of(bulk("C", "diamond", a=3.567), max_atoms=1)) == 0
    assert "3 planes skipped, one spacing has more than 1 atoms" in caplog.text


@pytest.mark.parametrize(
    "same",
    [
        bulk("C", "diamond", a=3.567),
        bulk("C", "diamond", a=3.567, cubic=True),
        bulk("C", "diamond", a=3.567).repeat((1, 2, 3)),
    ],
)
def test_slabs_are_those_of_the_crystal_not_of_the_input_cell(same: Atoms) -> None:
    # The published implementation cuts supercells, along planes of the supercell.
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    same.set_cell(same.cell.array @ rotation, scale_atoms=True)
    slabs = slabs_of(same)
    assert slabs.n_atoms.tolist() == [12, 18, 14]
    spans = [thickness(atoms) for atoms in slabs.to_atoms()]
    assert spans == pytest.approx([10.811894, 10.089, 11.59275], abs=1e-4)
    for atoms in slabs.to_atoms():
        nearest = nearest_neighbour_distances(atoms.positions, atoms.cell.array, atoms.pbc)
        assert nearest == pytest.approx(np.full(len(atoms), 3.567 * np.sqrt(3) / 4), abs=1e-6)


def test_symmetry_equivalent_planes_are_cut_once() -> None:
    cube = [[1, 0, 0], [0, 1, 0], [0, 0, -1], [2, 0, 0]]
    assert len(slabs_of(COPPER, miller_indices=cube)) == 1
    indium = bulk("In", "bct", a=3.25, c=4.95)
    found = slabs_of(indium, miller_indices=cube)
    assert [info["miller_indices"] for info in found.info] == [[1, 0, 0], [0, 0, -1]]


def test_terminations_on_request() -> None:
    diamond = bulk("C", "diamond", a=3.567)
    keys: dict[str, Any] = {"miller_indices": [[1, 1, 1]], "all_terminations": True}
    both = slabs_of(diamond, **keys)
    assert [info["termination"] for info in both.info] == [0, 1]
    assert both.n_atoms.tolist() == [12, 12]
    # One dangling bond for each atom of the surface, or three
    bonds = [
        (np.array(a.repeat((3, 3, 1)).get_all_distances(mic=True)) < 1.6).sum() / 9 - len(a)
        for a in both.to_atoms()
    ]
    assert bonds == pytest.approx([12 * 4 - 2 * 1, 12 * 4 - 2 * 3])
    (one,) = slabs_of(diamond, miller_indices=[[1, 1, 1]]).id
    assert one == both.id[0]


def test_slabs_keep_the_composition() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64)
    for atoms in slabs_of(salt, all_terminations=True).to_atoms():
        assert (atoms.numbers == 11).sum() * 2 == len(atoms)


def test_slabs_are_replicated_in_their_plane_like_any_structure() -> None:
    supercells = SupercellParameters(min_length_angstrom=9.0)
    slabs = slabs_of(COPPER, supercells=supercells)
    lengths = [shortest_image(c, p) for c, p in zip(slabs.cell, slabs.pbc, strict=True)]
    assert min(lengths) >= 9.0
    again = build_supercells(slabs, supercells)
    assert again.id.tolist() == slabs.id.tolist()
    limited = slabs_of(COPPER, supercells=SupercellParameters(), max_atoms=60)
    assert limited.n_atoms.max() <= 60
    assert limited.n_atoms.min() > 60 / 3


def test_only_crystals_are_cut() -> None:
    sheet, methane = graphene(vacuum=8), molecule("CH4", vacuum=8)
    assert len(slabs_of(sheet, methane)) == 0
    slabs = slabs_of(sheet, COPPER, methane)
    assert set(slabs.source) == {"Cu.cif"}


def test_slabs_know_their_input_and_are_a_group_each() -> None:
    pes = PESData.from_atoms([COPPER], source="copper.cif")
    slabs = cut_slabs(pes, SlabParameters(), SMALLEST, 15.0)
    assert slabs.parent.tolist() == [pes.id[0]] * 3
    assert slabs.source.tolist() == ["copper.cif"] * 3
    assert slabs.group.tolist() == slabs.id.tolist()
    assert not slabs.has_labels.any()


def test_properties_of_atoms_go_with_them() -> None:
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    salt.set_array("charge", np.where(salt.numbers == 11, 1, -1))
    for atoms in slabs_of(salt).to_atoms():
        assert np.array_equal(atoms.arrays["charge"], np.where(atoms.numbers == 11, 1, -1))


def test_four_indices_are_for_hexagonal_axes(caplog: pytest.LogCaptureFixture) -> None:
    prisms = [[1, 0, -1, 0], [0, 1, -1, 0], [1, 0, 0]]
    with caplog.at_level(logging.WARNING):
        slabs = slabs_of(COPPER, bulk("Ti"), miller_indices=prisms)
    assert slabs.source.tolist() == ["Cu.cif", "Ti2.cif"]
    assert "2 planes skipped, four indices need hexagonal axes" in caplog.text


@pytest.mark.parametrize(
    ("miller", "message"),
    [
        ([0, 0, 0], r"miller_indices\.1 = \[0, 0, 0\]: no lattice plane has only zeros"),
        ([0, 0, 0, 0], "no lattice plane has only zeros"),
        ([1, 1, 1, 0], r"\[1, 1, 1, 0\]: of four indices h k i l, i is −\(h \+ k\), which is -2"),
        ([1, 1], "three indices, h k l, or four"),
        ([1, 0, 0.5], "miller_indices"),
    ],
)
def test_indices_of_no_plane_are_refused(miller: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SlabParameters.model_validate({"miller_indices": [[1, 1, 1], miller]})
