"""Phonons by finite displacements in a supercell, with phonopy (paper, Fig. 8).

A. Togo, L. Chaput, T. Tadano, I. Tanaka, J. Phys.: Condens. Matter 35, 353001 (2023). Without the
splitting that long-range fields make in polar crystals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.geometry import find_supercell, plane_heights
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.plans import NoResultError, Plan, in_supercells
from potwright.pipelines.validation.prototypes import MAX_ATOMS, Repeats
from potwright.pipelines.validation.relaxation import relax
from potwright.pipelines.validation.results import Curve, Quantity, Result, successes
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces

SYMMETRY_ANGSTROM = 1e-4
"""Positions that differ by less are the same to phonopy: relaxations leave them so far apart."""
DOS_POINTS = 401
DOS_WIDTH_THZ = 0.3


@dataclass(frozen=True, eq=False)
class Phonons:
    """Frequencies of a relaxed structure of n atoms, THz; imaginary ones are negative.

    Attributes
    ----------
    relaxed
        The structure.
    on_path
        Shape (q, 3n), ascending at each point.
    on_mesh, weights
        Shapes (m, 3n) and (m,): irreducible points of a mesh over the whole zone, and how many
        points each stands for.
    """

    relaxed: Atoms
    on_path: np.ndarray
    on_mesh: np.ndarray
    weights: np.ndarray

    def density_of_states(self, frequencies: np.ndarray) -> np.ndarray:
        """States per THz and cell at these frequencies, each state a Gaussian of 0.3 THz."""
        distance = (frequencies[:, None] - self.on_mesh.ravel()) / DOS_WIDTH_THZ
        gaussians = np.exp(-(distance**2) / 2) / (np.sqrt(2 * np.pi) * DOS_WIDTH_THZ)
        share = np.repeat(self.weights / self.weights.sum(), self.on_mesh.shape[1])
        return np.asarray(gaussians @ share)

    def heat_capacity(self, kelvin: float = 300.0) -> float:
        """At constant volume, harmonic, in units of k_B per atom; imaginary modes are left out."""
        quantum = 47.992430733 * self.on_mesh / kelvin  # h/k_B = 47.99 K/THz
        real = quantum > 1e-6
        x = np.where(real, quantum, 1.0)
        modes = np.where(real, (x / 2 / np.sinh(x / 2)) ** 2, 0.0).sum(axis=1)
        return float(modes @ self.weights / self.weights.sum() / len(self.relaxed))


def phonons(
    atoms: Atoms,
    supercell: Repeats,
    q_points: np.ndarray,
    *,
    repeats: Repeats = (1, 1, 1),
    displacement: float = 0.01,
    mesh_length: float = 40.0,
    max_force: float = 0.001,
    max_steps: int = 300,
) -> Plan[Phonons]:
    """Relax a structure with its cell, displace its atoms, and diagonalise.

    Forces on the supercell without displacement are subtracted: what a relaxation leaves of them
    does not bend the bands.

    Parameters
    ----------
    atoms
        The primitive cell, best.
    supercell
        Copies along its lattice vectors, in which atoms are displaced.
    q_points
        Where frequencies are wanted, shape (q, 3), in reciprocal lattice vectors.
    repeats
        In which the surface has to see the cell as it relaxes.
    displacement
        Å.
    mesh_length
        The mesh for the density of states has this over the lattice vector points along each, Å.
    max_force, max_steps
        Of the relaxation.

    Raises
    ------
    NoResultError
        If the relaxation fails, or forces are missing.
    """
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    # the plan is that of the relaxation alone: supercells of displacements are large enough
    relaxation = relax(atoms, cell=True, max_force=max_force, max_steps=max_steps)
    relaxed, _ = yield from in_supercells(relaxation, repeats)
    cell = PhonopyAtoms(
        symbols=relaxed.get_chemical_symbols(),
        cell=relaxed.cell.array,
        scaled_positions=relaxed.get_scaled_positions(),
    )
    lattice = Phonopy(cell, np.diag(supercell), np.eye(3), symprec=SYMMETRY_ANGSTROM)
    lattice.generate_displacements(distance=displacement)
    cells = [lattice.supercell, *lattice.supercells_with_displacements]
    values = yield [
        Atoms(one.symbols, one.positions, cell=one.cell, pbc=relaxed.pbc) for one in cells
    ]
    forces = np.array([one.forces for one in values])
    if not np.isfinite(forces).all():
        why = next((one.missing for one in values if one.missing), "forces are not finite")
        raise NoResultError(f"phonons: {why}")
    lattice.forces = forces[1:] - forces[0]
    lattice.produce_force_constants()
    lattice.symmetrize_force_constants()
    lattice.run_qpoints(q_points)
    on_path = np.array(lattice.qpoints.frequencies)
    heights = plane_heights(relaxed.cell.array)
    mesh = np.where(relaxed.pbc, np.ceil(mesh_length / heights), 1).astype(int)
    lattice.run_mesh(mesh, is_gamma_center=True)
    found = lattice.mesh
    return Phonons(relaxed, on_path, np.array(found.frequencies), np.array(found.weights))


def measure(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Dispersion and density of states of all listed prototypes, on all surfaces."""
    asked = parameters.phonons
    missing: list[Any] = []
    quantities: list[Quantity] = []
    curves: list[Curve] = []
    for name in asked.prototypes:
        prototype = parameters.prototypes[name]
        atoms = prototype.atoms
        cell = find_supercell(
            atoms.cell.array, atoms.pbc, len(atoms), asked.min_length_angstrom, MAX_ATOMS
        )
        path = atoms.cell.bandpath(npoints=asked.points, pbc=atoms.pbc)
        plan = partial(
            phonons,
            atoms,
            tuple(cell.matrix.diagonal().tolist()),
            path.kpts,
            displacement=asked.displacement_angstrom,
            mesh_length=asked.mesh_length_angstrom,
            max_force=asked.max_force_ev_per_angstrom,
            max_steps=asked.max_steps,
        )
        repeats = surfaces.repeats_of(prototype)
        outcomes = surfaces.carry_out(partial(_on, plan, repeats), dispersion=asked.dispersion)
        found = successes(outcomes, name, missing)
        if found:
            quantities += _quantities(name, found)
            curves += _curves(name, found, path)
    return Result("phonons", quantities, curves, missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters) -> None:
    """Refuse unknown elements, and molecules, which have no bands."""
    for name in parameters.phonons.prototypes:
        atoms = parameters.prototypes[name].atoms
        surfaces.refuse_species(atoms.numbers, f"prototype {name!r}")
        if not atoms.pbc.any():
            raise InputError(
                f"validation.phonons.prototypes: {name!r} is a molecule; name crystals, sheets or "
                "wires"
            )


def _on(plan: Any, repeats: Repeats, surface: Surface) -> Plan[Phonons]:
    return plan(repeats=repeats) if surface == REFERENCE else plan()


def _quantities(name: str, found: Mapping[Surface, Phonons]) -> list[Quantity]:
    numbers = [
        ("highest frequency", "THz", {s: float(one.on_path.max()) for s, one in found.items()}),
        ("lowest frequency", "THz", {s: float(one.on_path.min()) for s, one in found.items()}),
        ("heat capacity at 300 K", "k_B/atom", {s: o.heat_capacity() for s, o in found.items()}),
    ]
    if REFERENCE in found:
        known = found[REFERENCE].on_path
        distance = {
            s: float(np.sqrt(np.mean((one.on_path - known) ** 2))) for s, one in found.items()
        }
        numbers.append(("distance of the bands, root mean square", "THz", distance))
    return [Quantity(name, *number) for number in numbers]


def _curves(name: str, found: Mapping[Surface, Phonons], path: Any) -> list[Curve]:
    along, ticks, labels = path.get_linear_kpoint_axis()
    marks: dict[str, float] = {}
    for label, tick in zip(labels, ticks.tolist(), strict=True):
        marks[label if label not in marks else f"{label} {len(marks)}"] = tick
    lowest = min(float(one.on_mesh.min()) for one in found.values())
    highest = max(float(one.on_mesh.max()) for one in found.values())
    grid = np.linspace(lowest - 3 * DOS_WIDTH_THZ, highest + 3 * DOS_WIDTH_THZ, DOS_POINTS)
    bands = {s: one.on_path for s, one in found.items()}
    states = {s: one.density_of_states(grid) for s, one in found.items()}
    return [
        Curve(name, "phonon dispersion", "wave vector, Å⁻¹", "frequency, THz", along, bands, marks),
        Curve(name, "phonon density of states", "frequency, THz", "states per THz", grid, states),
    ]
