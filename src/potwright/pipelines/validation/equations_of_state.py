"""Equations of state, from two atoms to a crystal (paper, Fig. 7).

A structure is scaled along its periodic directions, its atoms with it; a molecule as a whole. The
binding energy is that of its atoms less that of the same atoms far from each other, by the same
surface. Potentials that learnt a mean energy per atom know isolated atoms badly: what is plotted
counts from the isolated atoms of the reference, unless ``isolated_atoms: own`` is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.data import chemical_symbols

from potwright.geometry import nearest_neighbour_distances
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.plans import NoResultError, Plan
from potwright.pipelines.validation.prototypes import Prototype
from potwright.pipelines.validation.relaxation import projector
from potwright.pipelines.validation.results import Curve, Quantity, Result, in_words, successes
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces

NEWTON_PER_METRE = units.kg / units.second**2
MEASURES = {
    3: ("volume per atom", "Å³"),
    2: ("area per atom", "Å²"),
    1: ("length per atom", "Å"),
}
STIFFNESSES = {
    3: ("bulk modulus", "GPa", 1 / units.GPa),
    2: ("area modulus", "N/m", 1 / NEWTON_PER_METRE),
    1: ("stretching modulus", "eV/Å", 1.0),
    0: ("force constant", "eV/Å²", 1.0),
}
FIT_SPAN = 0.03
"""A minimum is fitted to lengths that differ from it by this fraction at most ..."""
FIT_POINTS = 7
"""... at so many points, evaluated for the purpose."""
TRIES = 3
VACUUM_OF_ATOMS_ANGSTROM = 15.0


@dataclass(frozen=True, eq=False)
class EquationOfState:
    """Energies over lengths, and the minimum.

    Attributes
    ----------
    bonds
        Distance of nearest neighbours at the scales that were asked for, shape (k,), Å.
    energies
        Per atom, shape (k,), eV; NaN where there is none.
    minimum
        The scale at which the energy is lowest.
    bond
        Distance of nearest neighbours there, Å.
    energy
        Per atom there, eV.
    measure
        Of what is scaled, at the minimum and per atom: Å³, Å² (a sheet) or Å (a wire); of a
        molecule the distance of nearest neighbours.
    stiffness
        d²E/dx² · x of the whole over the measure x: bulk modulus in eV/Å³, for a sheet that of its
        area in eV/Å²; of a molecule d²E/dr², eV/Å².
    directions
        How many directions are scaled: 3, 2, 1, or 0 for a molecule.
    no_minimum
        Why there is no minimum; all that is said of it is NaN then. Empty where there is one.
    """

    bonds: np.ndarray
    energies: np.ndarray
    minimum: float
    bond: float
    energy: float
    measure: float
    stiffness: float
    directions: int
    no_minimum: str = ""


def equation_of_state(
    atoms: Atoms, scales: np.ndarray, fixed_axes: tuple[int, ...] = ()
) -> Plan[EquationOfState]:
    """Energies at given scales of all lengths, then at seven about the minimum.

    Parameters
    ----------
    atoms
        At scale 1.
    scales
        Shape (k,), ascending.
    fixed_axes
        Periodic lattice vectors that keep their lengths.

    Raises
    ------
    NoResultError
        If there are too few energies for a curve.
    """
    n, structures = len(atoms), [scaled(atoms, s, fixed_axes) for s in scales]
    bonds = np.array([_bond(one) for one in structures])
    values = yield structures
    energies = np.array([one.energy for one in values]) / n
    if np.isfinite(energies).sum() < 3:
        raise NoResultError(f"equation of state: {values[0].missing or 'too few energies'}")
    directions = int(_scaled_axes(atoms, fixed_axes).sum())
    try:
        near = float(scales[int(np.nanargmin(energies))])
        fitted, found = yield from _about_minimum(atoms, near, fixed_axes)
    except NoResultError as why:
        nothing = (np.nan,) * 5
        return EquationOfState(bonds, energies, *nothing, directions, str(why))
    minimum, energy, curvature = _minimum(fitted, found)
    at_minimum = scaled(atoms, minimum, fixed_axes)
    bond = _bond(at_minimum)
    measure = _measure(at_minimum, fixed_axes) if directions else bond
    d = directions or 1
    # x = c·s^d, so x·d²E/dx² = (d²E/ds²)·s²/(d²·x) where dE/ds = 0; for a pair d²E/dr² instead
    stiffness = curvature * minimum**2 / (d**2 * measure * (1 if directions else bond))
    share = n if directions else 1
    return EquationOfState(
        bonds, energies, minimum, bond, energy / n, measure / share, stiffness, directions
    )


def _about_minimum(
    atoms: Atoms, near: float, fixed_axes: tuple[int, ...]
) -> Plan[tuple[np.ndarray, np.ndarray]]:
    """Scales on both sides of a minimum, and energies there."""
    for _ in range(TRIES):  # wide steps may miss the minimum by more than the span of the fit
        fitted = near * np.linspace(1 - FIT_SPAN, 1 + FIT_SPAN, FIT_POINTS)
        values = yield [scaled(atoms, s, fixed_axes) for s in fitted]
        found = np.array([one.energy for one in values])
        if not np.isfinite(found).all():
            why = next((one.missing for one in values if one.missing), "no energies")
            raise NoResultError(f"equation of state at its minimum: {why}")
        lowest = int(np.argmin(found))
        if 0 < lowest < FIT_POINTS - 1:
            return fitted, found
        near = float(fitted[lowest])
    raise NoResultError("equation of state: no minimum within the scales")


def isolated_atoms(numbers: np.ndarray) -> Plan[dict[int, float]]:
    """Energies of single atoms by atomic number, eV; NaN where there is none."""
    box = np.eye(3) * VACUUM_OF_ATOMS_ANGSTROM
    species = sorted({int(z) for z in numbers})
    values = yield [Atoms([z], cell=box, positions=[box.sum(0) / 2]) for z in species]
    return {z: one.energy for z, one in zip(species, values, strict=True)}


def scaled(atoms: Atoms, scale: float, fixed_axes: tuple[int, ...] = ()) -> Atoms:
    """The structure with its periodic lattice vectors stretched, or all of a molecule."""
    changed = atoms.copy()
    if not atoms.pbc.any():
        centre = atoms.positions.mean(axis=0)
        changed.positions = centre + (atoms.positions - centre) * scale
        return changed
    within = projector(_with_axes(atoms, fixed_axes))
    deformation = np.eye(3) + (scale - 1) * within
    changed.set_cell(atoms.cell.array @ deformation, scale_atoms=False)
    changed.positions = atoms.positions @ deformation
    return changed


def measure(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Equations of state of all listed prototypes, on all surfaces."""
    asked = parameters.equation_of_state
    prototypes = {name: parameters.prototypes[name] for name in asked.prototypes}
    scales = np.linspace(asked.min_scale, asked.max_scale, asked.points)
    missing: list[Any] = []
    species = sorted({z for one in prototypes.values() for z in one.atoms.numbers.tolist()})
    atoms = successes(
        surfaces.carry_out(lambda _: isolated_atoms(np.array(species))), "isolated atoms", missing
    )
    quantities = [
        Quantity(
            chemical_symbols[z],
            "energy of the isolated atom",
            "eV",
            {surface: one[z] for surface, one in atoms.items()},
        )
        for z in species
    ]
    curves = []
    for name, prototype in prototypes.items():
        outcomes = surfaces.carry_out(
            partial(_plan, prototype, scales),
            surfaces.repeats_of(prototype),
            dispersion=asked.dispersion,
        )
        found = successes(outcomes, name, missing)
        missing += [
            (name, in_words(s), one.no_minimum) for s, one in found.items() if one.no_minimum
        ]
        own = {
            surface: float(np.mean([one[z] for z in prototype.atoms.numbers.tolist()]))
            for surface, one in atoms.items()
        }
        shared = {surface: own.get(REFERENCE, np.nan) for surface in own}
        if found:
            quantities += _quantities(name, found, own, shared)
            zero = own if asked.isolated_atoms == "own" else shared
            curves.append(_curve(name, found, zero))
    return Result("equation_of_state", quantities, curves, missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters) -> None:
    """Refuse prototypes that cannot be made, or of elements that somebody does not know."""
    for name in parameters.equation_of_state.prototypes:
        surfaces.refuse_species(parameters.prototypes[name].atoms.numbers, f"prototype {name!r}")


def _plan(prototype: Prototype, scales: np.ndarray, _: Surface) -> Plan[EquationOfState]:
    return equation_of_state(prototype.atoms, scales, prototype.fixed_axes)


def _quantities(
    name: str,
    found: Mapping[Surface, EquationOfState],
    own: Mapping[Surface, float],
    shared: Mapping[Surface, float],
) -> list[Quantity]:
    directions = next(iter(found.values())).directions
    numbers = [
        ("bond length", "Å", {s: one.bond for s, one in found.items()}),
        ("binding energy", "eV/atom", _above(found, own)),
        ("energy above isolated atoms of the reference", "eV/atom", _above(found, shared)),
    ]
    if directions in MEASURES:
        what, unit = MEASURES[directions]
        numbers.append((what, unit, {s: one.measure for s, one in found.items()}))
    what, unit, factor = STIFFNESSES[directions]
    numbers.append((what, unit, {s: one.stiffness * factor for s, one in found.items()}))
    return [Quantity(name, *number) for number in numbers]


def _above(
    found: Mapping[Surface, EquationOfState], zero: Mapping[Surface, float]
) -> dict[Surface, float]:
    return {s: one.energy - zero.get(s, np.nan) for s, one in found.items()}


def _curve(
    name: str, found: Mapping[Surface, EquationOfState], zero: Mapping[Surface, float]
) -> Curve:
    return Curve(
        name,
        "equation of state",
        "bond length, Å",
        "binding energy, eV/atom",
        next(iter(found.values())).bonds,
        {surface: one.energies - zero.get(surface, np.nan) for surface, one in found.items()},
    )


def _minimum(scales: np.ndarray, energies: np.ndarray) -> tuple[float, float, float]:
    """Where the energy is lowest, its value, and its second derivative there.

    A polynomial of degree 4 in 1/s², that is of Birch's strain with one order more than the third-
    order Birch–Murnaghan equation.
    """
    from scipy.optimize import minimize_scalar

    x, offset = scales**-2.0, energies.mean()
    middle, width = x.mean(), np.ptp(x) / 2
    fit = np.polynomial.Polynomial.fit((x - middle) / width, energies - offset, 4).convert()

    def energy(s: float) -> float:
        return float(fit((s**-2.0 - middle) / width))

    bounds = (float(scales[0]), float(scales[-1]))
    found = minimize_scalar(energy, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    s = float(found.x)
    at = (s**-2.0 - middle) / width
    slope, bend = float(fit.deriv(1)(at)), float(fit.deriv(2)(at))
    inner, inner_bend = -2 * s**-3.0 / width, 6 * s**-4.0 / width  # of at by s
    return s, energy(s) + offset, bend * inner**2 + slope * inner_bend


def _with_axes(atoms: Atoms, fixed_axes: tuple[int, ...]) -> Atoms:
    axes = atoms.copy()
    axes.pbc = _scaled_axes(atoms, fixed_axes)
    return axes


def _scaled_axes(atoms: Atoms, fixed_axes: tuple[int, ...]) -> np.ndarray:
    return atoms.pbc & ~np.isin(np.arange(3), fixed_axes)


def _measure(atoms: Atoms, fixed_axes: tuple[int, ...]) -> float:
    """Volume, area or length of the cell along what is scaled, Å to the power of its directions."""
    vectors = atoms.cell.array[_scaled_axes(atoms, fixed_axes)]
    return float(np.sqrt(np.linalg.det(vectors @ vectors.T)))


def _bond(atoms: Atoms) -> float:
    distances = nearest_neighbour_distances(atoms.positions, atoms.cell.array, atoms.pbc)
    return float(np.min(distances))
