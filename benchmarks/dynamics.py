"""Molecular dynamics in ASE and in LAMMPS: conservation, averages, overhead, use of two cores.

Run: python benchmarks/dynamics.py [nve] [means] [speed] [parallel] [--committee FOLDER]
     [--structures FILE] [--picoseconds 10] [--mean-picoseconds 200] [--trajectories 20]

With ``--committee``, a folder of trained members, its first member drives all but the averages, in
double precision; ``--structures`` then names a file whose structures, repeated, are its starts (by
default diamond of its one species). Without, copper by EMT; averages always are of that. Run it on
idle cores, with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.data import chemical_symbols

from potwright.dynamics import AseEngine, Conditions, LammpsEngine, Schedule
from potwright.execution import LocalExecutor
from potwright.geometry import find_supercell
from potwright.pes import PESData
from potwright.pipelines.exploration import trajectories
from potwright.pipelines.exploration.design import GridDesign
from potwright.pipelines.exploration.parameters import ExplorationParameters, WatchParameters
from potwright.pipelines.exploration.trajectories import Plan

ENGINES = {"ase": AseEngine, "lammps": LammpsEngine}
WATCHES = WatchParameters().watches()


@dataclass(frozen=True)
class Copper:
    """EMT, which comes with ASE."""

    path: Path

    def calculator(self, device: str = "auto") -> Any:
        return EMT()


@dataclass(frozen=True)
class Members:
    """What the stage takes for a committee."""

    members: tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A potential, and structures of about 64 and about 512 atoms for it."""

    potential: Any
    small: Atoms
    large: Atoms


def case(committee: Path | None, structures: Path | None, scratch: Path) -> Case:
    """What is run."""
    if committee is None:
        path = scratch / "emt.model"
        path.write_text("EMT")
        return Case(
            Copper(path), bulk("Cu", cubic=True) * (4, 2, 2), bulk("Cu", cubic=True) * (8, 4, 4)
        )
    potential = in_double(committee, scratch)
    if structures is None:
        (species,) = potential.species
        unit = bulk(chemical_symbols[species], "diamond", cubic=True)
        return Case(potential, unit * (2, 2, 2), unit * (4, 4, 4))
    start = ase.io.read(structures)
    return Case(potential, repeated(start, 64), repeated(start, 512))


def repeated(atoms: Atoms, most: int) -> Atoms:
    """The supercell with the longest shortest image of at most so many atoms."""
    if len(atoms) > most or not atoms.pbc.any():
        return atoms
    supercell = find_supercell(atoms.cell[:], atoms.pbc, len(atoms), 1000.0, most)
    return atoms * np.diag(supercell.matrix)


def in_double(folder: Path, scratch: Path) -> Any:
    """The first member of a committee, in double precision."""
    from potwright.potentials import load_committee
    from potwright.potentials.mace import quiet_import
    from potwright.potentials.model_file import ModelFile

    member = load_committee(folder).members[0]
    if member.backend != "mace":
        return member
    with quiet_import():
        import mace  # noqa: F401 - before its models are read
        import torch
    model = torch.load(member.path, weights_only=False, map_location="cpu")
    torch.save(model.double(), scratch / "double.model")
    return ModelFile(scratch / "double.model", "mace")


# ---------------------------------------------------------------- conservation


def nve(given: Case, picoseconds: float) -> None:
    """Slope of the total energy of a run without thermostat at 300 K, 1 fs."""
    print(f"NVE at 300 K, {len(given.small)} atoms, {picoseconds:g} ps of 1 fs")
    start = given.small.copy()
    start.rattle(0.02, seed=1)
    for name, engine in ENGINES.items():
        schedule = Schedule(1.0, picoseconds * 1000, 10.0)
        run = engine(ensemble="nve").run_trajectory(
            start, given.potential, Conditions(300), schedule, seed=1
        )
        energy = run.conserved_energies / len(start) * 1000
        slope = np.polyfit(run.times_fs / 1000, energy, 1)[0]
        kinetic = run.temperatures_kelvin.mean()
        print(
            f"  {name:8} slope {slope:+.5f} meV/atom/ps (goal: below 0.1), scatter "
            f"{energy.std():.4f} meV/atom, ⟨T⟩ {kinetic:.0f} K, {run.end_reason}"
        )


# ---------------------------------------------------------------- averages


def block_error(values: np.ndarray, blocks: int = 10) -> float:
    """Standard error of a mean, from means of blocks, each much longer than what is correlated."""
    means = [part.mean() for part in np.array_split(values, blocks)]
    return float(np.std(means, ddof=1) / np.sqrt(blocks))


def means(picoseconds: float) -> None:
    """⟨T⟩ of NVT, ⟨V⟩ and ⟨P⟩ of NPT of copper by EMT, in both engines."""
    start = bulk("Cu", cubic=True) * 2
    schedule = Schedule(4.0, picoseconds * 1000, 20.0, thermalisation_fs=5000)
    print(f"Averages of {len(start)} atoms of copper (EMT) at 600 K, {picoseconds:g} ps of 4 fs")
    potential = Copper(Path())
    cases = {
        "NVT": ("nvt", Conditions(600)),
        "NPT": ("auto", Conditions(600, 10)),
        "NPT, isotropic": ("npt_isotropic", Conditions(600, 10)),
        "Langevin": ("langevin", Conditions(600)),
    }
    for title, (ensemble, conditions) in cases.items():
        runs = {
            name: engine(ensemble=ensemble, barostat_time_fs=500).run_trajectory(
                start, potential, conditions, schedule, seed=7
            )
            for name, engine in ENGINES.items()
        }
        compare(f"{title}: ⟨T⟩ K", {n: r.temperatures_kelvin for n, r in runs.items()})
        if title.startswith("NPT"):
            volumes = {n: np.linalg.det(r.frames.cell) / len(start) for n, r in runs.items()}
            compare(f"{title}: ⟨V⟩ Å³/atom", volumes)
            compare(f"{title}: ⟨P⟩ kbar", {n: r.pressures_kbar for n, r in runs.items()})
            spreads = {n: (v - v.mean()) ** 2 for n, v in volumes.items()}
            compare(f"{title}: variance of V, Å⁶", spreads)


def compare(title: str, values: dict[str, np.ndarray]) -> None:
    """Print means, and their difference in standard errors."""
    (first, second) = values.values()
    errors = [block_error(first), block_error(second)]
    difference = (first.mean() - second.mean()) / np.hypot(*errors)
    print(
        f"  {title:28} ase {first.mean():10.5g} ± {errors[0]:.2g}, lammps {second.mean():10.5g} ± "
        f"{errors[1]:.2g}, apart by {difference:+.1f} σ (goal: within 3)"
    )


# ---------------------------------------------------------------- speed


def speed(given: Case, rounds: int = 3) -> None:
    """Steps per second, with all watches, beside bare calls of the potential on the same frames."""
    print(f"Steps per second over bare calls of the potential, median of {rounds} (goal: 0.9)")
    for start in (given.small, given.large):
        steps = 600 if len(start) < 200 else 100
        for name, engine in ENGINES.items():
            ratios = []
            for seed in range(rounds):
                run = engine().run_trajectory(
                    start,
                    given.potential,
                    Conditions(300),
                    Schedule(1.0, steps, steps / 20),
                    seed=seed,
                    watches=WATCHES,
                )
                bare = bare_calls(given.potential, run.frames, steps)
                ratios.append((run.steps_per_second / bare, run.steps_per_second, bare))
            ratio, fast, bare = sorted(ratios)[rounds // 2]  # that of the median ratio
            print(f"  {len(start):4} atoms, {name:8} {fast:8.2f} of {bare:8.2f} per s: {ratio:.3f}")


def bare_calls(potential: Any, frames: PESData, count: int) -> float:
    """Evaluations per second of energy, forces and stress, about ``count`` of them."""
    calculator = potential.calculator()
    structures = frames.to_atoms(engine_pbc=True)
    calculator.get_property("forces", structures[0])
    begin = time.perf_counter()
    calls = structures[1:] * (count // len(structures[1:]))
    for atoms in calls:
        calculator.get_property("forces", atoms)
        calculator.get_property("energy", atoms)
        calculator.get_property("stress", atoms)
    return len(calls) / (time.perf_counter() - begin)


# ---------------------------------------------------------------- two cores


def parallel(given: Case, count: int, picoseconds: float, scratch: Path) -> None:
    """The rate of many trajectories on two cores over that on one."""
    print(
        f"{count} trajectories of {len(given.small)} atoms and {picoseconds} ps as the stage runs "
        "them (goal: 1.8)"
    )
    for name in ENGINES:
        # reads the libraries from disk
        seconds_of_stage(given, name, 2, count=2, picoseconds=0.01, scratch=scratch)
        one, two = (
            seconds_of_stage(
                given, name, workers, count=count, picoseconds=picoseconds, scratch=scratch
            )
            for workers in (1, 2)
        )
        print(
            f"  {name:8} one core {one:.1f} s, two cores {two:.1f} s, start of workers included: "
            f"{one / two:.2f} times the rate"
        )


def seconds_of_stage(
    given: Case, engine: str, workers: int, *, count: int, picoseconds: float, scratch: Path
) -> float:
    parameters = ExplorationParameters(
        duration_ps=picoseconds,
        frame_interval_ps=picoseconds / 10,
        design=GridDesign(temperatures_kelvin=(300,), pressures_kbar=(0,)),
        engine={"type": engine},
        executor=LocalExecutor(workers=workers),
        device="cpu",
    )
    plan = Plan(
        PESData.from_atoms([given.small] * count, split="training"),
        (Conditions(300),) * count,
        tuple(range(count)),
        driver_draw=0.0,
        iteration=1,
    )
    folder = Path(tempfile.mkdtemp(dir=scratch))
    begin = time.perf_counter()
    done = trajectories.run(plan, Members((given.potential,)), folder, parameters, {})
    seconds = time.perf_counter() - begin
    assert all(one.trajectory and one.trajectory.completed for one in done)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", default=["nve", "means", "speed", "parallel"])
    parser.add_argument("--committee", type=Path)
    parser.add_argument("--structures", type=Path)
    parser.add_argument("--picoseconds", type=float, default=10.0)
    parser.add_argument("--mean-picoseconds", type=float, default=200.0)
    parser.add_argument("--trajectories", type=int, default=20)
    parser.add_argument("--trajectory-picoseconds", type=float, default=0.2)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        chosen = case(given.committee, given.structures, scratch)
        if "nve" in given.what:
            nve(chosen, given.picoseconds)
        if "means" in given.what:
            means(given.mean_picoseconds)
        if "speed" in given.what:
            speed(chosen)
        if "parallel" in given.what:
            parallel(chosen, given.trajectories, given.trajectory_picoseconds, scratch)


if __name__ == "__main__":
    main()
