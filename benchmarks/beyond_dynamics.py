"""What dispersion costs, and what trajectories that run together gain.

Run: python benchmarks/beyond_dynamics.py [dispersion] [together] [--committee FOLDER]
     [--structures FILE] [--device cpu] [--steps 100] [--sizes 1 4 16]

``together`` needs ``--committee``, a folder of trained members, whose first member drives;
``--structures`` names a file whose first structures are the starts (by default diamond
of its one species, 8 atoms). Run it on idle cores, with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols

from potwright.dynamics import AseEngine, Conditions, Schedule
from potwright.dynamics.dispersion import D2Dispersion, D3Dispersion
from potwright.dynamics.lammps_simulation import Simulation
from potwright.potentials import load_committee
from potwright.potentials.meeting import run_together

CALLS = 20


def seconds_per_call(call: Any) -> float:
    """Processor time, after a first call, which sets up."""
    call()
    begin = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - begin) / CALLS


def dispersion() -> None:
    print(
        "Energy, forces and stress of dispersion alone, 64 atoms of diamond, ms of processor time"
    )
    atoms = bulk("C", cubic=True) * 2
    rng = np.random.default_rng(1)
    for kind in (D2Dispersion(), D3Dispersion()):
        calculator = kind.calculator()
        simulation = Simulation(atoms, np.ones(3, bool), None, [kind.pair_style([6])])

        def moved(evaluate: Any) -> None:
            atoms.positions += rng.normal(0, 0.005, atoms.positions.shape)
            evaluate(atoms)

        ase_time = seconds_per_call(partial(moved, calculator.calculate))
        lammps_time = seconds_per_call(partial(moved, simulation.place))
        simulation.close()
        print(f"  {kind.type}: ASE {1000 * ase_time:.1f}, LAMMPS {1000 * lammps_time:.1f}")


def starts(potential: Any, structures: Path | None, count: int) -> list[Atoms]:
    """Structures of their own for all trajectories."""
    if structures is None:
        (species,) = potential.species
        found = [bulk(chemical_symbols[species], "diamond", cubic=True) for _ in range(count)]
    else:
        read = ase.io.read(structures, ":")
        found = [read[i % len(read)].copy() for i in range(count)]
    for seed, atoms in enumerate(found):
        atoms.calc = None
        atoms.rattle(0.02, seed=seed)
    return found


def together(given: argparse.Namespace) -> None:
    potential = load_committee(given.committee).members[0]
    schedule = Schedule(1, given.steps, given.steps)
    print(f"Steps per second of one process on {given.device}, NPT at 300 K, all trajectories")

    def one(atoms: Atoms, seed: int) -> None:
        run = AseEngine().run_trajectory(
            atoms, potential, Conditions(300), schedule, seed=seed, device=given.device
        )
        assert run.completed

    one(starts(potential, given.structures, 1)[0], 0)  # loads the model
    for size in given.sizes:
        atoms = starts(potential, given.structures, size)
        begin = time.perf_counter()
        raised = run_together([partial(one, each, i) for i, each in enumerate(atoms)])
        seconds = time.perf_counter() - begin
        assert raised == [None] * size, raised
        print(f"  {size:3d} together: {size * given.steps / seconds:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="*", default=["dispersion", "together"])
    parser.add_argument("--committee", type=Path)
    parser.add_argument("--structures", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16])
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    if "dispersion" in given.what:
        dispersion()
    if "together" in given.what and given.committee:
        together(given)


if __name__ == "__main__":
    main()
