"""Training on real data: silicon from density-functional theory (the mlearn benchmark)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

from potwright.pes import PESData
from potwright.pipelines.training.parameters import MACETrainer
from potwright.pipelines.training.reference_energies import reference_energies
from potwright.pipelines.training.trainer import MemberTask
from potwright.potentials.model_file import ModelFile

SETTINGS: dict[str, Any] = {
    "model": "ScaleShiftMACE",
    "r_max": 4.0,
    "max_ell": 2,
    "max_L": 0,
    "num_channels": 8,
    "correlation": 2,
    "radial_MLP": "[16]",
    "lr": 0.02,
    "batch_size": 2,
    "loss": "stress",
    "stress_weight": 100,
    "eval_interval": 5,
    "default_dtype": "float32",
}


@pytest.mark.shared
@pytest.mark.slow
def test_a_hundred_steps_on_perfect_crystals_halve_the_force_error_on_vacancies(
    shared_data: Path, tmp_path: Path, train: Callable[[MemberTask], Any]
) -> None:
    """No snapshot of the vacancy runs is trained on; the rival is a force of 0 on every atom."""
    frames = ase.io.read(shared_data / "si_training.extxyz", index=":")
    kinds = np.array([atoms.info["config_type"] for atoms in frames])
    crystals = np.flatnonzero(np.isin(kinds, ["AIMD-NVT", "Elastic"]))
    chosen = np.random.default_rng(0).permutation(crystals)[:36]
    training = PESData.from_atoms([frames[i] for i in chosen[:32]], split="training", iteration=1)
    task = MemberTask(
        folder=tmp_path / "member",
        training=training,
        validation=PESData.from_atoms([frames[i] for i in chosen[32:]]),
        energies=reference_energies(training).by_species,
        trainer=MACETrainer(optimiser_steps=96, learning_rate_decay=0.1, settings=SETTINGS),
        seed=0,
        device="cpu",
        member=0,
    )
    vacancies = PESData.from_atoms([frames[i] for i in np.flatnonzero(kinds == "Vacancy")[::4]])
    _, forces, _ = ModelFile(train(task).model, "mace").evaluate(vacancies)
    error = np.sqrt(np.mean((forces - vacancies.forces) ** 2))
    assert error < 0.6 * np.sqrt(np.mean(vacancies.forces**2))
