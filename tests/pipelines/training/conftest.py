"""Structures whose energies EMT labels, and a small MACE that trains in a second."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from potwright.execution import SerialExecutor
from potwright.pes import PESData
from potwright.pipelines.training.members import member_task, member_tasks, train_members
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.training.trainer import MemberResult, MemberTask, train_member
from potwright.pipelines.training.training_set import training_set
from potwright.potentials import Committee

SETTINGS: dict[str, Any] = {
    "model": "ScaleShiftMACE",
    "r_max": 3.2,
    "max_ell": 1,
    "max_L": 0,
    "num_channels": 4,
    "correlation": 1,
    "num_interactions": 1,
    "radial_MLP": "[4]",
    "lr": 0.02,
    "batch_size": 4,
    "loss": "stress",
    "stress_weight": 100,
    "default_dtype": "float64",
}


METATRAIN: dict[str, dict[str, Any]] = {
    "soap_bpnn": {
        "soap": {"max_angular": 1, "max_radial": 1, "cutoff": {"radius": 3.2, "width": 0.5}},
        "bpnn": {"num_hidden_layers": 1, "num_neurons_per_layer": 4},
    },
    "pet": {
        "cutoff": 3.2,
        "d_pet": 4,
        "d_head": 4,
        "d_node": 4,
        "d_feedforward": 4,
        "num_heads": 1,
        "num_attention_layers": 1,
        "num_gnn_layers": 1,
    },
}


def emt(atoms: Atoms) -> Atoms:
    """The structure with EMT's energy and forces, and its stress where there is one."""
    atoms.calc = EMT()
    atoms.get_forces()
    names = ("energy", "forces", "stress")[: 3 if atoms.pbc.any() else 2]
    if "stress" in names:
        atoms.get_stress()
    atoms.calc.results = {name: atoms.calc.results[name] for name in names}
    return atoms


def copper(seed: int) -> Atoms:
    atoms = bulk("Cu", a=3.7, cubic=True)
    atoms.rattle(0.15, seed=seed)
    return emt(atoms)


@pytest.fixture(scope="session")
def labelled() -> PESData:
    """12 copper crystals to train on, 3 to validate and 2 to test, and an isolated atom."""
    lone = emt(Atoms("Cu", cell=[15.0] * 3))
    return PESData.from_atoms(
        [copper(i) for i in range(17)] + [lone],
        origin=["rattle"] * 17 + ["isolated_atom"],
        split=["training"] * 12 + ["validation"] * 3 + ["test"] * 2 + ["training"],
        iteration=1,
        level_of_theory="emt",
    )


@pytest.fixture(scope="session")
def parameters() -> Callable[..., TrainingParameters]:
    """Parameters of a tiny training; settings of MACE by name."""

    def make(
        members: int = 3, *, steps: int = 12, start: dict[str, Any] | None = None, **settings: Any
    ) -> TrainingParameters:
        return TrainingParameters.model_validate(
            {
                "members": members,
                "trainer": {
                    "type": "mace",
                    "optimiser_steps": steps,
                    "settings": SETTINGS | settings,
                },
                "start": start or {"type": "scratch"},
                "executor": SerialExecutor(),
                "device": "cpu",
            }
        )

    return make


@pytest.fixture(scope="session")
def metatrain() -> Callable[..., TrainingParameters]:
    """Parameters of a tiny training by metatrain; settings of its training by name."""

    def make(
        architecture: str = "soap_bpnn",
        *,
        steps: int = 9,
        start: dict[str, Any] | None = None,
        members: int = 2,
        trainer: dict[str, Any] | None = None,
        **training: Any,
    ) -> TrainingParameters:
        settings = {
            "model": METATRAIN[architecture],
            "training": {"batch_size": 4, "learning_rate": 0.01, **training},
        }
        chosen = {
            "type": "metatrain",
            "architecture": architecture,
            "optimiser_steps": steps,
            "base_precision": 64,
            "settings": settings,
        }
        return TrainingParameters.model_validate(
            {
                "members": members,
                "trainer": chosen | (trainer or {}),
                "start": start or {"type": "scratch"},
                "executor": SerialExecutor(),
                "device": "cpu",
            }
        )

    return make


@pytest.fixture(scope="session")
def train() -> Callable[[MemberTask], MemberResult]:
    """Train in this process, without MACE's own warnings."""

    def quietly(task: MemberTask) -> MemberResult:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return train_member(task)

    return quietly


@pytest.fixture(scope="session")
def committee_of(train: Callable[[MemberTask], MemberResult]) -> Callable[..., Committee]:
    """What ``train_members`` returns, its members trained here, where backends are imported."""

    def make(*arguments: Any, previous: Committee | None = None) -> Committee:
        for task in member_tasks(*arguments, previous=previous):
            train(task)
        return train_members(*arguments, previous=previous)

    return make


@dataclass(frozen=True)
class Trained:
    """A committee of three and the workspace that it was trained in."""

    committee: Committee
    workspace: Path


@pytest.fixture(scope="session")
def trained(
    labelled: PESData,
    parameters: Callable[..., TrainingParameters],
    committee_of: Callable[..., Committee],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    workspace = tmp_path_factory.mktemp("workspace")
    return Trained(committee_of(labelled, workspace, parameters(), 7, 1), workspace)


BACKENDS = ("mace", "soap_bpnn", "pet")


@pytest.fixture(scope="session")
def of_backend(
    parameters: Callable[..., TrainingParameters], metatrain: Callable[..., TrainingParameters]
) -> Callable[..., TrainingParameters]:
    """Parameters of a tiny training by one of ``BACKENDS``, at a learning rate if it is given."""

    def make(backend: str, learning_rate: float | None = None, **given: Any) -> TrainingParameters:
        key = "lr" if backend == "mace" else "learning_rate"
        own = {} if learning_rate is None else {key: learning_rate}
        if backend == "mace":
            return parameters(**own, **given)
        return metatrain(backend, **own, **given)

    return make


@pytest.fixture(scope="session")
def foundation(
    labelled: PESData,
    of_backend: Callable[..., TrainingParameters],
    train: Callable[[MemberTask], MemberResult],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """The model file of a member of ``BACKENDS``, trained once: others can start from it."""
    workspace = tmp_path_factory.mktemp("foundations")

    def make(backend: str) -> Path:
        parameters = of_backend(backend)
        task = member_task(training_set(labelled), workspace, parameters, 99, 0)
        return train(task).model

    return make


@pytest.fixture
def structures() -> Callable[..., PESData]:
    """``sizes[i]`` different crystals in group i, not yet assigned."""

    def make(sizes: list[int], **metadata: Any) -> PESData:
        total = sum(sizes)
        cells = np.tile(4 * np.eye(3), (total, 1, 1)) * (1 + np.arange(total)[:, None, None] / 1e4)
        columns = {
            "numbers": np.full(total, 29),
            "positions": np.zeros((total, 3)),
            "offsets": np.arange(total + 1),
            "cell": cells,
            "pbc": np.ones((total, 3), dtype=bool),
            "group": np.repeat([f"g{i}" for i in range(len(sizes))], sizes),
            "origin": "rattle",
        }
        return PESData.from_columns(**(columns | metadata))

    return make
