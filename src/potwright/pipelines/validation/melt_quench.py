"""Radial distribution after melt and quench, of every member by itself (paper, Fig. 9)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms, units
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list

from potwright.dynamics import (
    Collision,
    Conditions,
    Dispersed,
    Driver,
    FiniteNumbers,
    MDEngine,
    NoDispersion,
    Schedule,
)
from potwright.dynamics.dispersion import Dispersion
from potwright.errors import InputError
from potwright.execution import run_tasks
from potwright.geometry import colliding_atoms
from potwright.pipelines.validation.parameters import ValidationParameters
from potwright.pipelines.validation.parameters_disorder import MeltQuenchParameters
from potwright.pipelines.validation.plans import Values
from potwright.pipelines.validation.results import Curve, Quantity, Result, in_words
from potwright.pipelines.validation.surfaces import REFERENCE, Surface, Surfaces
from potwright.quantum import Engine
from potwright.randomness import derived_seed, generator

logger = logging.getLogger(__name__)

GRAM_PER_CM3 = 1e-24 / units._amu / 1e3  # in atomic masses per Å³
START_COVALENT_RATIO = 0.7
TRIES = 1000
# a potential on which atoms fall into each other has no glass to show
WATCHES = (FiniteNumbers(), Collision())


@dataclass(frozen=True)
class EngineDriver:
    """A quantum engine as what drives dynamics."""

    engine: Engine
    structure: Atoms

    def calculator(self, device: str = "auto") -> Any:
        """One calculator for the whole trajectory."""
        return self.engine.make_calculator(self.structure, "")


class Task(NamedTuple):
    """One melt and quench."""

    start: Atoms
    driver: Driver
    engine: MDEngine
    stages: Sequence[tuple[Conditions, Schedule]]
    seed: int
    device: str


def random_start(
    species: Mapping[str, int], density_g_per_cm3: float, rng: np.random.Generator
) -> Atoms:
    """Atoms at random in a cube of a given density, none closer than 0.7 covalent distances.

    Raises
    ------
    InputError
        If so many atoms do not find room.
    """
    numbers = np.repeat([atomic_numbers[s] for s in species], list(species.values()))
    mass = float(Atoms(numbers).get_masses().sum())
    side = (mass / (density_g_per_cm3 * GRAM_PER_CM3)) ** (1 / 3)
    cell, periodic = np.eye(3) * side, np.ones(3, dtype=bool)
    placed = np.empty((0, 3))
    for i in range(len(numbers)):
        for _ in range(TRIES):
            tried = np.vstack([placed, rng.random(3) * side])
            ratio = START_COVALENT_RATIO
            if not colliding_atoms(numbers[: i + 1], tried, cell, periodic, ratio).any():
                placed = tried
                break
        else:
            raise InputError(
                f"validation.melt_quench: {len(numbers)} atoms find no room at "
                f"{density_g_per_cm3} g/cm³; give a lower density"
            )
    return Atoms(numbers, placed, cell=cell, pbc=True)


def radial_distribution(
    frames: Sequence[Atoms], largest_angstrom: float, width_angstrom: float
) -> tuple[np.ndarray, np.ndarray]:
    """g(r) of all pairs, averaged over frames.

    Returns
    -------
    r, g
        Middles of the bins, Å, and the density of neighbours over that of the whole, shape (k,).
    """
    edges = _edges(largest_angstrom, width_angstrom)
    g = np.zeros(len(edges) - 1)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    for atoms in frames:
        counts, _ = np.histogram(neighbor_list("d", atoms, largest_angstrom), edges)
        g += counts / len(atoms) / (shells * len(atoms) / atoms.get_volume())
    return (edges[1:] + edges[:-1]) / 2, g / len(frames)


def measure(surfaces: Surfaces, parameters: ValidationParameters, seed: int) -> Result:
    """Melt and quench on every member; g(r), and errors on what it arrives at."""
    asked = parameters.melt_quench
    r = _middles(asked)
    read = {} if asked.reference_file is None else {REFERENCE: _read(asked.reference_file, r)}
    tasks = _tasks(surfaces, asked, _start(asked, seed), seed)
    steps = sum(schedule.steps for _, schedule in asked.stages)
    surfaces.costs["steps of dynamics"] += steps * len(tasks)
    frames: dict[Surface, list[Atoms]] = {}
    missing: list[Any] = []
    surfaces_of_tasks = list(tasks)
    for outcome in run_tasks(
        run_task, list(tasks.values()), surfaces.executor, description="Melt and quench"
    ):
        surface = surfaces_of_tasks[outcome.index]
        error = "" if outcome.error is None else f"{outcome.error.kind}: {outcome.error.message}"
        found, ended = ([], error) if outcome.value is None else outcome.value
        if found:
            frames[surface] = found
        else:
            missing.append(("melt and quench", in_words(surface), ended))
            logger.warning("melt and quench, %s: %s", in_words(surface), ended)
    distributions = {
        s: radial_distribution(one, asked.largest_angstrom, asked.bin_angstrom)
        for s, one in ((s, frames[s]) for s in tasks if s in frames)
    }
    g = {surface: values for surface, (_, values) in distributions.items()}
    g |= _averages(g) | read
    quantities = _of_distributions(r, g)
    quantities += _errors(surfaces, {s: one[-1] for s, one in frames.items()}, asked.dispersion)
    curve = Curve("melt and quench", "radial distribution", "r, Å", "g(r)", r, g)
    return Result("melt_quench", quantities, [curve] if g else [], missing, surfaces.spent())


def refuse(surfaces: Surfaces, parameters: ValidationParameters, seed: int) -> None:
    """Refuse what would end the test, before anything is computed.

    Raises
    ------
    InputError
        If an element is unknown, the engine of the dynamics is not installed, atoms find no room,
        or the file to compare with cannot be used.
    """
    asked = parameters.melt_quench
    numbers = [atomic_numbers[s] for s in asked.species]
    surfaces.refuse_species(numbers, "validation.melt_quench.species")
    asked.engine.verify()
    _start(asked, seed)
    if asked.reference_file is not None:
        _read(asked.reference_file, _middles(asked))


def run_task(task: Task) -> tuple[list[Atoms], str]:
    """What a worker runs: the frames of the last stage, and why there are none."""
    atoms, frames = task.start, []
    for i, (conditions, schedule) in enumerate(task.stages):
        trajectory = task.engine.run_trajectory(
            atoms,
            task.driver,
            conditions,
            schedule,
            seed=task.seed + i,
            watches=WATCHES,
            device=task.device,
        )
        if not trajectory.completed or not len(trajectory.frames):
            return [], f"stage {i + 1}: {trajectory.end_reason}"
        frames = trajectory.frames.to_atoms()
        atoms = frames[-1]
    return frames, ""


def _start(asked: MeltQuenchParameters, seed: int) -> Atoms:
    rng = generator(seed, "validation", "melt_quench")
    return random_start(asked.species, asked.density_g_per_cm3, rng)


def _edges(largest_angstrom: float, width_angstrom: float) -> np.ndarray:
    """Of the bins that are within ``largest_angstrom`` as a whole, Å, shape (k + 1,)."""
    count = int(largest_angstrom / width_angstrom + 1e-9)
    return np.asarray(width_angstrom * np.arange(count + 1))


def _middles(asked: MeltQuenchParameters) -> np.ndarray:
    """Of the bins of g(r), Å."""
    edges = _edges(asked.largest_angstrom, asked.bin_angstrom)
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _tasks(
    surfaces: Surfaces, asked: MeltQuenchParameters, start: Atoms, seed: int
) -> dict[Surface, Task]:
    """One for each member, none for the mean; the reference if it is asked for."""
    drivers: dict[Surface, Driver] = {}

    def added_to(name: str) -> Dispersion:
        return surfaces.dispersion_of(name) if asked.dispersion else NoDispersion()

    for name, named in surfaces.potentials.items():
        members = named.committee.members
        for m, member in enumerate(members):
            surface = Surface(name, m) if len(members) > 1 else Surface(name)
            drivers[surface] = Dispersed(member, added_to(name))
    if asked.reference_dynamics:
        bare = EngineDriver(surfaces.engine, start)
        drivers[REFERENCE] = Dispersed(bare, added_to(REFERENCE.potential))
    return {
        surface: Task(
            start,
            driver,
            asked.engine,
            asked.stages,
            derived_seed(seed, "validation", "melt_quench", i),
            surfaces.device,
        )
        for i, (surface, driver) in enumerate(drivers.items())
    }


def _averages(g: Mapping[Surface, Any]) -> dict[Surface, Any]:
    """The committee's: the mean of what its members have, distributions or numbers."""
    names = {surface.potential for surface in g if surface.member is not None}
    return {
        Surface(name): np.mean(
            [one for s, one in g.items() if s.potential == name and s.member is not None], axis=0
        )
        for name in sorted(names)
    }


def _of_distributions(r: np.ndarray, g: Mapping[Surface, np.ndarray]) -> list[Quantity]:
    peaks = {surface: int(np.nanargmax(one)) for surface, one in g.items()}
    valleys = {}
    for surface, one in g.items():
        beyond = (r > r[peaks[surface]]) & (r < 1.6 * r[peaks[surface]]) & np.isfinite(one)
        valleys[surface] = float(one[beyond].min()) if beyond.any() else float("nan")
    numbers: list[tuple[str, str, dict[Surface, float]]] = [
        ("highest peak of g(r)", "Å", {s: float(r[peaks[s]]) for s in g}),
        ("height of that peak", "1", {s: float(one[peaks[s]]) for s, one in g.items()}),
        ("minimum of g(r) behind it", "1", valleys),
    ]
    if REFERENCE in g:
        known = np.isfinite(g[REFERENCE])
        distance = {
            s: float(np.sqrt(np.mean((one - g[REFERENCE])[known] ** 2))) for s, one in g.items()
        }
        numbers.append(("distance of g(r), root mean square", "1", distance))
    return [Quantity("melt and quench", *number) for number in numbers]


def _errors(surfaces: Surfaces, last: Mapping[Surface, Atoms], dispersion: bool) -> list[Quantity]:
    """How wrong each member is on the structure that it arrives at, by the reference's label."""
    own = [surface for surface in last if surface != REFERENCE]
    requests = [(s, last[s]) for s in own] + [(REFERENCE, last[s]) for s in own]
    values: list[Values] = surfaces.evaluate(requests, dispersion=dispersion) if own else []
    energy: dict[Surface, float] = {}
    forces: dict[Surface, float] = {}
    for surface, found, known in zip(own, values, values[len(own) :], strict=False):
        if not known.missing:
            energy[surface] = 1000 * abs(found.energy - known.energy) / len(last[surface])
            forces[surface] = 1000 * float(np.sqrt(np.mean((found.forces - known.forces) ** 2)))
    energy |= _averages(energy)
    forces |= _averages(forces)
    return [
        Quantity(
            "melt and quench", "error of the energy on its own last frame", "meV/atom", energy
        ),
        Quantity("melt and quench", "error of the forces on its own last frame", "meV/Å", forces),
    ]


def _read(path: Path, r: np.ndarray) -> np.ndarray:
    """g(r) from two columns, r in Å, at the middles of the bins; NaN beyond what the file has."""
    where = f"validation.melt_quench.reference_file: {path}"
    try:
        table = np.loadtxt(path, ndmin=2, comments="#")
        known, values = table[:, 0], table[:, 1]
    except (OSError, ValueError, IndexError) as error:
        raise InputError(
            f"{where}: needed are two columns of numbers, r in Å and g(r) ({error})"
        ) from error
    if not (np.isfinite(table[:, :2]).all() and (np.diff(known) > 0).all()):
        raise InputError(f"{where}: r (first column) has to ascend, and all numbers to be finite")
    found = np.interp(r, known, values, left=np.nan, right=np.nan)
    if not np.isfinite(found).any():
        raise InputError(
            f"{where}: no bin of g(r), up to {r[-1]:g} Å, lies between its r, {known[0]:g} and "
            f"{known[-1]:g}; are they in Å?"
        )
    return np.asarray(found)
