"""Binding of layers over their distance, with and without dispersion (paper, Fig. 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.geometry import plane_heights, plane_normals
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.plans import NoResultError, Plan
from potwright.pipelines.validation.results import Curve, Quantity, Result, successes
from potwright.pipelines.validation.surfaces import Surface, Surfaces

BETWEEN_LAYERS = 0.7
"""Gaps between atoms that are wider than this fraction of the widest separate layers: in MoTe₂ the
planes of one layer are half as far from each other as layers are."""


@dataclass(frozen=True, eq=False)
class LayerBinding:
    """Energies of layers at given distances.

    Attributes
    ----------
    energies
        Per atom, less that at the largest distance, shape (k,), eV; NaN where there is none.
    distance
        Where the energy is lowest, Å.
    energy
        There, eV/atom.
    """

    energies: np.ndarray
    distance: float
    energy: float


def layer_binding(atoms: Atoms, distances: np.ndarray, axis: int = 2) -> Plan[LayerBinding]:
    """Move rigid layers apart.

    Parameters
    ----------
    atoms
        Layers across lattice vector ``axis``: an infinite stack, or a few in vacuum.
    distances
        From the topmost atoms of a layer to the lowest of the next, ascending, shape (k,), Å.
    axis
        0, 1 or 2.

    Raises
    ------
    InputError
        If there are no layers.
    NoResultError
        If energies are missing, or there is no minimum between the distances.
    """
    from scipy.interpolate import CubicSpline
    from scipy.optimize import minimize_scalar

    values = yield [at_distance(atoms, d, axis) for d in distances]
    energies = np.array([one.energy for one in values]) / len(atoms)
    energies = energies - energies[-1]
    known = np.isfinite(energies)
    if known.sum() < 4:
        raise NoResultError(f"interlayer binding: {values[-1].missing or 'too few energies'}")
    x, y = distances[known], energies[known]
    lowest = int(np.argmin(y))
    if lowest in (0, len(x) - 1):
        raise NoResultError("interlayer binding: no minimum between the distances")
    spline = CubicSpline(x, y)
    found = minimize_scalar(spline, bounds=(x[lowest - 1], x[lowest + 1]), method="bounded")
    return LayerBinding(energies, float(found.x), float(found.fun))


def at_distance(atoms: Atoms, distance: float, axis: int = 2) -> Atoms:
    """The same layers with this gap between neighbours; what is empty beyond them stays."""
    cell, pbc = atoms.cell.array, bool(atoms.pbc[axis])
    height, normal = float(plane_heights(cell)[axis]), plane_normals(cell)[axis]
    normal = normal * np.sign(normal @ cell[axis])
    fractions = atoms.get_scaled_positions(wrap=False)[:, axis]
    wrapped = fractions % 1.0
    order = np.argsort(wrapped)
    gaps = np.diff(wrapped[order], append=wrapped[order[0]] + 1.0) * height
    # begin above the widest gap, so that no layer is cut by the boundary
    first = (int(np.argmax(gaps)) + 1) % len(order)
    order, gaps = np.roll(order, -first), np.roll(gaps, -first)
    beyond = gaps[-1]
    inner = gaps[:-1]
    widest = beyond if pbc else float(np.max(inner, initial=0.0))
    cuts = inner > BETWEEN_LAYERS * widest
    if not pbc and not (len(inner) and cuts.any() and widest > 1.0):
        raise InputError(
            f"interlayer binding of {atoms.get_chemical_formula()}: no two layers across lattice "
            f"vector {axis}"
        )
    shifts = np.concatenate([[0.0], np.cumsum(np.where(cuts, distance - inner, 0.0))])
    rises = (wrapped[order] < wrapped[order[0]]) - np.floor(fractions[order])
    moved = atoms.copy()
    moved.positions[order] += np.outer(rises, cell[axis]) + np.outer(shifts, normal)
    taller = shifts[-1] + (distance - beyond if pbc else 0.0)
    changed = cell.copy()
    changed[axis] = cell[axis] + taller * normal
    moved.set_cell(changed, scale_atoms=False)
    return moved


def measure(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Binding of the layers of all listed prototypes; with dispersion, too, if there is any."""
    asked = parameters.interlayer
    distances = np.array(asked.distances_angstrom)
    added = parameters.dispersion.type
    kinds = {"": False} if added == "none" else {", without dispersion": False, f", {added}": True}
    missing: list[Any] = []
    quantities: list[Quantity] = []
    curves: list[Curve] = []
    for name in asked.prototypes:
        prototype = parameters.prototypes[name]
        for kind, dispersion in kinds.items():
            outcomes = surfaces.carry_out(
                partial(_plan, prototype.atoms, distances, asked.axis),
                surfaces.repeats_of(prototype),
                dispersion=dispersion,
            )
            found = successes(outcomes, f"{name}{kind}", missing)
            quantities += _quantities(name, kind, found)
            if found:
                curves.append(
                    Curve(
                        name,
                        f"interlayer binding{kind}",
                        "distance of the layers, Å",
                        "energy, eV/atom",
                        distances,
                        {surface: one.energies for surface, one in found.items()},
                    )
                )
    return Result("interlayer", quantities, curves, missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters) -> None:
    """Refuse unknown elements, and what has no layers."""
    asked = parameters.interlayer
    for name in asked.prototypes:
        atoms = parameters.prototypes[name].atoms
        surfaces.refuse_species(atoms.numbers, f"prototype {name!r}")
        at_distance(atoms, asked.distances_angstrom[0], asked.axis)  # finds no two layers


def _plan(atoms: Atoms, distances: np.ndarray, axis: int, _: Surface) -> Plan[LayerBinding]:
    return layer_binding(atoms, distances, axis)


def _quantities(name: str, kind: str, found: Mapping[Surface, LayerBinding]) -> list[Quantity]:
    if not found:
        return []
    return [
        Quantity(
            name, f"distance of the layers{kind}", "Å", {s: o.distance for s, o in found.items()}
        ),
        Quantity(
            name,
            f"interlayer binding{kind}",
            "meV/atom",
            {s: 1000 * one.energy for s, one in found.items()},
        ),
    ]
