"""MACE models: Batatia et al., NeurIPS 2022, arXiv:2206.07697."""

from __future__ import annotations

import io
import logging
import pickle
import warnings
from collections.abc import Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.potentials.batching import BatchValues
from potwright.potentials.devices import compiled_as_it_is
from potwright.potentials.edges import Edges, regular

EXPECTED = "mace_run_train leaves one as NAME.model (NAME_compiled.model is not one)"


@contextmanager
def quiet_import() -> Any:
    """Import ``mace`` without its notes on optional packages and its e3nn warnings."""
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.filterwarnings("ignore", message=".*TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD.*")
        warnings.filterwarnings("ignore", message=".*`torch.jit.*deprecated.*")
        yield
    root.setLevel(level)


class MACEModels:
    """Models that share a cutoff and species, and therefore a graph."""

    def __init__(self, paths: Sequence[Path], device: str):
        from potwright.potentials.mace_convolution import sum_in_convolutions

        self._models = [load(path, device) for path in paths]
        # what a GPU prefers has not been measured
        self._on_cpu = device.startswith("cpu")
        for model in self._models:
            model.eval()
            if self._on_cpu:
                sum_in_convolutions(model)
            for parameter in model.parameters():
                parameter.requires_grad = False
        _refuse_unlike(paths, self._models)
        first = self._models[0]
        self._device = device
        self._dtype = next(first.parameters()).dtype
        self._cutoff = float(first.r_max)
        self._head = _head(getattr(first, "heads", None) or ["Default"])
        self._numbers = np.array([int(z) for z in first.atomic_numbers])

    @property
    def members(self) -> int:
        """Number of models."""
        return len(self._models)

    @property
    def species(self) -> frozenset[int]:
        """Atomic numbers that they know."""
        return frozenset(self._numbers.tolist())

    def evaluate(self, batch: dict[str, Any], member: int) -> BatchValues:
        """Energy, forces and stress by one model."""
        # a model puts strained positions into the dictionary, but leaves the tensors alone
        with compiled_as_it_is(self._device):
            out = self._models[member](dict(batch), compute_stress=True)
        return BatchValues(*(_array(out[name]) for name in ("energy", "forces", "stress")))

    def describe(self, batch: dict[str, Any]) -> np.ndarray:
        """The invariant part of the features of all layers, shape (n, F)."""
        import torch

        model = self._models[0]
        with compiled_as_it_is(self._device), torch.no_grad():
            out = model(dict(batch), compute_force=False)
        layers = [product.linear.irreps_out for product in model.products]
        kept, start = [], 0
        for irreps in layers:
            scalars = [s for s, ir in zip(irreps.slices(), irreps, strict=True) if ir.ir.l == 0]
            kept += [np.arange(start + s.start, start + s.stop) for s in scalars]
            start += irreps.dim
        return _array(out["node_feats"])[:, np.concatenate(kept)]

    def build(self, structures: Sequence[Atoms]) -> dict[str, Any]:
        """What MACE's models read: one graph, whose parts are the structures.

        The graph that MACE's own data classes make also holds labels and their weights; for single
        structures, as in molecular dynamics, that takes longer than finding the neighbours.
        """
        import torch

        ends = np.cumsum([0, *map(len, structures)])
        found = [self._edges(atoms) for atoms in structures]
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        all_of_them = Edges(
            np.concatenate([e.pairs + start for e, start in zip(found, ends[:-1], strict=True)], 1),
            np.concatenate([e.shifts for e in found]),
            np.concatenate([e.unit_shifts for e in found]),
            np.stack([e.cell for e in found]),
        )
        structure_of_atom = np.repeat(np.arange(len(structures)), np.diff(ends))
        edges = (
            regular(all_of_them, structure_of_atom, self._cutoff) if self._on_cpu else all_of_them
        )
        graph = {
            "positions": np.concatenate([atoms.positions for atoms in structures]),
            "node_attrs": numbers[:, None] == self._numbers,
            "cell": edges.cell.reshape(-1, 3),
            "shifts": edges.shifts,
            "unit_shifts": edges.unit_shifts,
        }
        indices = {
            "edge_index": edges.pairs,
            "batch": structure_of_atom,
            "ptr": ends,
            "head": np.full(len(structures), self._head),
        }
        place = {"device": self._device}
        return {k: torch.as_tensor(v, dtype=self._dtype, **place) for k, v in graph.items()} | {
            k: torch.as_tensor(v, dtype=torch.int64, **place) for k, v in indices.items()
        }

    def _edges(self, atoms: Atoms) -> Edges:
        from mace.data.neighborhood import get_neighborhood

        return Edges(
            *get_neighborhood(
                atoms.positions, self._cutoff, tuple(map(bool, atoms.pbc)), atoms.cell.array.copy()
            )
        )


def load(path: Path, device: str = "cpu") -> Any:
    """The model in a file.

    Raises
    ------
    InputError
        If it is not a MACE model.
    """
    with quiet_import():
        import mace.data  # noqa: F401 - models unpickle quietly once mace is imported
        import torch
        from mace.modules import MACE

        wrong = (pickle.UnpicklingError, EOFError, RuntimeError, ValueError, LookupError)
        try:
            model = torch.load(path, map_location=device, weights_only=False)
        except (*wrong, AttributeError, ImportError, TypeError) as error:
            raise InputError(f"{path}: not a MACE model ({error}); {EXPECTED}") from error
    if not isinstance(model, MACE):
        raise InputError(f"{path}: not a MACE model, but a {type(model).__name__}; {EXPECTED}")
    return model


def _refuse_unlike(paths: Sequence[Path], models: Sequence[Any]) -> None:
    """One graph serves all members, if they see the same of it."""
    described = [
        {
            "cutoff": f"{float(model.r_max):g} Å",
            "species": [int(z) for z in model.atomic_numbers],
            "precision": str(next(model.parameters()).dtype),
        }
        for model in models
    ]
    for path, one in zip(paths, described, strict=True):
        for name, value in one.items():
            if value != described[0][name]:
                raise InputError(
                    f"{path} has {name} {value}, but {paths[0]} has {described[0][name]}: members "
                    "of a committee share them; train them with the same settings"
                )


def _head(names: Sequence[str]) -> int:
    """The one called ``default``, as MACE's own calculator takes it; else the last."""
    lowered = [name.lower() for name in names]
    return lowered.index("default") if "default" in lowered else len(names) - 1


def _array(tensor: Any) -> np.ndarray:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)
