"""What really ran, from metatrain's own logs and from the checkpoint that it left."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from potwright.pipelines.training.metatrain.parameters import MetatrainTrainer
from potwright.pipelines.training.metatrain.run import CHECKPOINT, CHECKPOINTS, MODEL, schedule
from potwright.pipelines.training.trainer import MemberTask, Ran

UNITS = {"eV": 1.0, "meV": 1e-3, "eV/A": 1.0, "meV/A": 1e-3, "": 1.0}
COLUMNS = {
    "loss": "validation loss",
    "training_loss": "training loss",
    "rmse_e_per_atom": "validation energy RMSE (per atom)",
    "rmse_f": "validation forces RMSE",
    "rmse_virial_per_atom": "validation virial RMSE (per atom)",
}


def read_back(trainer: MetatrainTrainer, task: MemberTask, folder: Path) -> Ran:
    """Epochs, steps and learning curve; refused if they are not what was asked for.

    Steps are those of full batches in each epoch; None with ``max_atoms_per_batch``.

    Raises
    ------
    RuntimeError
        If there is no model, the run was shorter than it should be, forces or stresses were not
        trained, the loss is not a finite number, or E0 are others than those given.
    """
    refuse_infinite_loss(folder)
    for name in (MODEL, CHECKPOINT):
        if not (folder / name).is_file():
            raise RuntimeError(f"metatrain wrote no {name}; the end of its log:\n{_tail(folder)}")
    curve, resumed = learning_curve(folder)
    epochs, batch = schedule(trainer, len(task.training))
    ran = len({point["epoch"] for point in curve})
    if ran != epochs or (curve[0]["epoch"], curve[-1]["epoch"]) != (0, epochs - 1):
        raise RuntimeError(
            f"metatrain ran {ran} epochs, {epochs} were asked for; the end of its log:\n"
            f"{_tail(folder)}"
        )
    _check_what_trained(trainer, task, folder)
    _check_baseline(task, folder / CHECKPOINT)
    # metatrain does not tell its steps; batches of so many atoms differ in number by epoch
    countable = trainer.given("max_atoms_per_batch") is None
    steps = ran * (len(task.training) // batch) if countable else None
    return Ran(epochs, steps, curve, resumed)


def learning_curve(folder: Path) -> tuple[list[dict[str, float]], list[int]]:
    """Points of all epochs, and the epochs after which the run was gone on with.

    Each attempt logs to a file of its own; of an epoch that was run again, the last run counts.
    """
    curve: dict[int, dict[str, float]] = {}
    resumed = []
    for attempt, log in enumerate(_logs(folder, ".csv")):
        with log.open(newline="") as file:
            rows = list(csv.reader(file))
        if len(rows) < 3:
            continue
        points = [_point(rows[0], rows[1], row) for row in rows[2:] if len(row) == len(rows[0])]
        first = int(points[0]["epoch"])
        if attempt and first:
            resumed.append(first - 1)
        curve = {epoch: point for epoch, point in curve.items() if epoch < first}
        curve |= {int(point["epoch"]): point for point in points}
    return [curve[epoch] for epoch in sorted(curve)], resumed


def _point(names: list[str], units: list[str], values: list[str]) -> dict[str, float]:
    row = dict(zip(names, zip(values, units, strict=True), strict=True))
    point = {"epoch": float(row["Epoch"][0])}
    for name, column in COLUMNS.items():
        if column in row:
            value, unit = row[column]
            point[name] = float(value) * UNITS[unit]
    return point


def refuse_infinite_loss(folder: Path, error: str = "") -> None:
    """Refuse a run in which the loss became infinite or NaN.

    Parameters
    ----------
    error
        What metatrain gave up with: where the first loss is NaN, it fails to print it.

    Raises
    ------
    RuntimeError
        Saying what to change.
    """
    curve, _ = learning_curve(folder)
    losses = [point[name] for point in curve for name in ("loss", "training_loss") if name in point]
    if not np.isfinite(losses).all() or "float NaN" in error or "float infinity" in error:
        raise RuntimeError(
            "the loss is not a finite number; lower the learning rate `training.learning_rate`"
        )


def _logs(folder: Path, suffix: str) -> list[Path]:
    logs = (folder / CHECKPOINTS).glob(f"train_*{suffix}")
    return sorted(logs, key=lambda path: int(path.stem.partition("_")[2]))


def _tail(folder: Path, lines: int = 8) -> str:
    logs = _logs(folder, ".log")
    text = logs[-1].read_text(errors="replace").splitlines() if logs else []
    return "\n".join(text[-lines:])


def _check_what_trained(trainer: MetatrainTrainer, task: MemberTask, folder: Path) -> None:
    """Forces and stresses were read: metatrain only warns, and goes on with energies alone."""
    said = _logs(folder, ".log")[-1].read_text()
    wanted = ["Forces found"]
    if trainer.stress and np.isfinite(task.training.stress).any():
        wanted.append("Stress found")
    missing = [words for words in wanted if words not in said]
    if missing:
        raise RuntimeError(f"metatrain's log does not say {missing[0]!r}: it was not trained")


def _check_baseline(task: MemberTask, path: Path) -> None:
    from potwright.pipelines.training.metatrain.start import baseline, read_checkpoint

    found = baseline(read_checkpoint(path))
    for species, energy in task.energies.items():
        if not np.isclose(found.get(species, np.nan), energy, rtol=1e-6, atol=1e-6):
            raise RuntimeError(
                f"the model's E0 of Z = {species} is {found.get(species)} eV, and not {energy} eV"
            )


def weights(path: Path) -> dict[str, Any]:
    """The weights of the best model in a checkpoint, by name."""
    from potwright.pipelines.training.metatrain.start import read_checkpoint

    return dict(read_checkpoint(path)["best_model_state_dict"])
