"""The input structures of the paper's cases are what their README says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import ase.io
import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.neighborlist import neighbor_list

from potwright.geometry import shortest_image

PROJECT = Path(__file__).parents[2]
RAW = PROJECT / "data" / "01_raw"
BONDED = 1.85
"""Å; carbon atoms that are closer are bonded."""

SPACE_GROUPS = {
    "lonsdaleite": 194,
    "polytype_4h": 194,
    "polytype_9r": 166,
    "bct_c4": 139,
    "m_carbon": 12,
    "z_carbon": 65,
    "bc8": 206,
    "supercubane": 229,
    "t_carbon": 227,
    "clathrate_1": 223,
    "clathrate_2": 227,
    "k4": 214,
    "graphite_ab": 194,
    "graphite_abc": 166,
    "fullerite": 202,
    "penta_graphene": 113,
    "mote2_h": 187,
    "wte2_h": 187,
    "mote2_t": 11,
    "wte2_t": 11,
}


def structures(folder: str) -> dict[str, Atoms]:
    return {path.stem: ase.io.read(path) for path in sorted((RAW / folder).rglob("*.extxyz"))}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, PROJECT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "folders"),
    [("paper_carbon", ["carbon", "unseen/carbon_small"]), ("paper_wmote2", ["wmote2"])],
)
def test_the_shipped_files_are_those_that_the_script_writes(name, folders, tmp_path):
    script(name).write(tmp_path)
    for folder in folders:
        written = {p.relative_to(tmp_path) for p in (tmp_path / folder).rglob("*.extxyz")}
        shipped = {p.relative_to(RAW) for p in (RAW / folder).rglob("*.extxyz")}
        assert written == shipped
        for path in written:
            new, old = ase.io.read(tmp_path / path), ase.io.read(RAW / path)
            assert np.array_equal(new.numbers, old.numbers)
            assert list(new.pbc) == list(old.pbc)
            assert new.cell.array == pytest.approx(old.cell.array, abs=1e-6)
            assert new.positions == pytest.approx(old.positions, abs=1e-6)


@pytest.mark.parametrize("folder", ["carbon", "wmote2"])
def test_every_file_is_in_the_readme_of_its_folder(folder):
    readme = (RAW / folder / "README.md").read_text()
    for name in structures(folder):
        assert f"`{name}`" in readme


def test_every_carbon_atom_has_the_bonds_of_carbon():
    """Two, three or four, of the lengths of triple to stretched single bonds."""
    for name, atoms in structures("carbon").items():
        i, length = neighbor_list("id", atoms, BONDED)
        bonds = np.bincount(i, minlength=len(atoms))
        assert set(bonds.tolist()) <= {2, 3, 4}, name
        assert length.min() > 1.2, name
        assert length.max() < 1.65, name


def test_crystals_and_layers_have_the_symmetry_of_what_they_are_called():
    found = structures("carbon") | structures("wmote2")
    for name, number in SPACE_GROUPS.items():
        atoms = found[name]
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        assert spglib.get_symmetry_dataset(cell, symprec=1e-2).number == number, name


def test_what_is_unseen_differs_from_all_inputs_of_the_small_forms():
    """By its environments: neighbours, and neighbours' neighbours."""

    def environments(atoms: Atoms) -> tuple[float, ...]:
        i, length = neighbor_list("id", atoms, 3.6)
        return tuple(np.sort(np.bincount(i, length**2, minlength=len(atoms)))[[0, -1]].round(1))

    seen = {environments(atoms) for atoms in structures("carbon/small").values()}
    unseen = structures("unseen/carbon_small")
    assert len(unseen) >= 15
    for name, atoms in unseen.items():
        assert environments(atoms) not in seen, name
        assert len(atoms) <= 90
        assert not atoms.pbc.any() or shortest_image(atoms.cell.array, atoms.pbc) > 6.3


@pytest.mark.parametrize("folder", ["wmote2", "wmote2_small"])
@pytest.mark.parametrize("phase", ["h", "t"])
def test_the_two_ends_of_a_phase_are_the_same_atoms_in_the_same_order(folder, phase):
    layers = structures(folder)
    first, second = layers[f"mote2_{phase}"], layers[f"wte2_{phase}"]
    alike = np.where(second.numbers == 74, 42, second.numbers)
    assert np.array_equal(first.numbers, alike)
    apart = second.get_scaled_positions() - first.get_scaled_positions()
    apart -= np.round(apart)
    assert np.abs(apart @ first.cell.array).max() < 0.3


@pytest.mark.parametrize("folder", ["wmote2", "wmote2_small"])
def test_metals_have_six_tellurium_neighbours_and_zigzag_chains_only_in_t(folder):
    for name, atoms in structures(folder).items():
        i, j, length = neighbor_list("ijd", atoms, 3.05)
        metal = atoms.numbers != 52
        to_tellurium = metal[i] & ~metal[j]
        assert np.bincount(i[to_tellurium], minlength=len(atoms))[metal].tolist() == [6] * sum(
            metal
        )
        pairs = length[metal[i] & metal[j]]
        assert len(pairs) == (4 if name.endswith("_t") else 0), name
