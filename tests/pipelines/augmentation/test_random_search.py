"""Random crystals: symmetric, sparse enough, of the composition and volume that is asked for."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule

from potwright.errors import InputError
from potwright.geometry import empty_gaps, shortest_image, smallest_covalent_ratio
from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.augmentation.random_compositions import compositions
from potwright.pipelines.augmentation.random_search import random_crystals

# spglib warns of how its next version will raise errors
pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")

SEARCH: dict[str, Any] = {"enabled": True, "structures": 12}


def parameters(**changes: Any) -> AugmentationParameters:
    supercells = {"min_length_angstrom": 7.0, "max_atoms": 300}
    search = {"random_search": SEARCH | changes, "supercells": supercells}
    return AugmentationParameters.model_validate(search)


def search(inputs: PESData | None = None, seed: int = 1, **changes: Any) -> PESData:
    inputs = PESData.empty() if inputs is None else inputs
    return random_crystals(inputs, parameters(**changes), seed)


def initial(*structures: Atoms) -> PESData:
    return PESData.from_atoms(structures, origin="initial")


@pytest.fixture(scope="module")
def carbon() -> PESData:
    return search(compositions={"C": None}, structures=24)


@pytest.fixture(scope="module")
def carbide() -> PESData:
    return search(compositions={"SiC": 10.4}, formula_units=[2, 4, 6])


def operations(atoms: Atoms) -> int:
    """Symmetry operations of a cell, centring translations included."""
    import spglib

    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    return len(spglib.get_symmetry(cell, symprec=1e-5)["rotations"])


def order(space_group: int) -> int:
    """Operations of a space group in its conventional cell, from spglib's own tables."""
    import spglib

    halls = range(1, 531)
    hall = next(h for h in halls if spglib.get_spacegroup_type(h).number == space_group)
    return len(spglib.get_symmetry_from_database(hall)["rotations"])


@pytest.mark.parametrize("name", ["carbon", "carbide"])
def test_crystals_have_the_symmetry_that_was_drawn_or_more(
    name: str, request: pytest.FixtureRequest
) -> None:
    """A group of more operations that holds the one drawn has a multiple of its operations."""
    crystals = request.getfixturevalue(name)
    groups = [info["space_group"] for info in crystals.info]
    for atoms, group in zip(crystals.to_atoms(), groups, strict=True):
        found, drawn = operations(atoms), order(group)
        assert found >= drawn
        assert found % drawn == 0
    assert len(set(groups)) > len(groups) / 2


@pytest.mark.parametrize("name", ["carbon", "carbide"])
def test_no_pair_is_closer_than_the_limit(name: str, request: pytest.FixtureRequest) -> None:
    for atoms in request.getfixturevalue(name).to_atoms():
        ratio = smallest_covalent_ratio(
            atoms.numbers, atoms.positions, atoms.cell.array, np.ones(3, dtype=bool)
        )
        assert ratio >= 0.7 - 1e-6


def test_a_binary_keeps_its_composition_and_its_volume(carbide: PESData) -> None:
    assert len(carbide) == 12
    for atoms, info in zip(carbide.to_atoms(), carbide.info, strict=True):
        silicon = int((atoms.numbers == 14).sum())
        assert silicon in (2, 4, 6)
        assert len(atoms) == 2 * silicon
        assert info["formula"] == "SiC"
        volume = atoms.get_volume() / len(atoms)
        assert volume == pytest.approx(10.4 * info["volume_factor"], rel=1e-5)
        assert 0.8 <= info["volume_factor"] <= 1.4


def test_each_crystal_is_periodic_unlabelled_and_a_group_of_its_own(carbon: PESData) -> None:
    assert set(carbon.origin) == {"random_search"}
    assert carbon.pbc.all()
    assert len(set(carbon.group)) == len(carbon) == 24
    assert not carbon.has_labels.any()
    assert set(carbon.parent) == {""}


def test_the_same_seed_gives_the_same_crystals_in_another_process(carbon: PESData) -> None:
    """Whatever the process's own random state and the order of its sets."""
    code = (
        "import random, numpy, sys; random.seed(5); numpy.random.seed(5)\n"
        "from potwright.pes import PESData\n"
        "from potwright.pipelines.augmentation.parameters import AugmentationParameters\n"
        "from potwright.pipelines.augmentation.random_search import random_crystals\n"
        "block = {'random_search': {'compositions': {'C': None}, 'structures': 24}}\n"
        "parameters = AugmentationParameters.model_validate(block)\n"
        "print(*random_crystals(PESData.empty(), parameters, 1).id)\n"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == carbon.id.tolist()


def test_another_seed_gives_others_and_more_structures_keep_the_first(carbon: PESData) -> None:
    few = search(compositions={"C": None}, structures=3)
    assert few.id.tolist() == carbon.id.tolist()[:3]
    other = search(compositions={"C": None}, structures=3, seed=2)
    assert not set(other.id) & set(carbon.id)


def test_structures_are_shared_out_over_the_compositions() -> None:
    crystals = search(compositions={"C": None, "Si": None}, structures=5, formula_units=[2])
    assert [info["formula"] for info in crystals.info] == ["C"] * 3 + ["Si"] * 2


def test_space_groups_can_be_chosen() -> None:
    crystals = search(compositions={"Cu": 12.0}, structures=4, space_groups=[225, 229])
    assert {info["space_group"] for info in crystals.info} <= {225, 229}
    assert all(operations(atoms) % 96 == 0 for atoms in crystals.to_atoms())


def test_replicated_crystals_are_as_long_as_supercells() -> None:
    crystals = search(compositions={"Cu": 12.0}, structures=3, replicate=True, formula_units=[2])
    for cell in crystals.cell:
        assert shortest_image(cell, np.ones(3, dtype=bool)) >= 7.0 - 1e-6
    assert set(crystals.origin) == {"random_search"}
    assert set(crystals.group) == set(crystals.id)


def test_what_cannot_be_made_is_counted_and_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """No Wyckoff position of Fd-3m holds a single atom."""
    only = {"compositions": {"Cu": None}, "formula_units": [1], "space_groups": [227]}
    with caplog.at_level(logging.WARNING):
        crystals = search(structures=9, **only)
    assert len(crystals) == 0
    assert "only 0 of 9 crystals of Cu could be made, given up after 5 failures" in caplog.text


def test_a_volume_that_cannot_hold_the_atoms_is_refused_at_once() -> None:
    """Spheres of 0.7 times the covalent radius of copper, 1.32 Å, have 3.3 Å³ each."""
    with pytest.raises(InputError, match=r"at most 2\.8 Å³ per atom of Cu .* fill 3\.3 Å³ each"):
        search(compositions={"Cu": 2.0})


# ---------------------------------------------------------------- compositions and volumes


def estimates(inputs: PESData, **changes: Any) -> dict[str, tuple[float, str]]:
    known = compositions(inputs, parameters(**changes).random_search, 8.0)
    return {c.formula: (round(c.volume, 3), c.volume_from) for c in known}


def test_compositions_and_volumes_come_from_the_inputs() -> None:
    """Crystals say how dense they are; a sheet, a molecule or a cell with a gap do not."""
    diamond = bulk("C", "diamond", a=3.567, cubic=True)
    hidden = bulk("C", "diamond", a=3.567, cubic=True)
    hidden.cell[2, 2] += 20
    rocksalt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    inputs = initial(diamond, graphene(vacuum=10), hidden, rocksalt, molecule("CH4"))
    assert empty_gaps(hidden.positions, hidden.cell.array).max() > 20
    found = estimates(inputs)
    assert found["C"] == (5.673, "the inputs")
    assert found["NaCl"] == (22.426, "the inputs")
    assert found["CH4"][1] == "covalent radii"


def test_a_formula_may_be_written_in_any_way() -> None:
    rocksalt = initial(bulk("NaCl", "rocksalt", a=5.64))
    assert estimates(rocksalt, compositions={"Cl2Na2": None})["Cl2Na2"] == (22.426, "the inputs")


@pytest.mark.parametrize(("symbol", "structure"), [("Cu", "fcc"), ("C", "diamond"), ("Fe", "bcc")])
def test_volumes_from_covalent_radii_are_right_within_a_factor_of_two(symbol, structure) -> None:
    volume, source = estimates(PESData.empty(), compositions={symbol: None})[symbol]
    known = bulk(symbol, structure)
    assert source == "covalent radii"
    assert 0.5 < volume / (known.get_volume() / len(known)) < 2


def test_without_compositions_there_is_nothing_to_search() -> None:
    with pytest.raises(InputError, match="no input says what to search"):
        search(structures=1)


def test_inputs_too_large_to_search_are_named(caplog: pytest.LogCaptureFixture) -> None:
    odd = bulk("Cu", cubic=True) * (3, 3, 3)
    odd.numbers[0] = 79
    with caplog.at_level(logging.WARNING):
        assert list(estimates(initial(odd, bulk("Cu")))) == ["Cu"]
    assert "leaves out" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compositions": {"Xy2": None}}, "'Xy2' is not a formula"),
        ({"compositions": {"": None}}, "'' is not a formula"),
        ({"compositions": {"SiC": -1.0}}, "volume per atom of SiC must be positive"),
        ({"space_groups": [0]}, "numbers start at 1"),
        ({"space_groups": [231]}, "there are 230 space groups"),
        ({"formula_units": []}, "formula_units"),
        ({"volume_factor_range": [1.4, 0.8]}, "the smaller first"),
        ({"compositions": {"C60": None}, "max_atoms": 32}, "no number of formula_units of C60"),
        ({"relaxation": {"comittee": "x"}}, "did you mean 'committee'"),
    ],
)
def test_wrong_parameters_say_what_is_allowed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parameters(**changes)
