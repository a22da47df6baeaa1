"""Alloys over composition: Eq. 5 on surfaces where it is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, mx2
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.mixing import LinearCombinationCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from potwright.errors import InputError
from potwright.pipelines.validation import alloys
from potwright.pipelines.validation.alloy_structures import (
    mixed_lattice,
    quasirandom_alloys,
    refuse_other_ends,
)
from potwright.pipelines.validation.alloys import alloy_energies, crossover, slope
from potwright.pipelines.validation.parameters_disorder import AlloyParameters
from potwright.pipelines.validation.plans import Values, answer, carry_out
from potwright.pipelines.validation.surfaces import REFERENCE, Surface

pytest.importorskip("sqsgenerator")
ENDS = {
    "fcc": {"structure": "fcc", "species": "Cu", "length_angstrom": 3.6},
    "fcc_gold": {"structure": "fcc", "species": "Au", "length_angstrom": 4.1},
    "bcc": {"structure": "bcc", "species": "Cu", "length_angstrom": 2.87},
    "bcc_gold": {"structure": "bcc", "species": "Au", "length_angstrom": 3.25},
}
PHASES = {"fcc": ("fcc", "fcc_gold"), "bcc": ("bcc", "bcc_gold")}


def settings(**given: Any) -> AlloyParameters:
    keys = {"species": ("Cu", "Au"), "phases": PHASES, "min_length_angstrom": 5.0}
    keys |= {"compositions": (0, 0.5, 1), "realisations": 3, "iterations": 500}
    return AlloyParameters.model_validate({**keys, **given})


def test_only_the_species_exchange_sites_and_realisations_differ() -> None:
    first, second = (
        mx2(f"{m}Te2", a=a, thickness=3.6, vacuum=6) for m, a in (("Mo", 3.5), ("W", 3.6))
    )
    for atoms in (first, second):
        atoms.pbc = (True, True, False)
    asked = settings(species=("Mo", "W"), min_length_angstrom=10.0)
    structures, shares, sites = quasirandom_alloys(first, second, asked, 1, 0)
    assert (sites, shares.tolist()) == (9, [0.0, pytest.approx(4 / 9), 1.0])
    assert sorted(structures) == [(0, 0), (1, 0), (1, 1), (1, 2), (2, 0)]
    mixed = [structures[1, k] for k in range(3)]
    assert all((a.numbers == 52).tolist() == (mixed[0].numbers == 52).tolist() for a in mixed)
    assert {(a.numbers == 74).sum() for a in mixed} == {4}
    assert len({a.numbers.tobytes() for a in mixed}) > 1
    again, _, _ = quasirandom_alloys(first, second, asked, 1, 0)
    assert all((again[key].numbers == structures[key].numbers).all() for key in structures)


def test_lattices_lie_between_those_of_the_ends() -> None:
    first, second = bulk("Cu", a=3.6), bulk("Au", a=4.0)
    assert mixed_lattice(first, second, 0.25).cell.lengths()[0] == pytest.approx(3.7 / np.sqrt(2))


def telluride(metal: str, **given: Any) -> Atoms:
    sheet = mx2(f"{metal}Te2", a=3.5, thickness=3.6, vacuum=6, **given)
    sheet.pbc = (True, True, False)
    return sheet


def moved(atoms: Atoms, order: list[int]) -> Atoms:
    """Other places, the same list of species."""
    changed = atoms.copy()
    changed.positions = atoms.positions[order]
    return changed


def periodic(atoms: Atoms) -> Atoms:
    changed = atoms.copy()
    changed.pbc = True
    return changed


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        (telluride("W"), telluride("Mo"), "the first end, .*, has to contain Mo and no W"),
        (telluride("Mo"), telluride("Mo"), "the second end, .*, has to contain W and no Mo"),
        (telluride("Mo"), telluride("W").repeat((2, 1, 1)), "no ends of one phase"),
        (telluride("Mo"), telluride("W")[[1, 0, 2]], "same atoms in the same order"),
        (telluride("Mo"), moved(telluride("W"), [0, 2, 1]), "same atoms in the same order"),
        (telluride("Mo"), periodic(telluride("W")), "the same pbc"),
        (bulk("Mo"), Atoms("MoW", cell=[3, 3, 6], pbc=True), "second end, .* and no Mo"),
    ],
)
def test_ends_between_which_no_alloy_lies_are_refused(
    first: Atoms, second: Atoms, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        refuse_other_ends(first, second, ("Mo", "W"), "H")


def test_an_end_may_lie_elsewhere_in_its_cell_and_be_relaxed() -> None:
    first, second = telluride("Mo"), telluride("W")
    second.set_cell(second.cell * 1.03, scale_atoms=True)
    second.translate(second.cell[0] * 0.6 + second.cell[1] * 0.3)
    second.wrap()
    second.rattle(0.1, seed=1)
    refuse_other_ends(first, second, ("Mo", "W"), "H")


def test_energies_are_those_of_a_site_and_failed_ones_do_not_count() -> None:
    structures = {(0, 0): bulk("Cu"), (1, 0): bulk("Au"), (1, 1): bulk("Ag")}

    def evaluate(asked: Sequence[Atoms]) -> list[Values]:
        known = {29: 1.0, 79: 3.0}
        return [
            Values(known[z], np.zeros((1, 3)), np.zeros(6))
            if (z := int(atoms.numbers[0])) in known
            else Values.none(1, "it failed")
            for atoms in asked
        ]

    found = answer(alloy_energies(structures, np.array([0.0, 1.0]), sites=2), evaluate)
    assert found.means.tolist() == [0.5, 1.5]
    assert found.missing == {(1, 1): "it failed"}


def test_the_difference_of_two_phases_by_equation_5(multiples, asked) -> None:
    """At the ends it is the difference of the pure phases; formation energies are 0 there."""
    given = settings().model_dump()
    result = alloys.measure(multiples, asked(alloys=given, prototypes=ENDS), seed=1)
    difference = next(c for c in result.curves if c.quantity == "formation-energy difference")
    fcc, bcc = bulk("Cu", a=3.6), bulk("Cu", "bcc", a=2.87)
    for atoms in (fcc, bcc):
        atoms.calc = EMT()
    expected = fcc.get_potential_energy() - bcc.get_potential_energy()
    assert difference.y[REFERENCE][0] == pytest.approx(expected, abs=1e-9)
    ratio = difference.y[Surface("committee")] / difference.y[REFERENCE]
    assert ratio == pytest.approx(1.1)
    phases = {
        c.structure: c.y[REFERENCE] for c in result.curves if c.quantity == "formation energy"
    }
    lowest = np.minimum(phases["fcc"], phases["bcc"])
    assert lowest[[0, -1]] == pytest.approx([0, 0], abs=1e-12)
    assert phases["fcc"] - phases["bcc"] == pytest.approx(difference.y[REFERENCE])


def between(surfaces: Any, asked: Any, gold: float) -> Any:
    """fcc copper to fcc gold of a lattice constant, less the same of bcc, at the ends alone."""
    prototypes = ENDS | {"fcc_gold": {**ENDS["fcc_gold"], "length_angstrom": gold}}
    given = settings(compositions=(0, 1)).model_dump()
    return alloys.measure(surfaces, asked(alloys=given, prototypes=prototypes), seed=1)


def by_hand(gold: float) -> np.ndarray:
    """What effective medium theory says of the two ends, meV."""
    cells = [
        (bulk("Cu", a=3.6), bulk("Cu", "bcc", a=2.87)),
        (bulk("Au", a=gold), bulk("Au", "bcc", a=3.25)),
    ]
    energies = [[EMT().get_potential_energy(atoms) for atoms in ends] for ends in cells]
    return 1000 * np.array([fcc - bcc for fcc, bcc in energies])


def test_slope_error_and_crossover_of_multiples_of_a_surface(multiples: Any, asked: Any) -> None:
    """A line from the end where fcc is lower to gold so stretched that bcc is."""
    result = between(multiples, asked, gold=4.9)
    rows = {q.quantity: (q.unit, q.values) for q in result.quantities}
    at_copper, at_gold = by_hand(4.9)
    assert at_copper < 0 < at_gold
    unit, slopes = rows["slope of the formation-energy difference over x"]
    assert unit == "meV per exchanged atom"
    _, errors = rows["mean absolute error of the formation-energy difference"]
    _, crossovers = rows["composition of the crossover"]
    factors = {REFERENCE: 1.0, Surface("committee"): 1.1, Surface("committee", 1): 1.2}
    for surface, factor in factors.items():
        assert slopes[surface] == pytest.approx(factor * (at_gold - at_copper))
        assert crossovers[surface] == pytest.approx(at_copper / (at_copper - at_gold))
        if surface != REFERENCE:  # which has no error
            mean = (abs(at_copper) + abs(at_gold)) / 2
            assert errors[surface] == pytest.approx((factor - 1) * mean)
    assert REFERENCE not in errors


def test_a_crossover_is_claimed_only_where_the_reference_has_one(
    in_process: Any, asked: Any
) -> None:
    lower, higher = EMT(), LinearCombinationCalculator([EMT()], [-1.0])
    surfaces = in_process({REFERENCE: lower, Surface("wrong"): higher})
    result = between(surfaces, asked, gold=4.1)
    assert all(by_hand(4.1) < 0)
    assert "composition of the crossover" not in {q.quantity for q in result.quantities}


@pytest.mark.parametrize(
    ("difference", "where"),
    [
        ([-1.0, 1.0, 3.0], 0.25),
        ([3.0, 1.0, -1.0], 0.75),
        ([-1.0, 0.0, 1.0], 0.5),
        ([1.0, np.nan, -3.0], 0.25),
        ([0.0, 1.0, 2.0], None),
        ([1.0, 0.0, 1.0], None),
        ([1.0, 2.0, 3.0], None),
    ],
)
def test_a_crossover_is_a_change_of_sign(difference: list[float], where: float | None) -> None:
    found = crossover(np.array([0.0, 0.5, 1.0]), np.array(difference))
    assert np.isnan(found) if where is None else found == pytest.approx(where)


def test_slopes_are_of_what_is_known() -> None:
    x = np.array([0.0, 0.25, 0.5, 1.0])
    assert slope(x, np.array([1.0, np.nan, 2.0, 3.0])) == pytest.approx(2)
    assert np.isnan(slope(x, np.array([1.0, np.nan, np.nan, np.nan])))


class Losing(Calculator):
    """Effective medium theory that has no forces for one arrangement of species."""

    implemented_properties = ("energy", "forces", "stress")

    def __init__(self, lost: np.ndarray):
        super().__init__()
        self.lost, self.known = lost, EMT()

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        super().calculate(atoms, properties, system_changes)
        self.known.calculate(self.atoms)
        self.results = dict(self.known.results)
        if np.array_equal(self.atoms.numbers, self.lost):
            self.results["forces"] = np.full((len(self.atoms), 3), np.nan)


def test_relaxed_alloys_are_averages_of_those_that_relax_and_the_others_are_reported(
    in_process: Any, asked: Any
) -> None:
    """One of two realisations fails: ASE's own relaxation of the other is the average."""
    given = settings(compositions=(0.5,), realisations=2, relax=True, max_force_ev_per_angstrom=0.2)
    parameters = asked(alloys=given.model_dump(), prototypes=ENDS)
    first, second = (parameters.prototypes[name].atoms for name in PHASES["fcc"])
    structures, shares, sites = quasirandom_alloys(first, second, given, 1, 0)
    kept, lost = structures[0, 0], structures[0, 1].numbers
    assert not np.array_equal(kept.numbers, lost)

    plan = alloy_energies(structures, shares, sites, relaxed=True, max_force=0.005)
    found = carry_out(plan, Losing(lost))
    unrelaxed = kept.copy()
    kept.calc, unrelaxed.calc = EMT(), EMT()
    BFGS(FrechetCellFilter(kept), logfile=None).run(fmax=0.005, steps=200)
    assert found.means[0] == pytest.approx(kept.get_potential_energy() / sites, abs=1e-3)
    assert found.means[0] < unrelaxed.get_potential_energy() / sites - 0.005
    assert list(found.missing) == [(0, 1)]

    surfaces = in_process({REFERENCE: EMT(), Surface("losing"): Losing(lost)})
    result = alloys.measure(surfaces, parameters, seed=1)
    reported = [one for one in result.missing if one[0].startswith("fcc")]
    assert reported == [
        ("fcc, x = 0.5, realisation 1", "losing", "relaxation: forces are not finite")
    ]
