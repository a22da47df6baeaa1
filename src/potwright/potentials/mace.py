"""MACE models: Batatia et al., NeurIPS 2022, arXiv:2206.07697."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress

from potwright.pes import PESData
from potwright.potentials.devices import resolve_device
from potwright.potentials.protocol import MemberValues

ATOMS_PER_BATCH = 1200


@dataclass(frozen=True)
class MACEPotential:
    """One MACE model file, as ``mace_run_train`` leaves it."""

    path: Path

    def calculator(self, device: str = "auto") -> Any:
        """An ASE calculator of this model alone."""
        from potwright.potentials.calculator import CommitteeCalculator

        return CommitteeCalculator(evaluator((self.path,), device))

    def evaluate(
        self, pes: PESData, device: str = "auto"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energy (S,), forces (N, 3) and stress (S, 6) of all structures."""
        energy, forces, stress = evaluator((self.path,), device)(pes.to_atoms(engine_pbc=True))
        return energy[0], forces[0], stress[0]


def evaluator(paths: Sequence[Path], device: str = "auto") -> MACEEvaluator:
    """The evaluator of these models; loaded once per process and device."""
    stamps = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
    return _loaded(stamps, resolve_device(device))


@lru_cache(maxsize=2)
def _loaded(stamps: tuple[tuple[str, int], ...], device: str) -> MACEEvaluator:
    return MACEEvaluator([Path(path) for path, _ in stamps], device)


@contextmanager
def quiet_import() -> Any:
    """Import ``mace`` without its notes on optional packages and its e3nn warnings."""
    # mace lifts torch's restriction on unpickling by this variable; it does so for models of ours
    before = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    root = logging.getLogger()
    level = root.level
    with warnings.catch_warnings(), open(os.devnull, "w") as nothing:  # noqa: PTH123
        from contextlib import redirect_stdout

        warnings.filterwarnings("ignore", message=".*TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD.*")
        warnings.filterwarnings("ignore", message=".*`torch.jit.*deprecated.*")
        with redirect_stdout(nothing):
            yield
    root.setLevel(level)
    if before is None:
        os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)


class MACEEvaluator:
    """Models that share a cutoff and species, evaluated on batches whose graph is built once."""

    def __init__(self, paths: Sequence[Path], device: str):
        with quiet_import():
            import mace.tools
            import torch

            self._models = [
                torch.load(path, map_location=device, weights_only=False) for path in paths
            ]
        for model in self._models:
            model.eval()
            for parameter in model.parameters():
                parameter.requires_grad = False
        first = self._models[0]
        self._device = device
        self._dtype = next(first.parameters()).dtype
        self._cutoff = float(first.r_max)
        self._heads = getattr(first, "heads", None) or ["Default"]
        self._species = mace.tools.AtomicNumberTable([int(z) for z in first.atomic_numbers])

    def __call__(self, structures: Sequence[Atoms]) -> MemberValues:
        """Evaluate; batches hold structures of similar size."""
        sizes = np.array([len(atoms) for atoms in structures], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        members = len(self._models)
        values = MemberValues(
            np.empty((members, len(structures))),
            np.empty((members, int(offsets[-1]), 3)),
            np.full((members, len(structures), 6), np.nan),
        )
        for batch in _batches(sizes):
            self._evaluate_batch([structures[i] for i in batch], batch, offsets, values)
        molecules = [i for i, atoms in enumerate(structures) if not atoms.pbc.any()]
        values.stress[:, molecules] = np.nan
        return values

    def _evaluate_batch(
        self, structures: list[Atoms], batch: np.ndarray, offsets: np.ndarray, values: MemberValues
    ) -> None:
        graphs = self._graphs(structures)
        atoms = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in batch])
        for member, model in enumerate(self._models):
            out = model({key: value.clone() for key, value in graphs.items()}, compute_stress=True)
            values.energy[member, batch] = out["energy"].detach().cpu().numpy()
            values.forces[member, atoms] = out["forces"].detach().cpu().numpy()
            stress = out["stress"].detach().cpu().numpy()
            values.stress[member, batch] = [full_3x3_to_voigt_6_stress(s) for s in stress]

    def _graphs(self, structures: list[Atoms]) -> dict[str, Any]:
        from mace.data import AtomicData, config_from_atoms
        from mace.tools import torch_geometric
        from mace.tools.torch_tools import default_dtype

        with default_dtype(self._dtype):
            data = [
                AtomicData.from_config(
                    config_from_atoms(_bare(atoms), head_name=self._heads[-1]),
                    z_table=self._species,
                    cutoff=self._cutoff,
                    heads=self._heads,
                )
                for atoms in structures
            ]
        return torch_geometric.Batch.from_data_list(data).to(self._device).to_dict()


def _bare(atoms: Atoms) -> Atoms:
    """Geometry alone: labels and metadata would travel into the graph."""
    return Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _batches(sizes: np.ndarray) -> list[np.ndarray]:
    """Structures in batches of about ``ATOMS_PER_BATCH`` atoms, similar sizes together."""
    order = np.argsort(sizes, kind="stable")
    if not len(order):
        return []
    filled = np.cumsum(sizes[order]) // ATOMS_PER_BATCH
    return np.split(order, np.flatnonzero(np.diff(filled)) + 1)
