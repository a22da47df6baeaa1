"""Formation energies of point defects, relaxed and evaluated by either side (paper, Table 1).

E_form = E_defective − E_pristine + n E⁰, where n atoms are missing and E⁰ is the energy per atom of
the pristine crystal. All three are of the surface that evaluates, in the cell of the one that
relaxed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from potwright.errors import InputError
from potwright.geometry import find_supercell, nearest_neighbour_distances
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.parameters_crystals import DefectParameters
from potwright.pipelines.validation.plans import NoResultError, Plan, in_supercells
from potwright.pipelines.validation.prototypes import MAX_ATOMS, Repeats
from potwright.pipelines.validation.relaxation import projector, relax
from potwright.pipelines.validation.results import Quantity, Result, in_words, successes
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces

Defect = Literal["vacancy", "divacancy", "stone_wales"]
RATTLE_ANGSTROM = 0.02
OWN, BY_REFERENCE, OF_REFERENCE = (
    "relaxed and evaluated by itself",
    "relaxed by itself, evaluated by the reference",
    "relaxed by the reference, evaluated by itself",
)


@dataclass(frozen=True, eq=False)
class RelaxedDefect:
    """A supercell with and without its defect, both relaxed in the cell of the pristine one."""

    pristine: Atoms
    defective: Atoms


def with_defect(pristine: Atoms, defect: Defect) -> Atoms:
    """The defect at the first atom of a crystal's supercell.

    A vacancy lacks the first atom, a divacancy its nearest neighbour, too; a Stone–Wales defect has
    the bond between the two turned by 90° in the plane of the sheet.
    """
    neighbour, bond = _neighbour(pristine)
    if defect == "stone_wales":
        turned = pristine.copy()
        normal = _normal(pristine)
        middle, half = pristine.positions[0] + bond / 2, np.cross(normal, bond) / 2
        turned.positions[0], turned.positions[neighbour] = middle - half, middle + half
        return turned
    missing = [0] if defect == "vacancy" else [0, neighbour]
    return pristine[[i for i in range(len(pristine)) if i not in missing]]


def relax_defect(
    atoms: Atoms,
    supercell: Repeats,
    defect: Defect,
    *,
    repeats: Repeats = (1, 1, 1),
    max_force: float = 0.005,
    max_steps: int = 300,
) -> Plan[RelaxedDefect]:
    """Relax the crystal with its cell, then the defect in a supercell that keeps its shape.

    Parameters
    ----------
    atoms
        The crystal's cell.
    supercell
        Copies along its lattice vectors.
    defect
        At the first atom.
    repeats
        In which the surface has to see the cell as it relaxes.
    max_force, max_steps
        Of the relaxations.

    Raises
    ------
    NoResultError
        If a relaxation fails.
    """
    keys = {"max_force": max_force, "max_steps": max_steps}
    relaxed, _ = yield from in_supercells(relax(atoms, cell=True, **keys), repeats)  # type: ignore[arg-type]
    pristine = relaxed.repeat(supercell)
    begin = with_defect(pristine, defect)
    # a saddle point of high symmetry is no minimum: the paper's monovacancy reconstructs
    begin.rattle(RATTLE_ANGSTROM, seed=0)
    defective, _ = yield from relax(begin, **keys)  # type: ignore[arg-type]
    return RelaxedDefect(pristine, defective)


def formation_energy(relaxed: RelaxedDefect) -> Plan[float]:
    """Of a defect as it was relaxed, eV."""
    pristine, defective = yield [relaxed.pristine, relaxed.defective]
    missing = len(relaxed.pristine) - len(relaxed.defective)
    energy = defective.energy - pristine.energy * (1 - missing / len(relaxed.pristine))
    if not np.isfinite(energy):
        raise NoResultError(f"formation energy: {defective.missing or pristine.missing}")
    return float(energy)


def measure(surfaces: Surfaces, parameters: ValidationParameters) -> Result:
    """Formation energies of all defects of all listed prototypes, in four combinations."""
    asked = parameters.defects
    missing: list[Any] = []
    quantities: list[Quantity] = []
    for name, defects in ((host.prototype, host.defects) for host in asked.hosts):
        prototype = parameters.prototypes[name]
        atoms = prototype.atoms
        supercell = _supercell(atoms, asked)
        repeats = surfaces.repeats_of(prototype)
        for defect in defects:
            plan = partial(
                relax_defect,
                atoms,
                supercell,
                defect,
                max_force=asked.max_force_ev_per_angstrom,
                max_steps=asked.max_steps,
            )
            label = f"{name}, {defect.replace('_', '–')}"
            outcomes = surfaces.carry_out(partial(_on, plan, repeats), dispersion=asked.dispersion)
            relaxed = successes(outcomes, label, missing)
            quantities += _quantities(surfaces, relaxed, label, missing, asked.dispersion)
    return Result("defects", quantities, (), missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters) -> None:
    """Refuse unknown elements, and hosts that cannot have their defects."""
    asked = parameters.defects
    for host in asked.hosts:
        atoms = parameters.prototypes[host.prototype].atoms
        refuse_other_hosts(atoms, host.defects, host.prototype)
        surfaces.refuse_species(atoms.numbers, f"prototype {host.prototype!r}")
        pristine = atoms.repeat(_supercell(atoms, asked))
        for defect in host.defects:
            with_defect(pristine, defect)  # refuses supercells that are too small


def refuse_other_hosts(atoms: Atoms, defects: Sequence[Defect], name: str) -> None:
    """Refuse hosts whose missing atoms have no energy of their own, or that cannot be turned.

    Raises
    ------
    InputError
        For vacancies in compounds, and Stone–Wales defects in what is not a sheet.
    """
    where = f"validation.defects.hosts, {name!r}"
    vacancies = [one for one in defects if one != "stone_wales"]
    if vacancies and len(set(atoms.numbers.tolist())) > 1:
        raise InputError(
            f"{where}: a {vacancies[0]} in {atoms.get_chemical_formula()} needs the chemical "
            "potential of the missing atom, which a compound does not give; name hosts of one "
            "element"
        )
    if "stone_wales" in defects and atoms.pbc.sum() != 2:
        raise InputError(f"{where}: stone_wales turns a bond in a sheet; {name} is none")
    if not atoms.pbc.any():
        raise InputError(f"{where}: a molecule has no point defects")


def _quantities(
    surfaces: Surfaces,
    relaxed: Mapping[Surface, RelaxedDefect],
    label: str,
    missing: list[Any],
    dispersion: bool,
) -> list[Quantity]:
    """Each structure by whom it was relaxed, by the reference, and the reference's by everyone."""
    pairs = {(s, s) for s in relaxed} | {(REFERENCE, s) for s in relaxed}
    pairs |= {(s, REFERENCE) for s in surfaces.all() if REFERENCE in relaxed}
    # keys begin with who evaluates
    plans = {(by, of): formation_energy(relaxed[of]) for by, of in sorted(pairs, key=str)}
    outcomes = surfaces.carry_out_all(plans, dispersion=dispersion)
    energies = {}
    for (by, of), outcome in outcomes.items():
        if isinstance(outcome, NoResultError):
            missing.append(
                (label, f"{in_words(by)}, on the structure of {in_words(of)}", str(outcome))
            )
        else:
            energies[by, of] = outcome
    everyone = surfaces.all()
    rows = [
        (OWN, {s: (s, s) for s in everyone}),
        (BY_REFERENCE, {s: (REFERENCE, s) for s in everyone}),
        (OF_REFERENCE, {s: (s, REFERENCE) for s in everyone}),
    ]
    return [
        Quantity(
            label,
            f"formation energy, {row}",
            "eV",
            {surface: energies[pair] for surface, pair in pairs.items() if pair in energies},
        )
        for row, pairs in rows
    ]


def _supercell(atoms: Atoms, asked: DefectParameters) -> Repeats:
    cell = find_supercell(
        atoms.cell.array, atoms.pbc, len(atoms), asked.min_length_angstrom, MAX_ATOMS
    )
    first, second, third = cell.matrix.diagonal().tolist()
    return first, second, third


def _on(plan: Any, repeats: Repeats, surface: Surface) -> Plan[RelaxedDefect]:
    return plan(repeats=repeats) if surface == REFERENCE else plan()


def _neighbour(atoms: Atoms) -> tuple[int, np.ndarray]:
    """The nearest neighbour of the first atom, and the vector to it."""
    nearest = nearest_neighbour_distances(atoms.positions, atoms.cell.array, atoms.pbc)[0]
    i, j, vectors = neighbor_list("ijD", atoms, float(nearest) + 0.05)
    found = [(int(b), v) for a, b, v in zip(i, j, vectors, strict=True) if a == 0 and b != 0]
    if not found:
        raise InputError("a divacancy or Stone–Wales defect needs a larger supercell")
    return min(found, key=lambda one: one[0])


def _normal(atoms: Atoms) -> np.ndarray:
    """Of a sheet."""
    outside = np.eye(3) - projector(atoms)
    normal = outside[np.argmax(np.linalg.norm(outside, axis=1))]
    return normal / np.linalg.norm(normal)
