"""One member trained by ``mtt train``, in this process."""

from __future__ import annotations

import logging
import shutil
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from potwright.pes import PESData
from potwright.pipelines.training.metatrain.parameters import MetatrainTrainer
from potwright.pipelines.training.trainer import MemberTask, epochs_for

PREFIX = "REF_"
MODEL, CHECKPOINT = "model.pt", "model.ckpt"
CHECKPOINTS = "checkpoints"
START = "start.ckpt"
LLPR = "llpr"
CHECKPOINTS_OF_A_RUN = 20


def run(trainer: MetatrainTrainer, task: MemberTask, folder: Path) -> None:
    """Train in ``folder``, from the newest checkpoint that a killed run left there if it did.

    Raises
    ------
    RuntimeError
        With metatrain's own words, if it gave up.
    """
    from potwright.pipelines.training.metatrain import start

    write_labels(task.training, folder / "training.xyz")
    write_labels(task.validation, folder / "validation.xyz")
    given = options(trainer, task)
    (folder / CHECKPOINTS).mkdir(exist_ok=True)
    restart: Path | None = newest_checkpoint(folder / CHECKPOINTS)
    if task.start is not None and restart is None:
        start.prepare_start(trainer, task, folder / START)
        restart = None if fine_tunes(task) else folder / START
    _train(given, folder, MODEL, CHECKPOINTS, restart)
    if trainer.llpr is not None:
        _wrap(trainer, task, given, folder)


def schedule(trainer: MetatrainTrainer, structures: int) -> tuple[int, int]:
    """Epochs and batch size for that many training structures.

    metatrain drops the last, incomplete batch of an epoch.
    """
    batch = min(int(trainer.given("batch_size")), structures)
    return epochs_for(trainer.epochs, trainer.optimiser_steps, structures // batch), batch


def options(trainer: MetatrainTrainer, task: MemberTask) -> dict[str, Any]:
    """What ``mtt train`` is told, as its YAML file has it."""
    from potwright.potentials.devices import choose, resolve_device

    epochs, batch = schedule(trainer, len(task.training))
    training: dict[str, Any] = {
        "num_workers": 0,  # a worker has its own cores already
        "checkpoint_interval": max(epochs // CHECKPOINTS_OF_A_RUN, 1),
        **trainer.settings.get("training", {}),
        "num_epochs": epochs,
        "batch_size": batch,
        "log_interval": 1,
        "atomic_baseline": {"energy": dict(task.energies)},
    }
    if fine_tunes(task):
        training["finetune"] = _fine_tuning(task)
    architecture = {
        "name": trainer.architecture,
        "atomic_types": sorted(task.energies),
        "model": dict(trainer.settings.get("model", {})),
        "training": training,
    }
    if task.start is not None:  # which has its own
        del architecture["model"]
    with_stress = trainer.stress and bool(np.isfinite(task.training.stress).any())
    return {
        "device": choose(resolve_device(task.device, task.member)),
        "base_precision": trainer.base_precision,
        "seed": task.seed,
        "final_eval": False,
        "print_stats": False,
        "architecture": architecture,
        "training_set": _dataset("training.xyz", with_stress),
        "validation_set": _dataset("validation.xyz", with_stress),
        "test_set": 0.0,
    }


def fine_tunes(task: MemberTask) -> bool:
    """Whether metatrain's own fine-tuning is used: where only some of the weights shall learn."""
    return task.start is not None and task.start.method in ("heads", "lora")


def _fine_tuning(task: MemberTask) -> dict[str, Any]:
    """The block ``finetune``, with the values that metatrain documents."""
    assert task.start is not None
    configurations: dict[str, dict[str, Any]] = {
        "heads": {
            "head_modules": ["node_heads", "edge_heads"],
            "last_layer_modules": ["node_last_layers", "edge_last_layers"],
        },
        "lora": {"rank": 4, "alpha": 8.0},
    }
    method = task.start.method
    return {
        "read_from": START,
        "method": method,
        "config": configurations[method],
        "inherit_heads": {},
    }


def _dataset(file: str, with_stress: bool) -> dict[str, Any]:
    def key(name: str) -> dict[str, str]:
        return {"read_from": file, "key": f"{PREFIX}{name}"}

    energy: dict[str, Any] = {"quantity": "energy", "unit": "eV", **key("energy")}
    energy |= {"forces": key("forces"), "stress": key("stress") if with_stress else False}
    return {
        "systems": {"read_from": file, "length_unit": "angstrom"},
        "targets": {"energy": energy},
    }


def write_labels(pes: PESData, path: Path) -> None:
    """Write structures for metatrain: what has no forces or no stress has NaN, which it leaves out.

    (A key that is missing in one structure would make it train on none.)
    """
    import ase.io

    images = []
    for atoms in pes.to_atoms(engine_pbc=True):
        results = atoms.calc.results
        cell = atoms.cell.array if atoms.pbc.any() else None
        plain = Atoms(atoms.numbers, atoms.positions, cell=cell, pbc=atoms.pbc)
        nothing = np.full(6, np.nan)
        plain.info[f"{PREFIX}energy"] = results["energy"]
        plain.info[f"{PREFIX}stress"] = voigt_6_to_full_3x3_stress(results.get("stress", nothing))
        plain.arrays[f"{PREFIX}forces"] = results.get("forces", np.full((len(atoms), 3), np.nan))
        images.append(plain)
    ase.io.write(path, images, format="extxyz")


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; others are removed."""
    found = sorted(folder.glob("model_*.ckpt"), key=lambda path: int(path.stem.partition("_")[2]))
    for path in reversed(found):
        if zipfile.is_zipfile(path):
            return path
        path.unlink()  # it was being written
    return None


def _wrap(
    trainer: MetatrainTrainer, task: MemberTask, given: Mapping[str, Any], folder: Path
) -> None:
    """Put metatrain's wrapper ``llpr`` around the member."""
    wrapper = trainer.llpr or {}
    architecture = {
        "name": "llpr",
        "model": dict(wrapper.get("model", {})),
        "training": {
            "num_workers": 0,
            # which must not exceed either set
            "batch_size": min(
                given["architecture"]["training"]["batch_size"], len(task.validation)
            ),
            **wrapper.get("training", {}),
            "model_checkpoint": CHECKPOINT,
        },
    }
    (folder / LLPR).mkdir(exist_ok=True)
    _train({**given, "architecture": architecture}, folder, "wrapped.pt", LLPR, None)
    shutil.move(folder / "wrapped.pt", folder / MODEL)


def _train(
    given: Mapping[str, Any], folder: Path, output: str, checkpoints: str, restart: Path | None
) -> None:
    """One run of ``mtt train``; its log is the next in the folder of checkpoints."""
    from omegaconf import OmegaConf

    log = (
        folder / checkpoints / f"train_{len(list((folder / checkpoints).glob('train_*.log')))}.log"
    )
    shutil.rmtree(folder / checkpoints / "indices", ignore_errors=True)  # of a killed run
    OmegaConf.save(OmegaConf.create(dict(given)), folder / checkpoints / "options.yaml")
    with _own_output(log), chdir(folder):
        from metatrain.cli.train import train_model

        try:
            train_model(
                OmegaConf.load(Path(checkpoints) / "options.yaml"),
                output=output,
                checkpoint_dir=checkpoints,
                restart_from=None if restart is None else str(restart.relative_to(folder)),
            )
        except Exception as error:
            from potwright.pipelines.training.metatrain.log import refuse_infinite_loss

            refuse_infinite_loss(folder, str(error))
            raise RuntimeError(f"mtt train gave up: {error}") from error


@contextmanager
def _own_output(log: Path) -> Iterator[None]:
    """What metatrain prints and logs goes to this file; the process is left as it was."""
    import io
    from contextlib import redirect_stdout

    import torch

    root = logging.getLogger()
    handlers, level, dtype = list(root.handlers), root.level, torch.get_default_dtype()
    root.handlers = []
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            from metatrain.utils.logging import ROOT_LOGGER, setup_logging

            with setup_logging(ROOT_LOGGER, log_file=log, level=logging.INFO):
                yield
    finally:
        for handler in root.handlers:
            handler.close()
        logging.captureWarnings(False)
        root.handlers, root.level = handlers, level
        torch.set_default_dtype(dtype)
