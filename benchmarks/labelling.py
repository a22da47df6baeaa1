"""What labelling costs besides the calculations: overhead, a re-run, the use of two cores.

Run: python benchmarks/labelling.py [--labels 10000] [--stored 100000] [--crystals 60] [--url URL]

By default the label store is a new SQLite file. ``--url postgresql://…`` takes an empty database of
a server instead.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from ase.build import bulk

from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.quantum import ASEEngine, LabelStore, TBLiteEngine, compute_label, try_label
from potwright.quantum.calculations import label_structures

TWO = LocalExecutor(workers=2)
EMT = ASEEngine(type="ase", calculator="ase.calculators.emt.EMT")


def rattled(crystal, copies: int, seed: int) -> PESData:
    """Distinct copies of a crystal."""
    random = np.random.default_rng(seed)
    one = PESData.from_atoms([crystal])
    many = one[np.zeros(copies, dtype=int)]
    return many.replace(positions=many.positions + random.normal(0, 0.05, many.positions.shape))


def overhead(place: str, labels: int) -> None:
    """Everything but the engine: handing out, taking back, committing."""
    structures = rattled(bulk("Cu", cubic=True), labels, seed=0)
    atoms = structures[:200].to_atoms()
    start = time.perf_counter()
    for one in atoms:
        compute_label(EMT, one)
    engine = (time.perf_counter() - start) / len(atoms)
    store = LabelStore(place, "benchmark")
    start, start_here = time.perf_counter(), time.process_time()
    outcomes = label_structures(structures, store, EMT, TWO)
    seconds = (time.perf_counter() - start) / labels
    here = (time.process_time() - start_here) / labels
    assert len(outcomes.labels) == len(store) == labels
    print(f"{labels} labels by EMT, two processes, a commit each")
    print(f"  wall time per label             {seconds * 1e3:8.2f} ms")
    print(f"  processor time of this process  {here * 1e3:8.2f} ms")
    print(f"  one calculation, on its own     {engine * 1e3:8.2f} ms (two at a time: half)")
    print(f"  overhead per label              {(seconds - engine / 2) * 1e3:8.2f} ms")
    store.close()


def rerun(place: str, stored: int) -> None:
    """Nothing is left to do."""
    structures = rattled(bulk("Cu", cubic=True), stored, seed=1)
    level = EMT.level_of_theory()
    store = LabelStore(place, "benchmark")
    label = try_label(EMT, bulk("Cu", cubic=True))
    start = time.perf_counter()
    store.add_imported(
        structures.id.tolist(), structures.to_atoms(), level, [label] * stored, "benchmark"
    )
    filled = time.perf_counter() - start
    start = time.perf_counter()
    outcomes = label_structures(structures, store, EMT, TWO)
    seconds = time.perf_counter() - start
    assert len(outcomes.labels) == stored and not outcomes.computed
    print(f"{stored} labels in the store, and nothing to do")
    print(f"  finding that out                {seconds:8.2f} s")
    print(f"  putting them there before       {filled:8.2f} s")
    store.close()


def efficiency(crystals: int) -> None:
    """One core after the other, and two at once, the start of the processes included."""
    structures = rattled(bulk("C", cubic=True) * (2, 2, 2), crystals, seed=2)
    engine = TBLiteEngine(min_length_angstrom=None)
    atoms = structures.to_atoms()
    compute_label(engine, atoms[0])  # what is loaded once
    start = time.perf_counter()
    for one in atoms:
        compute_label(engine, one)
    one_core = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        store = LabelStore(Path(folder) / "labels.db")
        start = time.perf_counter()
        label_structures(structures, store, engine, TWO)
        two_cores = time.perf_counter() - start
    print(f"{crystals} diamond cells of 64 atoms by tblite")
    print(f"  one core                        {one_core:8.2f} s")
    print(f"  two cores                       {two_cores:8.2f} s")
    print(f"  parallel efficiency             {one_core / two_cores / 2:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=10_000, help="labels by the instant engine")
    parser.add_argument("--stored", type=int, default=100_000, help="labels of the re-run")
    parser.add_argument("--crystals", type=int, default=60, help="labels by tblite")
    parser.add_argument("--url", help="an empty PostgreSQL database, in place of SQLite files")
    given = parser.parse_args()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        if given.labels:
            overhead(given.url or f"{folder}/overhead.db", given.labels)
        if given.stored:
            rerun(given.url or f"{folder}/rerun.db", given.stored)
    if given.crystals:
        efficiency(given.crystals)
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    if os.environ.get("OMP_NUM_THREADS") != "1":  # one thread is one core, from the beginning
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        os.execvpe(sys.executable, [sys.executable, *sys.argv], environment)
    main()
