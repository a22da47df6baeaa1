"""Which of two phases of a binary alloy is lower, over its composition (paper, Eq. 5, Fig. 11).

E_f(x) = E(A₁₋ₓBₓ) − x E(B) − (1 − x) E(A), with the ends in the phase in which each is lowest, so
that the difference of two phases is that of their energies. Each composition is the average of
special quasirandom structures on the lattice of the phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from potwright.errors import InputError
from potwright.geometry.quasirandom import can_arrange
from potwright.pipelines.validation.alloy_structures import quasirandom_alloys, refuse_other_ends
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.parameters_disorder import AlloyParameters
from potwright.pipelines.validation.plans import NoResultError, Plan, together
from potwright.pipelines.validation.relaxation import relax
from potwright.pipelines.validation.results import Curve, Quantity, Result, in_words, successes
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces


@dataclass(frozen=True, eq=False)
class AlloyEnergies:
    """Energies of a phase, eV per atom that is exchanged: per formula unit of W₁₋ₓMoₓTe₂.

    Attributes
    ----------
    compositions
        Shares of the second species, shape (k,).
    realisations
        Shape (k, n): of each quasirandom structure; NaN where there is none.
    missing
        Why, by number of composition and of realisation.
    """

    compositions: np.ndarray
    realisations: np.ndarray
    missing: Mapping[tuple[int, int], str]

    @property
    def means(self) -> np.ndarray:
        """Over realisations, shape (k,)."""
        known = np.isfinite(self.realisations)
        sums = np.where(known, self.realisations, 0.0).sum(axis=1)
        return np.asarray(
            np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)
        )


def alloy_energies(
    structures: Mapping[tuple[int, int], Atoms],
    compositions: np.ndarray,
    sites: int,
    *,
    relaxed: bool = False,
    max_force: float = 0.02,
    max_steps: int = 200,
) -> Plan[AlloyEnergies]:
    """Energies of the quasirandom structures of one phase; those that fail are left out of means.

    Parameters
    ----------
    structures
        By number of composition and of realisation.
    compositions
        Shares of the second species, shape (k,).
    sites
        Atoms of both species in a structure.
    relaxed
        Whether each is relaxed first, with its cell.
    max_force, max_steps
        Of relaxations.

    Raises
    ------
    NoResultError
        If there is no energy at all.
    """
    energies = np.full((len(compositions), 1 + max(k for _, k in structures)), np.nan)
    missing: dict[tuple[int, int], str] = {}
    if relaxed:
        plans = {
            key: relax(atoms, cell=True, max_force=max_force, max_steps=max_steps)
            for key, atoms in structures.items()
        }
        outcomes = yield from together(plans)
        for key, outcome in outcomes.items():
            if isinstance(outcome, NoResultError):
                missing[key] = str(outcome)
            else:
                energies[key] = outcome[1].energy / sites
    else:
        values = yield list(structures.values())
        for key, one in zip(structures, values, strict=True):
            energies[key] = one.energy / sites
            if not np.isfinite(one.energy):
                missing[key] = one.missing or "the energy is not finite"
    if len(missing) == len(structures):
        raise NoResultError(f"alloy: {next(iter(missing.values()))}")
    return AlloyEnergies(compositions, energies, missing)


def measure(surfaces: Surfaces, parameters: ValidationParameters, seed: int) -> Result:
    """Energies of both phases and their difference over composition, on all surfaces."""
    asked = parameters.alloys
    missing: list[Any] = []
    found: dict[str, dict[Surface, AlloyEnergies]] = {}
    for number, (phase, ends) in enumerate(asked.phases.items()):
        first, second = (parameters.prototypes[name].atoms for name in ends)
        structures, compositions, sites = quasirandom_alloys(first, second, asked, seed, number)
        plan = partial(
            alloy_energies,
            structures,
            compositions,
            sites,
            relaxed=asked.relax,
            max_force=asked.max_force_ev_per_angstrom,
            max_steps=asked.max_steps,
        )
        outcomes = surfaces.carry_out(partial(_plan, plan), dispersion=asked.dispersion)
        found[phase] = successes(outcomes, phase, missing)
        missing += [
            (f"{phase}, x = {compositions[c]:.3g}, realisation {k}", in_words(surface), why)
            for surface, one in found[phase].items()
            for (c, k), why in one.missing.items()
        ]
    quantities, curves = _differences(found, asked)
    return Result("alloys", quantities, curves, missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters) -> None:
    """Refuse unknown elements, ends between which no alloy lies, and a package that is missing."""
    asked = parameters.alloys
    if not can_arrange():
        raise InputError(
            "validation.alloys needs the package sqsgenerator: pip install 'potwright[sqs]', or "
            "set enabled: false"
        )
    surfaces.refuse_species([atomic_numbers[s] for s in asked.species], "validation.alloys.species")
    for phase, ends in asked.phases.items():
        first, second = (parameters.prototypes[name].atoms for name in ends)
        surfaces.refuse_species(first.numbers, f"prototype {ends[0]!r}")
        refuse_other_ends(first, second, asked.species, phase)


def _plan(plan: Any, _: Surface) -> Plan[AlloyEnergies]:
    return plan()


def _differences(
    found: Mapping[str, Mapping[Surface, AlloyEnergies]], asked: AlloyParameters
) -> tuple[list[Quantity], list[Curve]]:
    (one, of_one), (other, of_other) = found.items()
    both = [surface for surface in of_one if surface in of_other]
    if not both:
        return [], []
    name = f"{one} − {other}"
    x = of_one[both[0]].compositions
    differences = {s: of_one[s].means - of_other[s].means for s in both}
    scatter = {
        s: np.hypot(_scatter(of_one[s].realisations), _scatter(of_other[s].realisations))
        for s in both
    }
    label, y_label = f"share of {asked.species[1]}", "formation energy, eV per exchanged atom"
    quantities = [
        Quantity(
            name,
            f"formation-energy difference at x = {share:.3g}",
            "meV per exchanged atom",
            {s: 1000 * float(differences[s][i]) for s in both},
        )
        for i, share in enumerate(x.tolist())
    ]
    quantities += [Quantity(name, *number) for number in _summary(x, differences)]
    curves = [
        Curve(name, "formation-energy difference", label, y_label, x, differences),
        Curve(name, "scatter of the realisations", label, y_label, x, scatter),
    ]
    if x[0] == 0 and x[-1] == 1:
        lowest = {s: [min(of_one[s].means[i], of_other[s].means[i]) for i in (0, -1)] for s in both}
        curves += [
            Curve(
                phase,
                "formation energy",
                label,
                y_label,
                x,
                {s: of[s].means - (1 - x) * lowest[s][0] - x * lowest[s][1] for s in both},
            )
            for phase, of in found.items()
        ]
    return quantities, curves


def _summary(
    x: np.ndarray, differences: Mapping[Surface, np.ndarray]
) -> list[tuple[str, str, dict[Surface, float]]]:
    """Of each curve its slope, its error, and its crossover if the reference has one."""
    unit = "meV per exchanged atom"
    slopes = {s: 1000 * slope(x, one) for s, one in differences.items()}
    numbers = [("slope of the formation-energy difference over x", unit, slopes)]
    if REFERENCE not in differences:
        return numbers
    known = differences[REFERENCE]
    errors = {
        s: 1000 * float(np.mean(np.abs(one - known), where=np.isfinite(one - known)))
        for s, one in differences.items()
        if s != REFERENCE and np.isfinite(one - known).any()
    }
    numbers.append(("mean absolute error of the formation-energy difference", unit, errors))
    crossovers = {s: crossover(x, one) for s, one in differences.items()}
    if np.isfinite(crossovers[REFERENCE]):
        numbers.append(("composition of the crossover", "1", crossovers))
    return numbers


def slope(x: np.ndarray, difference: np.ndarray) -> float:
    """Of the straight line with the least squared distance; NaN for fewer than two values."""
    known = np.isfinite(difference)
    if len(set(x[known].tolist())) < 2:
        return float("nan")
    return float(np.polyfit(x[known], difference[known], 1)[0])


def crossover(x: np.ndarray, difference: np.ndarray) -> float:
    """The smallest x at which a difference changes its sign, linear in between; NaN for none."""
    known = np.isfinite(difference)
    x, difference = x[known], difference[known]
    for i, j in pairwise(np.flatnonzero(difference)):  # zeros may lie in between
        if difference[i] * difference[j] < 0:
            between = slice(i, j + 1)
            rising = difference[between] * np.sign(difference[j])
            return float(np.interp(0.0, rising, x[between]))
    return float("nan")


def _scatter(realisations: np.ndarray) -> np.ndarray:
    """Standard deviation over realisations, 0 where there is one."""
    known = np.isfinite(realisations)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, realisations, 0.0).sum(axis=1) / count
    squares = np.where(known, (realisations - mean[:, None]) ** 2, 0.0)
    return np.asarray(np.sqrt(squares.sum(axis=1) / count))
