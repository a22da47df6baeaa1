"""Where a MACE model's weights come from, prepared so that MACE takes what it should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.pipelines.training.trainer import MemberTask
from potwright.potentials.files import refuse_other_kind
from potwright.potentials.mace import quiet_import


def foundation_file(name: str) -> Path:
    """A model file, or a model that MACE knows by name: fetched once, before members start.

    Raises
    ------
    InputError
        If it is neither, cannot be fetched, or is a file of another kind.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        path = _fetched(name)
    refuse_other_kind(path, "mace", "training.start.model")
    return path.resolve()


def _fetched(name: str) -> Path:
    with quiet_import():
        from mace.calculators.foundations_models import (
            download_mace_mp_checkpoint,
            mace_mp_names,
        )
    names = [known for known in mace_mp_names if known]
    if name not in names and not name.startswith("https:"):
        raise InputError(
            f"training.start.model = {name!r}: neither a file nor a model of MACE's "
            f"({', '.join(names)})"
        )
    try:
        return Path(download_mace_mp_checkpoint(name))
    except Exception as error:
        raise InputError(
            f"training.start.model = {name!r}: MACE cannot fetch it ({error}); fetch the file "
            "elsewhere, and give its path"
        ) from error


def load(path: Path) -> Any:
    """The model, on the CPU."""
    with quiet_import():
        import mace.data  # noqa: F401 - models unpickle quietly once mace is imported
        import torch

        return torch.load(path, map_location="cpu", weights_only=False)


def known_species(path: Path) -> list[int]:
    """Atomic numbers that a model knows."""
    return sorted(int(z) for z in load(path).atomic_numbers)


def prepare_start(task: MemberTask, path: Path) -> None:
    """Write the model that MACE shall start from.

    Without a second head, E0 are put into it: MACE copies those of a foundation model over the ones
    that it was given where both know equally many species. Readouts begin at random, each member's
    at its own, unless they shall be kept.

    Raises
    ------
    InputError
        If the model has several heads, and not the one that is asked for.
    """
    import torch

    start = task.start
    assert start is not None
    model = _one_head(load(start.model), start.head)
    energies = model.atomic_energies_fn.atomic_energies
    if start.replay is not None:  # MACE fails on those of a single species in two dimensions
        model.atomic_energies_fn.atomic_energies = energies.reshape(-1)
    else:
        for place, species in enumerate(model.atomic_numbers.tolist()):
            if species in task.energies:
                energies[..., place] = task.energies[species]
    if start.reinitialise_readouts:
        random = torch.Generator().manual_seed(task.seed)
        with torch.no_grad():
            for name, parameter in model.readouts.named_parameters():
                # as e3nn begins: normal weights, which it scales by itself, and no bias
                drawn = torch.randn(parameter.shape, generator=random)
                parameter.copy_(torch.zeros_like(drawn) if "bias" in name else drawn)
    torch.save(model, path)


def refuse_unknown_head(model: Any, head: str | None) -> None:
    """Refuse a head that a model does not have.

    Raises
    ------
    InputError
        Naming those that it has.
    """
    heads = _heads(model)
    if head is not None and head not in heads:
        raise InputError(
            f"training.start.head = {head!r}: the model has the heads {', '.join(heads)}"
        )


def _heads(model: Any) -> list[str]:
    return list(getattr(model, "heads", None) or ["Default"])


def _one_head(model: Any, head: str | None) -> Any:
    refuse_unknown_head(model, head)
    if len(_heads(model)) == 1:
        return model
    with quiet_import():
        from mace.tools.scripts_utils import remove_pt_head
    return remove_pt_head(model, head)


def flat_weights(path: Path) -> np.ndarray:
    """All weights of a model in a row."""
    parts = [parameter.detach().numpy().ravel() for parameter in load(path).parameters()]
    return np.concatenate(parts)
