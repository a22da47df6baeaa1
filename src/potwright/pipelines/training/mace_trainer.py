"""One member trained by ``mace_run_train``, in a worker process."""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from potwright.files import complete_or_absent
from potwright.pes import PESData
from potwright.pipelines.training.mace_settings import arguments, maces_parser
from potwright.pipelines.training.parameters import MACETrainer

NAME = "member"
PREFIX = "REF_"


@dataclass(frozen=True)
class MemberTask:
    """Everything that decides what a member becomes, and the folder that it gets."""

    folder: Path
    training: PESData
    validation: PESData
    energies: dict[int, float]
    trainer: MACETrainer
    seed: int
    device: str
    member: int


@dataclass(frozen=True)
class MemberResult:
    """A trained member, and what its log says really ran."""

    model: Path
    seed: int
    epochs: int
    optimiser_steps: int
    seconds: float
    learning_curve: list[dict[str, float]]
    versions: dict[str, str]


def train_member(task: MemberTask) -> MemberResult:
    """Train a member, or find it if it was trained before.

    Raises
    ------
    RuntimeError
        If the run ended without a model, or did other than it was told to.
    """
    record = task.folder / "result.json"
    if not record.is_file():
        with complete_or_absent(task.folder) as folder:
            folder.mkdir()
            started = time.perf_counter()
            _run(task, folder)
            result = _read_back(task, folder, time.perf_counter() - started)
            (folder / record.name).write_text(json.dumps(result))
    return MemberResult(model=task.folder / f"{NAME}.model", **json.loads(record.read_text()))


def schedule(trainer: MACETrainer, structures: int) -> tuple[int, int, float | None]:
    """Epochs, batch size and learning-rate factor per epoch for that many training structures.

    MACE drops the last, incomplete batch of an epoch. It keeps only models that it validates, at
    epochs 0, k, 2k, … for ``eval_interval`` k; the last epoch is therefore made one of these.
    """
    batch = min(int(trainer.settings.get("batch_size", 10)), structures)
    interval = int(trainer.settings.get("eval_interval", 1))
    epochs = trainer.epochs
    if trainer.optimiser_steps is not None:
        epochs = max(round(trainer.optimiser_steps / (structures // batch)), 1)
    epochs = max(round((epochs - 1) / interval), 0) * interval + 1
    decay = trainer.learning_rate_decay
    return epochs, batch, None if decay is None else decay ** (1 / max(epochs - 1, 1))


def options(task: MemberTask) -> dict[str, Any]:
    """The options of ``mace_run_train`` for this member."""
    epochs, batch, gamma = schedule(task.trainer, len(task.training))
    given = {**task.trainer.settings, "batch_size": batch}
    given["valid_batch_size"] = min(int(given.get("valid_batch_size", 10)), len(task.validation))
    if gamma is not None:
        given |= {"scheduler": "ExponentialLR", "lr_scheduler_gamma": gamma}
    return given | {
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


def write_labels(pes: PESData, path: Path) -> None:
    """Write structures for MACE: what has no stress has no key for it, hence weight 0."""
    import ase.io

    images = []
    for atoms in pes.to_atoms(engine_pbc=True):
        results = atoms.calc.results
        atoms.calc = None
        atoms.info = {f"{PREFIX}energy": results["energy"]}
        if "stress" in results:
            atoms.info[f"{PREFIX}stress"] = results["stress"]
        if "forces" in results:
            atoms.arrays[f"{PREFIX}forces"] = results["forces"]
        images.append(atoms)
    ase.io.write(path, images, format="extxyz")


def _run(task: MemberTask, folder: Path) -> None:
    from potwright.potentials.devices import resolve_device
    from potwright.potentials.mace import quiet_import

    with quiet_import():
        from mace.cli.run_train import run

    write_labels(task.training, folder / "training.xyz")
    write_labels(task.validation, folder / "validation.xyz")
    device = resolve_device(task.device, task.member)
    command = arguments({"device": device.split(":")[0], **options(task)})
    (folder / "command.txt").write_text("mace_run_train " + " ".join(command) + "\n")
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    _choose_gpu(device)
    with (folder / "output.txt").open("w") as output, chdir(folder):
        root.handlers = []
        try:
            with redirect_stdout(output), redirect_stderr(output):
                run(maces_parser().parse_args(command))
        except SystemExit as error:
            output.flush()
            raise RuntimeError(f"mace_run_train gave up:\n{_tail(folder)}") from error
        finally:
            for handler in root.handlers:
                handler.close()
            root.handlers, root.level = before


def _choose_gpu(device: str) -> None:
    """Make this GPU the one that ``cuda`` means: MACE takes no number."""
    import torch

    if device.startswith("cuda:"):
        torch.cuda.set_device(device)


def _read_back(task: MemberTask, folder: Path, seconds: float) -> dict[str, Any]:
    """What really ran, from MACE's own log; refused if it is not what was asked for."""
    from importlib.metadata import version

    if not (folder / f"{NAME}.model").is_file():
        raise RuntimeError(f"MACE wrote no model; the end of its output:\n{_tail(folder)}")
    (log,) = (folder / "results").glob("*_train.txt")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    evaluations = [line for line in lines if line["mode"] == "eval" and line["epoch"] is not None]
    steps = sum(line["mode"] == "opt" for line in lines)
    epochs, batch, _ = schedule(task.trainer, len(task.training))
    ran = 1 + max((line["epoch"] for line in lines if line["mode"] == "opt"), default=-1)
    stopped_early = ran < epochs and "patience" in task.trainer.settings
    complete = ran == epochs or stopped_early
    if not complete or steps != ran * (len(task.training) // batch):
        raise RuntimeError(
            f"MACE ran {ran} epochs and {steps} steps, {epochs} epochs were asked for; "
            f"the end of its output:\n{_tail(folder)}"
        )
    if not all(np.isfinite(line["loss"]) for line in evaluations):
        raise RuntimeError(
            "the validation loss is not a finite number; lower the learning rate `lr`"
        )
    wanted = ("epoch", "loss", "rmse_e_per_atom", "rmse_f", "rmse_stress")
    curve = [{k: float(line[k]) for k in wanted if line.get(k) is not None} for line in evaluations]
    packages = ("mace-torch", "torch", "e3nn")
    result = MemberResult(
        model=Path(),
        seed=task.seed,
        epochs=ran,
        optimiser_steps=steps,
        seconds=seconds,
        learning_curve=curve,
        versions={name: version(name) for name in packages},
    )
    return {key: value for key, value in asdict(result).items() if key != "model"}


def _tail(folder: Path, lines: int = 8) -> str:
    text = (folder / "output.txt").read_text(errors="replace").splitlines()
    return os.linesep.join(text[-lines:])
