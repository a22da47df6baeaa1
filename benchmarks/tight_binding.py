"""What one label of a distorted monolayer costs: linear algebra, and mixing of charges.

Run: OMP_NUM_THREADS=1 python benchmarks/tight_binding.py [--structures 3]

Every row is a process of its own, since a library cannot be exchanged once it is loaded. Without
OpenBLAS on the machine there is nothing to compare.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from ase.build import make_supercell
from ase.io import read

from potwright.quantum import TBLiteEngine, compute_label
from potwright.quantum.engines import tblite

MONOLAYER = Path(__file__).parents[1] / "data" / "01_raw" / "wmote2_small" / "mote2_t.extxyz"
MIXING = (0.4, 0.1)  # tblite's own, ours


def seconds_and_energies(*, openblas: bool, mixer_damping: float, structures: int) -> list:
    """Processor time (s) of all labels, and their energies (eV)."""
    if not openblas:
        tblite.OPENBLAS = "none.so"
    fast = tblite.load_fast_linear_algebra()
    assert fast == openblas, "there is no libopenblas.so.0 here"
    engine = TBLiteEngine(mixer_damping=mixer_damping)
    crystal = make_supercell(read(MONOLAYER), np.diag([5, 3, 1]))
    energies, start = [], time.process_time()
    for seed in range(structures):
        atoms = crystal.copy()
        atoms.rattle(0.15, seed=seed)
        energies.append(compute_label(engine, atoms).energy)
    return [time.process_time() - start, energies]


def main() -> None:
    """Print times, as ratios of the first row, and how far energies are from it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, default=3)
    structures = parser.parse_args().structures
    rows = {}
    for openblas, mixing in product((False, True), MIXING):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            settings = {"openblas": openblas, "mixer_damping": mixing, "structures": structures}
            rows[openblas, mixing] = process.submit(seconds_and_energies, **settings).result()
    first, energies = rows[False, MIXING[0]]
    print(f"{structures} labels of 90 atoms of Mo-Te")
    for (openblas, mixing), (seconds, found) in rows.items():
        library = "OpenBLAS " if openblas else "reference"
        apart = np.abs(np.subtract(found, energies)).max() / 90
        print(
            f"  {library}  mixing {mixing}  {seconds / structures:6.1f} s each  "
            f"{first / seconds:5.2f} times as fast  {1e3 * apart:.5f} meV/atom apart"
        )


if __name__ == "__main__":
    main()
