"""Committee evaluation on a GPU: how large a batch it wants, and what the graph should be like.

The committees and structures of benchmarks/committee.py. For the models of the demo and of
conf/base: structures per second for several sizes of batch, with the graph as neighbours come and
with the regular one that processors prefer (:mod:`potwright.potentials.mace_convolution`); of bare
passes of the same members over batches that are built before the clock starts; and of MACE's own
calculator. Then the steps per second of dynamics by ASE beside bare calls, for one trajectory alone
and for many together.

Run: python benchmarks/gpu.py [--structures 500] [--device cuda:0]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ase import Atoms
from committee import MEMBERS, MODELS, crystal, prepare

from potwright.dynamics import AseEngine, Conditions, Schedule
from potwright.pes import PESData
from potwright.potentials import Committee, load_committee
from potwright.potentials.batching import ATOMS_PER_BATCH, BatchedEvaluator, batches
from potwright.potentials.mace import MACEModels, quiet_import
from potwright.potentials.mace_convolution import sum_in_convolutions

SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768)
STEPS = 200


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes; everything that it asks of the GPU is read, and so has ended."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def models_of(committee: Committee, device: str, regular: bool) -> MACEModels:
    models = MACEModels([member.path for member in committee.members], device)
    models._on_cpu = regular
    if regular:
        for model in models._models:
            sum_in_convolutions(model)
    return models


def evaluation(committee: Committee, structures: list[Atoms], device: str) -> None:
    count = len(structures)
    print(f"{'atoms per batch':>16} {'as found':>10} {'regular':>10}   structures per second")
    for size in SIZES:
        rates = []
        for regular in (False, True):
            evaluate = BatchedEvaluator(models_of(committee, device, regular), device, size)
            evaluate(structures[:: max(count // 60, 1)])  # TorchScript optimises what it sees
            rates.append(count / min(seconds(partial(evaluate, structures)) for _ in range(2)))
        print(f"{size:16d} {rates[0]:10.1f} {rates[1]:10.1f}", flush=True)

    models = models_of(committee, device, False)
    sizes = PESData.from_atoms(structures).n_atoms
    kind = device.partition(":")[0]
    built = [
        models.build([structures[i] for i in batch])
        for batch in batches(sizes, ATOMS_PER_BATCH[kind])
    ]

    def bare() -> None:
        for batch in built:
            for member in range(MEMBERS):
                models.evaluate(batch, member)

    bare()
    print(f"bare passes, {ATOMS_PER_BATCH[kind]} atoms: {count / seconds(bare):.1f} per second")

    with quiet_import():
        from mace.calculators import MACECalculator

    paths = [str(member.path) for member in committee.members]
    calculator = MACECalculator(model_paths=paths, device=device, default_dtype="float32")
    few = structures[:: max(count // 50, 1)]
    for atoms in few:
        calculator.calculate(atoms)
    took = seconds(lambda: [calculator.calculate(atoms) for atoms in few])
    print(f"MACE's own calculator: {len(few) / took:.1f} per second", flush=True)


def dynamics(committee: Committee, device: str) -> None:
    """Steps per second of one member, 64 and 512 atoms, beside calls of the same potential."""
    member = committee.members[0]
    for repeat in (2, 4):
        from ase.build import bulk

        start = bulk("C", "diamond", a=3.57, cubic=True) * repeat
        start.rattle(0.03, seed=1)
        calculator = member.calculator(device=device)

        def call(atoms: Atoms) -> None:
            atoms.positions += 1e-4
            atoms.calc.get_property("forces", atoms)

        start.calc = calculator
        for _ in range(10):
            call(start)
        bare = STEPS / seconds(lambda: [call(start) for _ in range(STEPS)])
        start.calc = None

        def move(atoms: Atoms) -> float:
            run = AseEngine().run_trajectory(
                atoms, member, Conditions(300), Schedule(1, STEPS, STEPS // 2), seed=1, device=device
            )
            return run.steps_per_second

        move(start)
        print(f"{len(start)} atoms: {move(start):.1f} steps per s of {bare:.1f} bare", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--structures", type=int, default=500)
    parser.add_argument("--device", default="cuda:0")
    given = parser.parse_args()
    structures = [crystal(i) for i in range(given.structures)]
    for model in MODELS:
        print(f"{given.structures} structures of 8 to 200 atoms, {MEMBERS} members ({model})")
        with tempfile.TemporaryDirectory() as place:
            prepare(Path(place), 0, model)
            committee = load_committee(Path(place) / "committee")
            evaluation(committee, structures, given.device)
            dynamics(committee, given.device)


if __name__ == "__main__":
    main()
