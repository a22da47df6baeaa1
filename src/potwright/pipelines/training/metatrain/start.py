"""Where a metatrain model's weights come from, prepared so that metatrain takes what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.request import urlretrieve

from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.pipelines.training.metatrain.parameters import MetatrainTrainer
from potwright.pipelines.training.trainer import MemberTask
from potwright.potentials.files import refuse_other_kind

COMPOSITION = "additive_models.0.energy_composition_buffer"
READOUTS = ("heads.", "last_layers.")
TRAINING_STATE = (
    "epoch",
    "optimizer_state_dict",
    "scheduler_state_dict",
    "best_epoch",
    "best_metric",
    "best_optimizer_state_dict",
)


def foundation_file(name: str, folder: Path, architecture: str) -> Path:
    """A checkpoint of this architecture, or an address that it is fetched from once.

    Raises
    ------
    InputError
        If it is neither, cannot be fetched, or is of another kind or architecture.
    """
    path = _fetched(name, folder) if "://" in name else Path(name).expanduser()
    where = f"training.start.model = {name!r}"
    if not path.is_file():
        raise InputError(f"{where}: there is no such file")
    refuse_other_kind(path, "metatrain checkpoint", where)
    its = read_checkpoint(path)["architecture_name"]
    if its != architecture:
        raise InputError(f"{where} is a model of {its}; training.trainer trains {architecture}")
    return path.resolve()


def _fetched(name: str, folder: Path) -> Path:
    path = folder / "foundation" / name.rstrip("/").rpartition("/")[2]
    if not path.is_file():
        try:
            with complete_or_absent(path) as temporary:
                urlretrieve(name, temporary)
        except OSError as error:
            raise InputError(
                f"training.start.model = {name!r}: cannot be fetched ({error}); fetch the file "
                "elsewhere, and give its path"
            ) from error
    return path


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of metatrain, on the CPU."""
    import metatrain.utils.io  # noqa: F401 - what is pickled needs its classes
    import torch

    return dict(torch.load(path, map_location="cpu", weights_only=False))


def known_species(path: Path) -> list[int]:
    """Atomic numbers that a checkpoint's model knows."""
    return sorted(int(z) for z in read_checkpoint(path)["model_data"]["dataset_info"].atomic_types)


def baseline(checkpoint: dict[str, Any]) -> dict[int, float]:
    """E0 of each species in a checkpoint's model, eV."""
    import metatensor.torch as mts

    (block,) = mts.load_buffer(checkpoint["best_model_state_dict"][COMPOSITION]).blocks()
    species = block.samples.values[:, 0].tolist()
    return dict(zip(species, block.values.reshape(-1).tolist(), strict=True))


def prepare_start(trainer: MetatrainTrainer, task: MemberTask, path: Path) -> None:
    """Write the checkpoint that metatrain shall start from: best weights, epoch 0, fresh optimiser.

    E0 are put into it, because metatrain keeps those of the model that it goes on from. Readouts
    begin at random, each member's at its own, unless they shall be kept.
    """
    import torch
    from metatrain.utils.architectures import import_architecture

    start = task.start
    assert start is not None
    architecture = import_architecture(trainer.architecture)
    checkpoint = read_checkpoint(start.model)
    if checkpoint["model_ckpt_version"] < architecture.__model__.__checkpoint_version__:
        checkpoint = architecture.__model__.upgrade_checkpoint(checkpoint)
    weights = checkpoint["best_model_state_dict"]
    weights[COMPOSITION] = _with_baseline(weights[COMPOSITION], task.energies)
    if start.reinitialise_readouts:
        random = torch.Generator().manual_seed(task.seed)
        for name, value in weights.items():
            readout = any(part in name for part in READOUTS) and torch.is_tensor(value)
            if readout and value.is_floating_point():
                weights[name] = _random(value, random)
    checkpoint |= dict.fromkeys(TRAINING_STATE)
    checkpoint["model_state_dict"] = checkpoint["best_model_state_dict"] = weights
    checkpoint["trainer_ckpt_version"] = architecture.__trainer__.__checkpoint_version__
    with complete_or_absent(path) as temporary:
        torch.save(checkpoint, temporary)


def _with_baseline(buffer: Any, energies: dict[int, float]) -> Any:
    import metatensor.torch as mts

    weights = mts.load_buffer(buffer)
    (block,) = weights.blocks()
    for place, species in enumerate(block.samples.values[:, 0].tolist()):
        if species in energies:
            block.values[place] = energies[species]
    return mts.save_buffer(mts.make_contiguous(weights))


def _random(value: Any, random: Any) -> Any:
    """As torch begins a linear layer; biases with 0."""
    import torch

    if value.ndim < 2:
        return torch.zeros_like(value)
    bound = value.shape[-1] ** -0.5
    drawn = torch.rand(value.shape, generator=random, dtype=torch.float64) * 2 - 1
    return (drawn * bound).to(value.dtype)
