"""Trained models in files, of any backend."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from potwright.pes import PESData
from potwright.potentials.backends import backend_of
from potwright.potentials.batching import BatchedEvaluator, Models
from potwright.potentials.calculator import CommitteeCalculator
from potwright.potentials.devices import keep_freed_memory, resolve_device
from potwright.potentials.meeting import attending

LOADING = threading.Lock()


@dataclass(frozen=True)
class ModelFile:
    """The :class:`~potwright.potentials.Potential` in one file.

    Attributes
    ----------
    path
        The file as training leaves it: ``NAME.model`` of MACE, ``model.pt`` of metatrain with
        ``extensions/`` beside it where it has any.
    backend
        What it is made with, a name of :data:`~potwright.potentials.backends.BACKENDS`.
    """

    path: Path
    backend: str

    @property
    def species(self) -> frozenset[int]:
        """Atomic numbers that it knows."""
        return evaluator([self.path], self.backend, "cpu").models.species

    def calculator(self, device: str = "auto") -> CommitteeCalculator:
        """An ASE calculator of this model alone."""
        return CommitteeCalculator(attending(evaluator([self.path], self.backend, device)))

    def evaluate(
        self, pes: PESData, device: str = "auto"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energy (S,) eV, forces (N, 3) eV/Å and stress (S, 6) eV/Å³ of all structures."""
        evaluate = evaluator([self.path], self.backend, device)
        energy, forces, stress = evaluate(pes.to_atoms(engine_pbc=True))
        return energy[0], forces[0], stress[0]


def evaluator(
    paths: Sequence[Path], backend: str, device: str = "auto", atoms_per_batch: int | None = None
) -> BatchedEvaluator:
    """The evaluator of these models; loaded once per process and device.

    Parameters
    ----------
    paths
        Model files of M members.
    backend
        What they are made with.
    device
        ``auto``, ``cpu``, ``cuda``, …
    atoms_per_batch
        Atoms that a model sees at a time; by default what suits the device.

    Raises
    ------
    InputError
        If a file is not a model of this backend, or the models do not go together.
    """
    stamps = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
    with LOADING:  # threads would load the same models several times
        return _evaluator(stamps, backend, resolve_device(device), atoms_per_batch)


@lru_cache(maxsize=4)
def _evaluator(
    stamps: tuple[tuple[str, int], ...], backend: str, device: str, atoms_per_batch: int | None
) -> BatchedEvaluator:
    return BatchedEvaluator(_loaded(stamps, backend, device), device, atoms_per_batch)


@lru_cache(maxsize=4)
def _loaded(stamps: tuple[tuple[str, int], ...], backend: str, device: str) -> Models:
    keep_freed_memory()
    return backend_of(backend).models([Path(path) for path, _ in stamps], device)
