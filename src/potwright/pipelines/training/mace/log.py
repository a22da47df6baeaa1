"""What really ran, from MACE's own log and from the model that it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from potwright.pipelines.training.mace import checkpoints
from potwright.pipelines.training.mace.parameters import MACETrainer
from potwright.pipelines.training.mace.run import schedule, structures_per_epoch, tail
from potwright.pipelines.training.trainer import MemberTask, Ran

NUMBERS = ("epoch", "loss", "rmse_e_per_atom", "rmse_f", "rmse_stress")
OWN_HEAD = "Default"


def read_back(trainer: MACETrainer, task: MemberTask, folder: Path) -> Ran:
    """Epochs, steps and learning curve; refused if they are not what was asked for.

    Raises
    ------
    RuntimeError
        If there is no model, the run was shorter or longer than it should be, the loss is not a
        finite number, or the model has other heads or other E0 than it was given.
    """
    if not (folder / trainer.model_file).is_file():
        raise RuntimeError(f"MACE wrote no model; the end of its output:\n{tail(folder)}")
    (log,) = (folder / "results").glob("*_train.txt")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    evaluations = [line for line in lines if line["mode"] == "eval" and line["epoch"] is not None]
    steps = sum(line["mode"] == "opt" for line in lines)
    structures = structures_per_epoch(task)
    epochs, batch, _ = schedule(trainer, structures)
    ran = 1 + max((line["epoch"] for line in lines if line["mode"] == "opt"), default=-1)
    stopped_early = ran < epochs and "patience" in trainer.settings
    complete = ran == epochs or stopped_early
    if not complete or steps != ran * (structures // batch):
        raise RuntimeError(
            f"MACE ran {ran} epochs and {steps} steps, {epochs} epochs were asked for; "
            f"the end of its output:\n{tail(folder)}"
        )
    if not all(np.isfinite(line["loss"]) for line in evaluations):
        raise RuntimeError(
            "the validation loss is not a finite number; lower the learning rate `lr`"
        )
    _check_model(task, folder / trainer.model_file)
    own = [line for line in evaluations if line.get("head", OWN_HEAD) in (OWN_HEAD, None)]
    return Ran(
        epochs=ran,
        optimiser_steps=steps,
        learning_curve=[_point(line) for line in own],
        resumed_after=checkpoints.resumed_after(folder),
    )


def _point(line: dict[str, Any]) -> dict[str, float]:
    return {name: float(line[name]) for name in NUMBERS if line.get(name) is not None}


def _check_model(task: MemberTask, path: Path) -> None:
    """The heads and the E0 of the model are those that were asked for.

    MACE switches a second head off in silence where it thinks it should, and takes a foundation
    model's E0 over those it was given where both know equally many species.
    """
    from potwright.pipelines.training.mace.start import load

    model = load(path)
    heads = list(getattr(model, "heads", None) or [OWN_HEAD])
    wanted = 2 if task.start is not None and task.start.replay is not None else 1
    if len(heads) != wanted:
        raise RuntimeError(
            f"MACE left a model with the heads {heads}, {wanted} were asked for; the end of its "
            f"output:\n{tail(path.parent)}"
        )
    energies = np.atleast_2d(model.atomic_energies_fn.atomic_energies.numpy(force=True))[-1]
    given = dict(zip(model.atomic_numbers.tolist(), energies.tolist(), strict=True))
    for species, energy in task.energies.items():
        if not np.isclose(given[species], energy, rtol=1e-5, atol=1e-5):
            raise RuntimeError(
                f"the model's E0 of Z = {species} is {given[species]:g} eV, and not {energy:g} eV"
            )
