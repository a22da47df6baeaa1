"""Alloys: many compositions on the sites of other structures; quasirandom ones on request."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from ase.build import bulk, mx2

from potwright.errors import InputError
from potwright.geometry import colliding_atoms
from potwright.geometry.quasirandom import shell_radii
from potwright.pes import PESData
from potwright.pipelines.augmentation.alloys import mix_alloys
from potwright.pipelines.augmentation.copies import make_copies
from potwright.pipelines.augmentation.derivation import geometries
from potwright.pipelines.augmentation.parameters import (
    AlloyParameters,
    RattleParameters,
    VacancyParameters,
)
from potwright.pipelines.augmentation.rattle import rattle_structures
from potwright.pipelines.augmentation.vacancies import remove_atoms

COPPER = bulk("Cu", a=3.8, cubic=True).repeat(2)
GOLD = bulk("Au", a=4.0, cubic=True).repeat(2)
SUPERCELLS = PESData.from_atoms([COPPER, GOLD], source=["copper.cif", "gold.cif"])
RATTLED = rattle_structures(make_copies(SUPERCELLS, 10), RattleParameters(), 0.45, seed=1)
COPIES = remove_atoms(RATTLED, VacancyParameters(), seed=1)
GOLD_COPPER: dict[str, Any] = {"alloy_species": ["Cu", "Au"]}
QUASIRANDOM = {"type": "special_quasirandom", "iterations": 2000}
TELLURIDE = PESData.from_atoms([mx2("MoTe2", a=3.55, vacuum=8).repeat((4, 4, 1))])


def mixed(copies: PESData = COPIES, supercells: PESData = SUPERCELLS, **keys: Any) -> PESData:
    parameters = AlloyParameters.model_validate(GOLD_COPPER | keys)
    return mix_alloys(copies, supercells, parameters, 0.45, seed=1)


def fractions(pes: PESData, number: int) -> np.ndarray:
    return np.array([(g.numbers == number).mean() for g in geometries(pes)])


def test_alloys_are_many_distinct_ones_of_all_compositions() -> None:
    alloys = mixed()
    assert len(alloys) == 100
    assert len(np.unique(alloys.id)) == 100
    gold = np.sort(fractions(alloys, 79))
    assert (gold[0], gold[-1]) == (0, 1)
    assert np.diff(gold).max() < 0.07  # atoms come in whole numbers
    assert len(np.unique(gold)) > 30
    assert len(PESData.concatenate([COPIES, alloys]).drop_duplicates()) == len(COPIES) + 100


def test_only_the_species_change_and_the_group_is_that_of_the_rattled_copy() -> None:
    alloys = mixed()
    parents = COPIES[COPIES.index_of(alloys.parent)]
    assert np.array_equal(parents.positions, alloys.positions)
    assert np.array_equal(parents.cell, alloys.cell)
    assert parents.group.tolist() == alloys.group.tolist()
    assert set(alloys.group) <= set(RATTLED.id)
    assert set(alloys.origin) == {"alloy"}
    assert alloys.source.tolist() == parents.source.tolist()
    assert alloys.info[0]["arrangement"] == "random"
    assert sum(alloys.info[0]["composition"].values()) == pytest.approx(1, abs=1e-5)


def test_all_inputs_and_all_copies_have_their_turn() -> None:
    alloys = mixed(count=40)
    sources, counts = np.unique(alloys.source, return_counts=True)
    assert sources.tolist() == ["copper.cif", "gold.cif"]
    assert counts == pytest.approx([20, 20], abs=2)
    assert np.unique(alloys.parent, return_counts=True)[1].max() <= 4


def test_arrangements_of_one_composition_differ() -> None:
    alloys = mixed(compositions=[{"Cu": 0.5, "Au": 0.5}])
    rows = [tuple(g.numbers) for g in geometries(alloys)]
    assert len(alloys) == 100
    assert len(set(rows)) == 100


def test_given_compositions_are_taken_in_turn() -> None:
    alloys = mixed(compositions=[{"Cu": 0.25, "Au": 0.75}, {"Cu": 1.0}], count=10)
    gold = np.sort(fractions(alloys, 79))
    assert gold[:5] == pytest.approx(np.zeros(5))
    assert gold[5:] == pytest.approx(np.full(5, 0.75), abs=0.02)


def test_fixed_species_keep_their_sites() -> None:
    copies = rattle_structures(make_copies(TELLURIDE, 10), RattleParameters(), 0.45, seed=1)
    alloys = mixed(
        copies,
        TELLURIDE,
        alloy_species=["Mo", "W"],
        fixed_species=["Te"],
        allow_new_species=True,
    )
    parents = copies[copies.index_of(alloys.parent)]
    assert np.array_equal(parents.numbers == 52, alloys.numbers == 52)
    assert set(alloys.numbers[alloys.numbers != 52]) == {42, 74}
    tungsten = fractions(alloys, 74) * 3
    # Without tungsten they would be the copies themselves.
    assert (tungsten.min(), tungsten.max()) == (1 / 16, 1)


def test_three_species_reach_all_corners() -> None:
    alloys = mixed(alloy_species=["Cu", "Au", "Ag"], allow_new_species=True)
    for number in (29, 47, 79):
        assert fractions(alloys, number).max() == 1
    assert len(alloys) == 100


def test_without_copies_the_supercells_are_used() -> None:
    alloys = mixed(PESData.empty())
    # A pure species has but one arrangement in each of them, and one of these is there already.
    assert 90 < len(alloys) < 100
    assert set(alloys.group) == set(SUPERCELLS.id)


def test_atoms_are_not_too_close() -> None:
    diamond = PESData.from_atoms([bulk("C", "diamond", a=3.567, cubic=True)])
    copies = rattle_structures(make_copies(diamond, 50), RattleParameters(), 0.45, seed=1)
    alloys = mixed(copies, diamond, alloy_species=["C", "Pb"], allow_new_species=True)
    assert len(alloys) > 20
    assert not any(colliding_atoms(*g, 0.45).any() for g in geometries(alloys))


def test_no_species_means_no_alloys() -> None:
    assert len(mix_alloys(COPIES, SUPERCELLS, AlloyParameters(), 0.45, seed=1)) == 0


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"alloy_species": ["Cu", "Ag"]},
            r"alloy_species: Ag occurs in none of the initial structures, which hold Cu, Au",
        ),
        ({"fixed_species": ["Te"]}, r"fixed_species: Te occurs in none of the initial structures"),
    ],
)
def test_species_that_no_structure_holds_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mixed(**keys)


def test_structures_without_any_site_are_refused() -> None:
    with pytest.raises(InputError, match="no structure has a site for alloy_species"):
        mixed(
            TELLURIDE,
            TELLURIDE,
            alloy_species=["Cu", "Au"],
            fixed_species=["Mo", "Te"],
            allow_new_species=True,
        )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"compositions": [{"Cu": 0.5, "Au": 0.4}]}, r"add up to 0\.9, not to 1"),
        ({"compositions": [{"Cu": 0.5, "Ag": 0.5}]}, "names Ag, which is not one of alloy_species"),
        ({"alloy_species": ["Cu"]}, "at least two different species"),
        ({"alloy_species": ["Cu", "Cu"]}, "at least two different species"),
        ({"alloy_species": ["Cu", "Ao"]}, "not the symbol of a chemical element"),
        ({"fixed_species": ["Cu"]}, "Cu cannot be one of alloy_species and of fixed_species"),
        ({"arrangement": {"type": "quasirandom"}}, "did you mean 'special_quasirandom'"),
    ],
)
def test_wrong_parameters_say_what_is_wrong(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AlloyParameters.model_validate(GOLD_COPPER | keys)


def order_parameter(numbers: np.ndarray, cutoff: float) -> float:
    """Warren–Cowley parameter of the first shell of copper's lattice; 0 for a random alloy."""
    from matscipy.neighbours import neighbour_list

    i, j = neighbour_list("ij", COPPER, cutoff)
    unlike = (numbers[i] != numbers[j]).mean()
    share = (numbers == 79).mean()
    return float(1 - unlike / (2 * share * (1 - share)))


@pytest.fixture(scope="module")
def quasirandom() -> PESData:
    pytest.importorskip("sqsgenerator")
    keys = {"compositions": [{"Cu": 0.5, "Au": 0.5}], "count": 8, "arrangement": QUASIRANDOM}
    return mixed(**keys)


def test_quasirandom_alloys_have_less_order_than_random_ones(quasirandom: PESData) -> None:
    random = mixed(compositions=[{"Cu": 0.5, "Au": 0.5}], count=60)
    random = random[random.n_atoms == 32]
    cutoff = 3.8 / np.sqrt(2) * 1.1
    ordered = [abs(order_parameter(g.numbers, cutoff)) for g in geometries(random)]
    found = [abs(order_parameter(g.numbers, cutoff)) for g in geometries(quasirandom)]
    assert max(found) <= 0.05
    assert np.mean(ordered) > 3 * np.mean(found)


def test_quasirandom_alloys_are_on_whole_distorted_copies(quasirandom: PESData) -> None:
    assert set(quasirandom.n_atoms) == {32}
    assert set(quasirandom.group) <= set(RATTLED.id)
    assert not set(quasirandom.parent) & set(SUPERCELLS.id)
    assert fractions(quasirandom, 79).tolist() == [0.5] * 8
    assert len(np.unique(quasirandom.id)) == 8
    assert quasirandom.info[0]["arrangement"] == "special_quasirandom"


def test_quasirandom_alloys_are_reproduced(quasirandom: PESData) -> None:
    keys = {"compositions": [{"Cu": 0.5, "Au": 0.5}], "count": 8, "arrangement": QUASIRANDOM}
    assert mixed(**keys).id.tolist() == quasirandom.id.tolist()


def test_quasirandom_sheets_and_three_species(quasirandom: PESData) -> None:
    alloys = mixed(
        TELLURIDE,
        TELLURIDE,
        alloy_species=["Mo", "W", "Nb"],
        fixed_species=["Te"],
        allow_new_species=True,
        compositions=[{"Mo": 0.5, "W": 0.25, "Nb": 0.25}],
        count=3,
        arrangement=QUASIRANDOM,
    )
    assert len(alloys) == 3
    for numbers in alloys.numbers.reshape(3, -1):
        assert np.array_equal(numbers == 52, TELLURIDE.numbers == 52)
        assert np.bincount(numbers)[[41, 42, 74]].tolist() == [4, 8, 4]


def test_a_missing_library_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqsgenerator", None)
    with pytest.raises(InputError, match="pip install sqsgenerator"):
        mixed(arrangement=QUASIRANDOM)


def test_shells_are_those_of_the_lattice() -> None:
    distances = COPPER.get_all_distances(mic=True)
    shells = 3.8 * np.sqrt(np.array([0.5, 1, 1.5, 2]))
    assert shell_radii(distances, 5.4) == pytest.approx([0, *(shells + 0.05)])
    assert shell_radii(distances, 3.8) == pytest.approx([0, *(shells[:2] + 0.05)])
    assert len(shell_radii(distances, 0.0)) == 2
