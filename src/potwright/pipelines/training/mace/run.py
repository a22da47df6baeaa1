"""One member trained by ``mace_run_train``, in this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.training.mace import checkpoints
from potwright.pipelines.training.mace.parameters import MACETrainer, refuse_no_stage_two
from potwright.pipelines.training.mace.settings import arguments, maces_parser
from potwright.pipelines.training.trainer import MemberTask, epochs_for

NAME = "member"
PREFIX = "REF_"
OUTPUT = "output.txt"
START = "start.model"
REPLAY_VALIDATES = 10
"""One in so many of the replayed structures validates."""


def run(trainer: MACETrainer, task: MemberTask, folder: Path) -> None:
    """Train in ``folder``, from the checkpoint that a killed run left there if it did.

    Raises
    ------
    RuntimeError
        If MACE gave up.
    ValueError
        If training would end before the stage two that is asked for.
    """
    from potwright.pipelines.training.mace.start import prepare_start
    from potwright.potentials.devices import choose, resolve_device
    from potwright.potentials.mace import quiet_import

    with quiet_import():
        from mace.cli.run_train import run as run_train

    write_labels(task.training, folder / "training.xyz")
    write_labels(task.validation, folder / "validation.xyz")
    if task.start is not None:
        prepare_start(task, folder / START)
        _write_replay(task, folder)
    resumes = checkpoints.prepare(folder)
    device = choose(resolve_device(task.device, task.member))
    command = arguments({"device": device, **options(trainer, task)})
    command += ["--restart_latest"] if resumes else []
    (folder / "command.txt").write_text("mace_run_train " + " ".join(command) + "\n")
    with own_output(folder / OUTPUT), chdir(folder):
        try:
            run_train(maces_parser().parse_args(command))
        except SystemExit as error:
            raise RuntimeError(f"mace_run_train gave up:\n{tail(folder)}") from error


def schedule(trainer: MACETrainer, structures: int) -> tuple[int, int, float | None]:
    """Epochs, batch size and learning-rate factor per epoch for that many training structures.

    MACE drops the last, incomplete batch of an epoch. It keeps only models that it validates, at
    epochs 0, k, 2k, … for ``eval_interval`` k; the last epoch is therefore made one of these.
    """
    batch = min(int(trainer.settings.get("batch_size", 10)), structures)
    interval = int(trainer.settings.get("eval_interval", 1))
    epochs = epochs_for(trainer.epochs, trainer.optimiser_steps, structures // batch)
    epochs = max(round((epochs - 1) / interval), 0) * interval + 1
    decay = trainer.learning_rate_decay
    return epochs, batch, None if decay is None else decay ** (1 / max(epochs - 1, 1))


def options(trainer: MACETrainer, task: MemberTask) -> dict[str, Any]:
    """The options of ``mace_run_train`` for this member."""
    epochs, batch, gamma = schedule(trainer, structures_per_epoch(task))
    refuse_no_stage_two(trainer.settings, epochs)
    # its figures tell less than the report, and stay open in the process that drew them
    given = {"plot": False, **trainer.settings, "batch_size": batch}
    given["valid_batch_size"] = min(int(given.get("valid_batch_size", 10)), len(task.validation))
    if gamma is not None:
        given |= {"scheduler": "ExponentialLR", "lr_scheduler_gamma": gamma}
    return (
        given
        | {
            "name": NAME,
            "seed": task.seed,
            "train_file": "training.xyz",
            "valid_file": "validation.xyz",
            "E0s": str(task.energies),
            "atomic_numbers": str(sorted(task.energies)),
            "max_num_epochs": epochs,
            "energy_key": f"{PREFIX}energy",
            "forces_key": f"{PREFIX}forces",
            "stress_key": f"{PREFIX}stress",
            "work_dir": ".",
        }
        | _start_options(task)
    )


def _start_options(task: MemberTask) -> dict[str, Any]:
    """How MACE is told where the weights come from.

    Without a second head nothing of the foundation model's heads matters; with one, MACE would
    choose a learning rate of its own, and repeat structures where they are few beside the replayed
    ones, unless it is told not to.
    """
    if task.start is None:
        return {}
    chosen: dict[str, Any] = {"foundation_model": START, "multiheads_finetuning": False}
    if task.start.replay is not None:
        chosen |= {
            "multiheads_finetuning": True,
            "pt_train_file": "replay_training.xyz",
            "pt_valid_file": "replay_validation.xyz",
            "force_mh_ft_lr": True,
            "real_pt_data_ratio_threshold": 0.0,
        }
    return chosen


def structures_per_epoch(task: MemberTask) -> int:
    """Structures that an epoch passes over, replayed ones included."""
    replayed = 0
    if task.start is not None and task.start.replay is not None:
        replayed = int((~_validates(task.start.replay)).sum())
    return len(task.training) + replayed


def write_labels(pes: PESData, path: Path, weight: float = 1.0) -> None:
    """Write structures for MACE: what has no stress has no key for it, hence weight 0."""
    import ase.io

    images = []
    for atoms in pes.to_atoms(engine_pbc=True):
        results = atoms.calc.results
        atoms.calc = None
        atoms.info = {f"{PREFIX}energy": results["energy"]}
        if weight != 1.0:
            atoms.info["config_weight"] = weight
        if "stress" in results:
            atoms.info[f"{PREFIX}stress"] = results["stress"]
        if "forces" in results:
            atoms.arrays[f"{PREFIX}forces"] = results["forces"]
        images.append(atoms)
    ase.io.write(path, images, format="extxyz")


def _write_replay(task: MemberTask, folder: Path) -> None:
    if task.start is None or task.start.replay is None:
        return
    replay = task.start.replay
    validates = _validates(replay)
    # MACE's own weight of the replaying head does nothing for files (its issue 1182)
    weight = task.start.replay_weight
    write_labels(replay[~validates], folder / "replay_training.xyz", weight)
    write_labels(replay[validates], folder / "replay_validation.xyz", weight)


def _validates(replay: PESData) -> np.ndarray:
    return np.arange(len(replay)) % REPLAY_VALIDATES == 0


@contextmanager
def own_output(path: Path) -> Iterator[None]:
    """What is printed and logged goes to this file; the process is left as it was."""
    import torch

    root = logging.getLogger()
    handlers, level, dtype = list(root.handlers), root.level, torch.get_default_dtype()
    with path.open("a") as output:
        root.handlers = []
        try:
            with redirect_stdout(output), redirect_stderr(output):
                yield
        finally:
            for handler in root.handlers:
                handler.close()
            root.handlers, root.level = handlers, level
            torch.set_default_dtype(dtype)


def tail(folder: Path, lines: int = 8) -> str:
    """The end of what MACE said."""
    path = folder / OUTPUT
    text = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return os.linesep.join(text[-lines:])
