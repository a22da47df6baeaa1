"""Prototypes: what is built or read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase.build import bulk

from potwright.errors import InputError
from potwright.geometry import empty_gaps
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.prototypes import Prototype

BASE = Path(__file__).parents[3] / "conf" / "base" / "parameters_validation.yml"
NEIGHBOURS = {  # nearest neighbours of each atom
    "graphite": 3,
    "graphene": 3,
    "diamond": 4,
    "dimer": 1,
    "simple_cubic": 6,
    "face_centred": 12,
    "body_centred": 8,
}


def test_the_papers_carbons_have_their_neighbours() -> None:
    prototypes = ValidationParameters.model_validate(
        yaml.safe_load(BASE.read_text())["validation"]
    ).prototypes
    for name, count in NEIGHBOURS.items():
        atoms = prototypes[name].atoms
        from ase.neighborlist import neighbor_list

        i, distances = neighbor_list("id", atoms, 3.0)
        near = np.bincount(i[distances < distances.min() + 0.1], minlength=len(atoms))
        assert near.tolist() == [count] * len(atoms), name
    assert prototypes["graphene"].atoms.pbc.tolist() == [True, True, False]
    assert empty_gaps(*(prototypes["graphene"].atoms.positions, prototypes["graphene"].atoms.cell))[
        2
    ] == pytest.approx(15.0)


def test_a_file_is_read_with_its_true_periodicity(tmp_path: Path) -> None:
    sheet = bulk("Cu", cubic=True)
    ase.io.write(tmp_path / "sheet.cif", sheet)
    found = Prototype(file=tmp_path / "sheet.cif", pbc=(True, True, False))
    assert found.atoms.pbc.tolist() == [True, True, False]
    assert found.atoms.cell.lengths()[2] > 15
    assert found.repeats_at(9.0) == (3, 3, 1)
    with pytest.raises(InputError, match="ASE cannot read this file"):
        _ = Prototype(file=tmp_path / "absent.cif").atoms


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "give structure .* or file"),
        ({"structure": "fcc", "species": "Cu"}, "needs species and length_angstrom"),
        ({"structure": "graphite", "species": "C", "length_angstrom": 2.5}, "needs c_angstrom"),
        ({"structure": "fc", "species": "C", "length_angstrom": 2.5}, "did you mean 'fcc'"),
    ],
)
def test_what_says_too_little_is_refused(keys: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Prototype.model_validate(keys)


def test_a_test_names_prototypes_that_there_are() -> None:
    prototypes = {"copper": {"structure": "fcc", "species": "Cu", "length_angstrom": 3.6}}
    with pytest.raises(InputError, match=r"'coper' is not one of .* did you mean 'copper'"):
        ValidationParameters.model_validate(
            {"prototypes": prototypes, "elastic": {"prototypes": ["coper"]}}
        )
    with pytest.raises(InputError, match="'reference' is what the engine is called"):
        ValidationParameters.model_validate({"potentials": {"reference": {}}})
