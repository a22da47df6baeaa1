"""Silicon for the benchmarks of training: PBE labels to learn, and a foundation model for them.

The foundation model is trained on another level of theory, the Stillinger–Weber potential, and on
other structures: distorted crystals of its own, with and without vacancies. What is tested on,
vacancies in molecular dynamics, is a whole kind of structure that nothing here
trains on.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from foundations import foundation_model, stillinger_weber

from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.potentials import Committee
from potwright.uncertainty import property_uncertainties

SETTINGS: dict[str, Any] = {
    "model": "ScaleShiftMACE",
    "r_max": 4.5,
    "max_ell": 2,
    "max_L": 0,
    "num_channels": 16,
    "correlation": 2,
    "radial_MLP": "[16, 16]",
    "batch_size": 2,
    "loss": "stress",
    "energy_weight": 100,
    "forces_weight": 100,
    "stress_weight": 1000,
    "ema": True,
    "ema_decay": 0.99,
    "default_dtype": "float32",
}
UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}


@dataclass(frozen=True)
class Silicon:
    """What can be bought, in random order, and what is tested on."""

    pool: PESData
    test: PESData


def silicon(folder: Path, seed: int) -> Silicon:
    """The mlearn benchmark: crystals and surfaces to learn from, vacancies to be tested on."""
    frames = ase.io.read(folder / "si_training.extxyz", index=":")
    kinds = np.array([atoms.info["config_type"] for atoms in frames])
    for atoms in frames:
        atoms.info = {}
    vacancy = np.flatnonzero(kinds == "Vacancy")
    rest = np.random.default_rng(seed).permutation(np.flatnonzero(kinds != "Vacancy"))
    return Silicon(
        PESData.from_atoms([frames[i] for i in rest], iteration=1, level_of_theory="pbe"),
        PESData.from_atoms([frames[i] for i in vacancy[::2]], level_of_theory="pbe"),
    )


def bought(pool: PESData, labels: int) -> PESData:
    """The first ``labels`` structures of a pool, a fifth of which validates."""
    number = np.arange(labels)
    split = np.where(number % 5 == 4, "validation", "training")
    return pool[:labels].replace(split=split)


def parameters(
    *, members: int, steps: int, lr: float, start: dict[str, Any] | None = None
) -> TrainingParameters:
    """Training for a number of optimiser steps, from ``lr`` to 2 % of it."""
    return TrainingParameters.model_validate(
        {
            "members": members,
            "trainer": {
                "type": "mace",
                "optimiser_steps": steps,
                "learning_rate_decay": 0.02,
                "settings": {**SETTINGS, "lr": lr},
            },
            "start": start or {"type": "scratch"},
            "executor": LocalExecutor(),
            "device": "auto",
        }
    )


def foundation(scratch: Path, *, structures: int, steps: int) -> Path:
    """The file of the foundation model; trained once for a folder."""
    labelled = bought(stillinger_weber(structures, seed=1), structures)
    return foundation_model(scratch, labelled, parameters(members=2, steps=steps, lr=0.02))


def command_line(description: str) -> argparse.ArgumentParser:
    """What the benchmarks of fine-tuning ask for."""
    parser = argparse.ArgumentParser(description=description.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--pool", type=Path, required=True, help="folder of si_training.extxyz")
    parser.add_argument("--scratch", type=Path, default=None, help="members are kept there")
    parser.add_argument("--foundation-structures", type=int, default=80)
    parser.add_argument("--foundation-steps", type=int, default=1000)
    return parser


@contextmanager
def prepared(given: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """A folder for members, and the foundation model."""
    with tempfile.TemporaryDirectory() as temporary, quietly():
        scratch = given.scratch or Path(temporary)
        yield (
            scratch,
            foundation(
                scratch, structures=given.foundation_structures, steps=given.foundation_steps
            ),
        )


def errors(committee: Committee, pes: PESData) -> dict[str, float]:
    """Over all structures: D, ε and b of each property, roots of mean squares, and D/ε."""
    predictions = committee.predict(pes, LocalExecutor())
    found = property_uncertainties(predictions, pes.energy, pes.forces, pes.stress)
    row = {}
    for name, of in found.items():
        d, e, b = (
            1000 * float(np.sqrt(np.nanmean(values**2)))
            for values in (of.disagreement, of.member_error, of.mean_error)
        )
        row |= {f"D {name}": d, f"ε {name}": e, f"b {name}": b, f"D/ε {name}": d / e}
    return row


@contextmanager
def quietly() -> Iterator[None]:
    """Without what backends say, and with the time it took."""
    started = time.perf_counter()
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)
    print(f"{time.perf_counter() - started:.0f} s in all")
