"""Which of two phases of a binary alloy is lower, over its composition (paper, Eq. 5, Fig. 11).

E_f(x) = E(A₁₋ₓBₓ) − x E(B) − (1 − x) E(A), with the ends in the phase in which each is lowest, so
that the difference of two phases is that of their energies. Each composition is the average of
special quasirandom structures on the lattice of the phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
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
from potwright.pipelines.validation.results import Curve, Quantity, Result, successes
from potwright.pipelines.validation.surfaces import Surface, Surfaces


@dataclass(frozen=True, eq=False)
class AlloyEnergies:
    """Energies of a phase, eV per atom that is exchanged: per formula unit of W₁₋ₓMoₓTe₂.

    Attributes
    ----------
    compositions
        Shares of the second species, shape (k,).
    realisations
        Shape (k, n): of each quasirandom structure; NaN where there is none.
    """

    compositions: np.ndarray
    realisations: np.ndarray

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
    """Energies of the quasirandom structures of one phase.

    Parameters
    ----------
    structures
        By number of composition and of realisation.
    compositions
        Shares of the second species, shape (k,).
    sites
        Atoms of both species in a structure.
    relaxed
        Whether each is relaxed first, with its cell; those that fail are left out of the average.
    max_force, max_steps
        Of relaxations.

    Raises
    ------
    NoResultError
        If there is no energy at all.
    """
    energies = np.full((len(compositions), 1 + max(k for _, k in structures)), np.nan)
    why = ""
    if relaxed:
        plans = {
            key: relax(atoms, cell=True, max_force=max_force, max_steps=max_steps)
            for key, atoms in structures.items()
        }
        outcomes = yield from together(plans)
        for key, outcome in outcomes.items():
            if isinstance(outcome, NoResultError):
                why = str(outcome)
            else:
                energies[key] = outcome[1].energy / sites
    else:
        values = yield list(structures.values())
        for key, one in zip(structures, values, strict=True):
            energies[key], why = one.energy / sites, one.missing or why
    if not np.isfinite(energies).any():
        raise NoResultError(f"alloy: {why}")
    return AlloyEnergies(compositions, energies)


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


def _scatter(realisations: np.ndarray) -> np.ndarray:
    """Standard deviation over realisations, 0 where there is one."""
    known = np.isfinite(realisations)
    count = np.maximum(known.sum(axis=1), 1)
    mean = np.where(known, realisations, 0.0).sum(axis=1) / count
    squares = np.where(known, (realisations - mean[:, None]) ** 2, 0.0)
    return np.asarray(np.sqrt(squares.sum(axis=1) / count))
