"""PESData beside ASE's extended XYZ: 2,000 structures of 108 atoms with labels.

Run: python benchmarks/pes_io.py [--large 100000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ase.io
import numpy as np

from potwright.pes import PESData

ATOMS = 108

ITERATE = """
import sys, time
from pathlib import Path
from potwright.pes import PESData
start = time.perf_counter()
count = len(PESData.read(sys.argv[1]))
print(f"open, and count {count} structures   {(time.perf_counter() - start) * 1e3:6.1f} ms")
start = time.perf_counter()
for chunk in PESData.read(sys.argv[1]).chunks(1000):
    columns = chunk._all()
print(f"iterate in chunks of 1,000         {time.perf_counter() - start:8.2f} s")
# not ru_maxrss: it starts at that of the process which started this one
peak = next(l for l in Path("/proc/self/status").read_text().splitlines() if l.startswith("VmHWM"))
print(f"peak memory of that process        {int(peak.split()[1]) / 1024:8.0f} MB")
"""


def labelled(structures: int, seed: int = 0) -> PESData:
    """Random labelled copper of 108 atoms."""
    random = np.random.default_rng(seed)
    atoms = structures * ATOMS
    return PESData.from_columns(
        numbers=np.full(atoms, 29),
        positions=random.uniform(0, 11, (atoms, 3)),
        forces=random.normal(size=(atoms, 3)),
        offsets=np.arange(structures + 1) * ATOMS,
        cell=np.tile(np.eye(3) * 11, (structures, 1, 1))
        + random.normal(0, 0.1, (structures, 3, 3)),
        pbc=True,
        energy=random.normal(size=structures),
        stress=random.normal(size=(structures, 6)),
        origin="rattle",
        source="copper.cif",
    )


def timed(function, repeats: int = 3) -> float:
    """Shortest of several runs, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def read_all(path: Path) -> PESData:
    pes = PESData.read(path)
    pes._all()
    return pes


def small(folder: Path) -> None:
    pes = labelled(2000)
    atoms = pes.to_atoms()
    h5, xyz = folder / "pes.h5", folder / "pes.xyz"
    ours_write, ase_write = timed(lambda: pes.write(h5)), timed(lambda: ase.io.write(xyz, atoms), 1)
    ours_read, ase_read = timed(lambda: read_all(h5)), timed(lambda: ase.io.read(xyz, ":"), 1)
    to_atoms = timed(pes.to_atoms)
    arrays = [a for name, a in pes._all().items() if a.dtype != object and a.dtype.kind != "U"]
    raw = sum(a.nbytes for a in arrays) + 32 * len(pes)
    print("2,000 structures of 108 atoms        PESData    ASE extxyz   ratio")

    def row(what: str, ours: float, theirs: float) -> None:
        print(f"{what:32s}{ours:10.3f} s  {theirs:10.3f} s  {theirs / ours:6.1f}")

    row("write", ours_write, ase_write)
    row("read, all columns in memory", ours_read, ase_read)
    row("read and to_atoms()", ours_read + to_atoms, ase_read)
    print(f"to_atoms() alone                {to_atoms:10.3f} s")
    print(f"file, of the raw arrays         {h5.stat().st_size / raw:10.3f}")


def large(folder: Path, structures: int) -> None:
    path = folder / "large.h5"
    labelled(structures).write(path)
    command = [sys.executable, "-c", ITERATE, str(path)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", type=int, default=100_000, help="structures of the large file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        small(Path(name))
        large(Path(name), arguments.large)
