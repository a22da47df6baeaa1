"""Committee evaluation and dynamics on a GPU: how large a batch it wants, and what else takes time.

The committees and structures of benchmarks/committee.py. For the models of the demo and of
conf/base: structures per second for several sizes of batch, of bare passes of the same members over
batches that are built before the clock starts, and of MACE's own calculator. Then the steps per
second of dynamics by ASE, beside bare calls of the potential.

Run: python benchmarks/gpu.py [--structures 500] [--device cuda:0] [--models small base]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ase import Atoms
from ase.build import bulk
from committee import MEMBERS, MODELS, crystal, prepare

from potwright.dynamics import AseEngine, Conditions, Schedule
from potwright.pes import PESData
from potwright.potentials import Committee, load_committee
from potwright.potentials.batching import ATOMS_PER_BATCH, BatchedEvaluator, batches
from potwright.potentials.mace import MACEModels, quiet_import

SIZES = (1024, 2048, 4096, 8192, 16384, 32768)
STEPS = 100
TIMES = 2


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes; all that it asks of the GPU is read there, and so has ended."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def evaluation(committee: Committee, structures: list[Atoms], device: str) -> None:
    count = len(structures)
    paths = [member.path for member in committee.members]
    models = MACEModels(paths, device)
    print("atoms per batch   structures per second")
    for size in SIZES:
        evaluate = BatchedEvaluator(models, device, size)
        evaluate(structures[:: max(count // 60, 1)])  # TorchScript optimises what it sees
        rate = count / min(seconds(partial(evaluate, structures)) for _ in range(TIMES))
        print(f"{size:15d} {rate:10.1f}", flush=True)

    size = ATOMS_PER_BATCH[device.partition(":")[0]]
    sizes = PESData.from_atoms(structures).n_atoms
    built = [models.build([structures[i] for i in batch]) for batch in batches(sizes, size)]

    def bare() -> None:
        for batch in built:
            for member in range(MEMBERS):
                models.evaluate(batch, member)

    bare()
    print(f"bare passes, {size} atoms a batch: {count / seconds(bare):.1f} per second")

    with quiet_import():
        from mace.calculators import MACECalculator

    calculator = MACECalculator(
        model_paths=[str(path) for path in paths], device=device, default_dtype="float32"
    )

    def loop() -> None:
        for atoms in few:
            calculator.calculate(atoms)

    few = structures[:: max(count // 50, 1)]
    loop()
    print(f"MACE's own calculator: {len(few) / seconds(loop):.1f} per second", flush=True)


def dynamics(committee: Committee, repeat: int, device: str) -> None:
    """One member drives; then it is called as often on structures that are no further apart."""
    member = committee.members[0]
    start = bulk("C", "diamond", a=3.57, cubic=True) * repeat
    start.rattle(0.03, seed=1)

    def move() -> float:
        run = AseEngine().run_trajectory(
            start, member, Conditions(300), Schedule(1, STEPS, STEPS // 2), seed=1, device=device
        )
        return run.steps_per_second

    def calls() -> None:
        for _ in range(STEPS):
            called.positions += 1e-4
            called.get_forces()

    called = start.copy()
    called.calc = member.calculator(device=device)
    move()
    calls()
    rate, bare = move(), STEPS / seconds(calls)
    print(f"{len(start)} atoms: {rate:.1f} steps per s of {bare:.1f}: {rate / bare:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--structures", type=int, default=500)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    given = parser.parse_args()
    structures = [crystal(i) for i in range(given.structures)]
    for model in given.models:
        print(f"{given.structures} structures of 8 to 200 atoms, {MEMBERS} members ({model})")
        with tempfile.TemporaryDirectory() as place:
            prepare(Path(place), 0, model)
            committee = load_committee(Path(place) / "committee")
            evaluation(committee, structures, given.device)
            for repeat in (2, 4):
                dynamics(committee, repeat, given.device)


if __name__ == "__main__":
    main()
