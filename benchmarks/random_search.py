"""Random symmetric crystals: processor time of each, by composition and size, in one thread.

Run: OMP_NUM_THREADS=1 python benchmarks/random_search.py [--structures 50]
"""

from __future__ import annotations

import argparse
import logging
import os
import time

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.augmentation.random_search import random_crystals

CASES = {
    "C, 1 to 8 atoms": {"compositions": {"C": None}},
    "SiC, 2 to 16 atoms": {"compositions": {"SiC": None}},
    "MoTe2, 3 to 24 atoms": {"compositions": {"MoTe2": None}},
    "C, 32 atoms": {"compositions": {"C": None}, "formula_units": [32]},
    "SiC, 64 atoms": {"compositions": {"SiC": None}, "formula_units": [32], "max_atoms": 64},
}


def search(block: dict, structures: int) -> tuple[PESData, float]:
    """The crystals, and the processor time in s."""
    given = {"random_search": {**block, "structures": structures}}
    parameters = AugmentationParameters.model_validate(given)
    start = time.process_time()
    crystals = random_crystals(PESData.empty(), parameters, seed=1)
    return crystals, time.process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, default=50, help="crystals of each case")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    start = time.process_time()
    search({"compositions": {"Cu": None}}, 1)
    print(f"first crystal, pyxtal's import included   {time.process_time() - start:8.1f} s")
    for name, block in CASES.items():
        crystals, seconds = search(block, arguments.structures)
        groups = len({info["space_group"] for info in crystals.info})
        each = seconds / max(1, len(crystals))
        print(
            f"{name:24s} {len(crystals):5d} crystals of {groups:3d} space groups, "
            f"{np.mean(crystals.n_atoms):5.1f} atoms {seconds:7.1f} s {each:7.3f} s each"
        )
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
