"""How long augmentation takes, and what it makes: thousands of structures from a few, on one core.

All strategies with their defaults, but as many copies as give 5,000 structures, supercells and
slabs of at most 150 atoms, and alloys of the inputs' most frequent species with another one.
Substitutions need structures of several species; where the inputs have one only, they are timed on
the alloys. Special quasirandom alloys are timed apart, on cubic supercells of 32 to 108 atoms.

Run: python benchmarks/augmentation.py STRUCTURES [--copies 210] [--max-atoms 150] [--partner Si]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase.build import bulk
from ase.data import chemical_symbols

from potwright.geometry import engine_pbc, smallest_covalent_ratio
from potwright.pes import PESData
from potwright.pipelines.augmentation.alloys import mix_alloys
from potwright.pipelines.augmentation.derivation import geometries
from potwright.pipelines.augmentation.parameters import (
    AlloyParameters,
    AugmentationParameters,
    SubstitutionParameters,
)
from potwright.pipelines.augmentation.pipeline import create_pipeline
from potwright.pipelines.augmentation.substitutions import swap_atoms

RATIO = AugmentationParameters().min_covalent_ratio


def read(path: Path) -> PESData:
    atoms = ase.io.read(path, index=":")
    names = [f"{path.name}#{i}" for i in range(len(atoms))]
    return PESData.from_atoms(atoms, labels="none", source=names)


def settings(initial: PESData, options: argparse.Namespace) -> AugmentationParameters:
    frequent = chemical_symbols[int(np.bincount(initial.numbers).argmax())]
    return AugmentationParameters.model_validate(
        {
            "copies": options.copies,
            "supercells": {"max_atoms": options.max_atoms},
            "slabs": {"max_atoms": options.max_atoms},
            "alloys": {"alloy_species": [frequent, options.partner], "allow_new_species": True},
        }
    )


def augment(initial: PESData, parameters: AugmentationParameters) -> PESData:
    """Run the pipeline's nodes, and print what each takes."""
    data: dict[str, Any] = {
        "initial_structures": initial,
        "params:augmentation": parameters,
        "params:seed": 1,
    }
    start = time.perf_counter()
    print("node                        s   structures")
    for node in create_pipeline().nodes:
        began = time.perf_counter()
        data |= node.run({name: data[name] for name in node.inputs})
        (output,) = node.outputs
        print(f"{node.name:20s} {time.perf_counter() - began:8.2f} {len(data[output]):12d}")
    print(f"{'all':20s} {time.perf_counter() - start:8.2f}")
    augmented: PESData = data["augmented_structures"]
    return augmented


def describe(augmented: PESData, max_atoms: int) -> None:
    # not ru_maxrss: it starts at that of the process which started this one
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
    ratios = [  # with the periodicity that screening sees
        smallest_covalent_ratio(*geometry[:3], engine_pbc(geometry.pbc))
        for geometry, origin in zip(geometries(augmented), augmented.origin, strict=True)
        if origin != "isolated_atom"
    ]
    print(f"\n{augmented.summary()[['origin', 'structures', 'smallest', 'largest']].to_string()}\n")
    within = int((augmented.n_atoms <= max_atoms).sum())
    print(f"atoms                             {augmented.n_atoms.sum():8d}")
    print(f"structures of at most {max_atoms} atoms   {within:8d}")
    print(f"larger ones                       {len(augmented) - within:8d}")
    print(f"duplicate ids                     {len(augmented) - len(set(augmented.id)):8d}")
    print(f"smallest covalent ratio           {min(ratios):8.3f}")
    print(f"structures under {RATIO:.2f}             {sum(r < RATIO for r in ratios):8d}")
    print(f"peak memory of this process       {peak:8.0f} MB")


def substitute(augmented: PESData) -> None:
    alloys = augmented[augmented.origin == "alloy"]
    start = time.perf_counter()
    every = SubstitutionParameters(fraction_of_structures=1)
    swapped = swap_atoms(alloys, every, RATIO, seed=1)
    spent = time.perf_counter() - start
    print(f"\n{len(swapped)} substitutions in {len(alloys)} alloys: {spent:.2f} s")


def quasirandom(iterations: int) -> None:
    for repeats in (2, 3):
        gold = PESData.from_atoms([bulk("Au", cubic=True).repeat(repeats)])
        half = {
            "alloy_species": ["Au", "Cu"],
            "allow_new_species": True,
            "compositions": [{"Au": 0.5, "Cu": 0.5}],
            "count": 10,
            "arrangement": {"type": "special_quasirandom", "iterations": iterations},
        }
        start = time.perf_counter()
        alloys = mix_alloys(
            PESData.empty(), gold, AlloyParameters.model_validate(half), RATIO, seed=1
        )
        spent = (time.perf_counter() - start) / len(alloys)
        print(f"special quasirandom alloy of {gold.n_atoms[0]} atoms: {spent:.2f} s")


def on_one_core() -> None:
    """Begin anew where libraries see one core from their import on."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        os.execve(sys.executable, [sys.executable, *sys.argv], environment)


if __name__ == "__main__":
    on_one_core()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("structures", type=Path, help="a file that ASE reads")
    parser.add_argument("--copies", type=int, default=210, help="of each input")
    parser.add_argument("--max-atoms", type=int, default=150, help="of supercells and slabs")
    parser.add_argument("--partner", default="Si", help="second species of the alloys")
    parser.add_argument("--iterations", type=int, default=10_000, help="of the quasirandom search")
    options = parser.parse_args()
    initial = read(options.structures)
    augmented = augment(initial, settings(initial, options))
    describe(augmented, options.max_atoms)
    substitute(augmented)
    quasirandom(options.iterations)
