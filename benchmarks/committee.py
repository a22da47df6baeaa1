"""Committee evaluation: beside bare passes of its members, and beside MACE's own calculator.

Four MACE members of random weights evaluate carbon crystals of 8 to 200 atoms: energies, forces and
stresses. All on two cores, in fresh processes:

- loop: ``MACECalculator`` with all four models, structure by structure, with two threads and one;
- bare: ``model(batch, compute_stress=True)`` of the same members on batches that are built before
  the clock starts, two processes of one thread;
- ours: ``Committee.predict_stored`` with two workers of one thread, from a file of structures to a
  file of predictions. The start of workers (imports and models) is measured by a run over a few
  structures and given apart, since bare passes and the loop are timed without theirs.

Processor time is given beside wall time: on a machine with other work only it can be compared.

Run: python benchmarks/committee.py [--structures 500] [--model small|base] [--memory]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

from potwright.execution import LocalExecutor, run_tasks
from potwright.pes import PESData
from potwright.potentials import Committee, edges, load_committee
from potwright.potentials.batching import ATOMS_PER_BATCH, batches
from potwright.potentials.mace import MACEModels, load, quiet_import
from potwright.potentials.model_file import ModelFile
from potwright.potentials.prediction import Piece, Pieces, Work, everything, predict

MEMBERS = 4
CORES = 2
# channels, correlation, largest L of messages, cutoff in Å: of the demo, and of conf/base
MODELS = {"small": (16, 2, 0, 3.5, [16, 16]), "base": (64, 3, 1, 5.0, [64, 64, 64])}


def crystal(index: int) -> Atoms:
    """A strained and rattled diamond cell of 8 to 200 atoms."""
    random = np.random.default_rng(index)
    cells = 1 + index % 25
    shapes = [
        (a, b, cells // (a * b))
        for a in range(1, cells + 1)
        for b in range(a, cells + 1)
        if cells % (a * b) == 0
    ]
    atoms = bulk("C", "diamond", a=3.57, cubic=True).repeat(min(shapes, key=max))
    atoms.set_cell(atoms.cell @ (np.eye(3) + random.uniform(-0.05, 0.05, (3, 3))), scale_atoms=True)
    atoms.positions += random.normal(scale=0.08, size=(len(atoms), 3))
    return atoms


def make_member(path: Path, seed: int, model: str) -> ModelFile:
    """A MACE of random weights: what it says does not matter, how long it takes does."""
    channels, correlation, largest_l, cutoff, radial = MODELS[model]
    with quiet_import(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from mace.modules import ScaleShiftMACE, interaction_classes

        from e3nn import o3  # isort: skip - mace makes it importable with today's torch

        torch.manual_seed(seed)
        torch.set_default_dtype(torch.float32)
        hidden = "+".join(f"{channels}x{n}{'oe'[n % 2 == 0]}" for n in range(largest_l + 1))
        made = ScaleShiftMACE(
            r_max=cutoff,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=2 if model == "small" else 3,
            interaction_cls=interaction_classes["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=interaction_classes["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=1,
            hidden_irreps=o3.Irreps(hidden),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.array([-1.0]),
            avg_num_neighbors=16.0,
            atomic_numbers=[6],
            correlation=correlation,
            gate=torch.nn.functional.silu,
            radial_MLP=radial,
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        )
        torch.save(made, path)
    return ModelFile(path, "mace")


def prepare(folder: Path, structures: int, model: str) -> None:
    members = [make_member(folder / f"{seed}.model", seed, model) for seed in range(MEMBERS)]
    Committee(tuple(members), {"species": [6]}).save(folder / "committee")
    PESData.from_atoms([crystal(i) for i in range(structures)]).write(folder / "pes.h5")


# ------------------------------------------------------------------ what the child processes do


class Clock:
    """Wall time and processor time since it was made, children that have ended included."""

    def __init__(self):
        self.start = time.perf_counter(), sum(os.times()[:4])

    def read(self, name: str = "") -> dict[str, float]:
        now = time.perf_counter(), sum(os.times()[:4])
        wall, processor = (b - a for a, b in zip(self.start, now, strict=True))
        return {f"{name}wall": wall, f"{name}processor": processor}


def loop(folder: Path) -> dict[str, float]:
    """MACE's own calculator, which builds the graph once for all its models."""
    committee = load_committee(folder / "committee")
    with quiet_import():
        from mace.calculators import MACECalculator

    paths = [str(member.path) for member in committee.members]
    calculator = MACECalculator(model_paths=paths, device="cpu", default_dtype="float32")
    images = PESData.read(folder / "pes.h5").to_atoms()
    for atoms in images[:5]:
        calculator.calculate(atoms)
    clock = Clock()
    for atoms in images:
        calculator.calculate(atoms)
    return clock.read()


def bare(folder: Path, part: int) -> dict[str, float]:
    """Forward and backward passes of one of two processes; it begins when it is told."""
    committee = load_committee(folder / "committee")
    members = [load(member.path).eval() for member in committee.members]
    for member in members:
        member.requires_grad_(False)
    models = MACEModels([committee.members[0].path], "cpu")  # builds graphs as MACE does
    edges.MOST_EDGES = edges.FEW_EDGES = 0
    pes = PESData.read(folder / "pes.h5")
    work = Work("mace", tuple(member.path for member in committee.members))
    built = []
    for piece in list(Pieces(work, [pes], [everything(pes)]))[part::CORES]:
        images = piece.pes.to_atoms(engine_pbc=True)
        for batch in batches(piece.pes.n_atoms, ATOMS_PER_BATCH["cpu"]):
            built.append(models.build([images[i] for i in batch]))
    for batch in built[:3]:
        for member in members:
            member(dict(batch), compute_stress=True)
    print("ready", flush=True)
    sys.stdin.readline()
    clock = Clock()
    for batch in built:
        for member in members:
            member(dict(batch), compute_stress=True)
    return clock.read()


def ours(folder: Path) -> dict[str, float]:
    committee = load_committee(folder / "committee")
    executor = LocalExecutor(workers=CORES, threads_per_worker=1)
    work = Work("mace", tuple(member.path for member in committee.members))
    few = PESData.from_atoms([crystal(i) for i in range(4)])
    clock = Clock()
    list(run_tasks(predict, [Piece(work, few, i) for i in range(CORES)], executor, description=""))
    seconds = clock.read("few ")
    sources = [PESData.read(folder / "pes.h5")]
    clock = Clock()
    committee.predict_stored(folder / "work", sources, executor)
    seconds |= clock.read("pes ")
    clock = Clock()
    committee.predict_stored(folder / "work", sources, executor)
    return seconds | clock.read("again ")


def memory(folder: Path, structures: int) -> dict[str, float]:
    """Peak memory of a process that evaluates everything by itself, MiB."""
    committee = load_committee(folder / "committee")
    sources = [PESData.read(folder / f"pes_{structures}.h5")]
    committee.predict_stored(folder / f"work_{structures}", sources)
    status = Path("/proc/self/status").read_text().splitlines()
    return {"mib": int(next(s for s in status if s.startswith("VmHWM")).split()[1]) / 1024}


# ------------------------------------------------------------------ the parent


def child(folder: Path, *what: str, threads: int = 1) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-W", "ignore", __file__, "--child", str(folder), *what]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def result(process: subprocess.Popen) -> dict[str, float]:
    output, _ = process.communicate()
    return json.loads(output.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--structures", type=int, default=500)
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--memory", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, arguments.structures, arguments.model)
        print(f"load of the machine before: {os.getloadavg()[0]:.1f}", flush=True)
        report(folder, arguments)
        if arguments.memory:
            for count in (500, 2000):
                pes = PESData.from_atoms([crystal(i) for i in range(count)])
                pes.write(folder / f"pes_{count}.h5")
                peak = result(child(folder, "memory", str(count)))["mib"]
                print(f"peak memory with {count} structures       {peak:8.0f} MiB", flush=True)


def report(folder: Path, arguments: argparse.Namespace) -> None:
    mine = result(child(folder, "ours"))
    halves = [child(folder, "bare", str(part)) for part in range(CORES)]
    for half in halves:
        half.stdout.readline()
    for half in halves:
        half.stdin.write("go\n")
        half.stdin.flush()
    passes = [result(half) for half in halves]
    two, one = (result(child(folder, "loop", threads=n)) for n in (2, 1))
    rows = {
        "MACECalculator, 2 threads": (two["wall"], two["processor"]),
        "MACECalculator, 1 thread": (one["wall"], one["processor"]),
        "bare passes, 2 processes": (
            max(half["wall"] for half in passes),
            sum(half["processor"] for half in passes),
        ),
        "ours, 2 workers": (
            mine["pes wall"] - mine["few wall"],
            mine["pes processor"] - mine["few processor"],
        ),
        "ours with the start of workers": (mine["pes wall"], mine["pes processor"]),
        "ours again, nothing is new": (mine["again wall"], mine["again processor"]),
    }
    print(f"{arguments.structures} structures, {MEMBERS} members ({arguments.model})")
    print(f"{'':34s}    wall  processor time, s")
    for name, (wall, processor) in rows.items():
        print(f"{name:34s}{wall:8.2f}{processor:8.2f}")
    loop_two, loop_one, bare_, ours_, *_ = rows.values()
    print(f"ours / bare passes                {ours_[0] / bare_[0]:8.2f}{ours_[1] / bare_[1]:8.2f}")
    print(f"MACECalculator (2 threads) / ours {loop_two[0] / ours_[0]:8.2f}")
    share = loop_one[1] / (ours_[1] / CORES)  # of processor time, both cores at work
    print(
        f"MACECalculator (1 thread) / ours  {loop_one[0] / ours_[0]:8.2f}{share:8.2f}", flush=True
    )


CHILDREN = {"loop": loop, "bare": bare, "ours": ours, "memory": memory}

if __name__ == "__main__":
    if "--child" in sys.argv:
        at = sys.argv.index("--child")
        folder, name, *rest = sys.argv[at + 1 :]
        print(json.dumps(CHILDREN[name](Path(folder), *map(int, rest))))
    else:
        main()
