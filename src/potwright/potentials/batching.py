"""Many structures through M models: batches by atom count, whose neighbours are found once.

A backend says how a batch is built and what one model makes of it (:class:`Models`); which
structures go together, where their values belong, and what happens when memory does not suffice is
the same for all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.potentials.protocol import MemberValues
from potwright.potentials.species import refuse_unknown

logger = logging.getLogger(__name__)

# batches of this many atoms are fastest: larger ones leave the processor's caches (see
# benchmarks/committee.py); a GPU wants more work at a time
ATOMS_PER_BATCH = {"cpu": 1200, "cuda": 8192}


class BatchValues(NamedTuple):
    """Of one model for s structures: energy (s,) eV, forces (n, 3) eV/Å, stress (s, 3, 3) eV/Å³."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray


class Models(Protocol):
    """M models loaded on one device: what a backend implements."""

    @property
    def members(self) -> int:
        """Number of models M."""

    @property
    def species(self) -> frozenset[int]:
        """Atomic numbers that they know."""

    def build(self, structures: Sequence[Atoms]) -> Any:
        """All that the models need to know of these structures, neighbours included."""

    def evaluate(self, batch: Any, member: int) -> BatchValues:
        """What one model says of a batch."""

    def describe(self, batch: Any) -> np.ndarray:
        """Descriptors of the atoms of a batch by the first model, shape (n, F)."""


class BatchedEvaluator:
    """The :class:`~potwright.potentials.protocol.Evaluator` of any backend.

    Parameters
    ----------
    models
        The models.
    device
        Where they are.
    atoms_per_batch
        A batch holds about this many atoms; by default what suits the device.
    """

    def __init__(self, models: Models, device: str, atoms_per_batch: int | None = None):
        self.models = models
        default = ATOMS_PER_BATCH.get(device.partition(":")[0], ATOMS_PER_BATCH["cpu"])
        self.atoms_per_batch = atoms_per_batch or default

    def __call__(self, structures: Sequence[Atoms]) -> MemberValues:
        """Evaluate; the stress of a structure without periodic direction is NaN.

        Raises
        ------
        InputError
            If there is a species that the models do not know, or memory does not suffice for a
            structure alone.
        """
        sizes, offsets = _extent(structures)
        members = self.models.members
        values = MemberValues(
            np.empty((members, len(structures))),
            np.empty((members, int(offsets[-1]), 3)),
            np.full((members, len(structures), 6), np.nan),
        )

        def fill(batch: np.ndarray) -> None:
            built = self.models.build([structures[i] for i in batch])
            atoms = _atoms(batch, offsets)
            for member in range(members):
                found = self.models.evaluate(built, member)
                values.energy[member, batch] = found.energy
                values.forces[member, atoms] = found.forces
                values.stress[member, batch] = _voigt(found.stress)

        refuse_unknown(_species(structures), self.models.species)
        self._each(sizes, fill)
        molecules = [i for i, atoms in enumerate(structures) if not atoms.pbc.any()]
        values.stress[:, molecules] = np.nan
        return values

    def descriptors(self, structures: Sequence[Atoms]) -> np.ndarray:
        """Descriptors of all atoms by the first model, shape (N, F)."""
        sizes, offsets = _extent(structures)
        parts: list[tuple[np.ndarray, np.ndarray]] = []

        def fill(batch: np.ndarray) -> None:
            built = self.models.build([structures[i] for i in batch])
            parts.append((_atoms(batch, offsets), self.models.describe(built)))

        refuse_unknown(_species(structures), self.models.species)
        self._each(sizes, fill)
        width = parts[0][1].shape[1] if parts else 0
        found = np.empty((int(offsets[-1]), width))
        for atoms, part in parts:
            found[atoms] = part
        return found

    def _each(self, sizes: np.ndarray, fill: Callable[[np.ndarray], None]) -> None:
        """Batch after batch; where memory does not suffice, it and all that follow are halved."""
        waiting = batches(sizes, self.atoms_per_batch)
        while waiting:
            batch, *rest = waiting
            if self._fits(batch, fill):
                waiting = rest
                continue
            atoms = int(sizes[batch].sum())
            if len(batch) == 1:
                raise InputError(
                    f"memory does not suffice for {self.models.members} models and a structure of "
                    f"{atoms} atoms alone; use a device with more of it, or fewer workers on it"
                )
            self.atoms_per_batch = max(1, atoms // 2)
            logger.warning(
                "Memory does not suffice for %d atoms at a time; going on with %d",
                atoms,
                self.atoms_per_batch,
            )
            left = np.concatenate([batch, *rest])
            waiting = [left[part] for part in batches(sizes[left], self.atoms_per_batch)]

    @staticmethod
    def _fits(batch: np.ndarray, fill: Callable[[np.ndarray], None]) -> bool:
        """Whether memory sufficed. The failed attempt's own memory is free when this returns."""
        try:
            fill(batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return True
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return False


def batches(sizes: np.ndarray, atoms_per_batch: int) -> list[np.ndarray]:
    """Structures in batches of at most ``atoms_per_batch`` atoms, similar sizes together.

    A structure that is larger than that is a batch by itself.
    """
    order = np.argsort(sizes, kind="stable")
    found: list[np.ndarray] = []
    start, atoms = 0, 0
    for place, size in enumerate(sizes[order].tolist()):
        if atoms and atoms + size > atoms_per_batch:
            found.append(order[start:place])
            start, atoms = place, 0
        atoms += size
    return [*found, order[start:]] if len(order) else []


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of a GPU or of the machine, did not suffice.

    PyTorch has a class for GPUs; on the CPU, and out of TorchScript, it is a RuntimeError.
    """
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return any(
        part in text for part in ("out of memory", "can't allocate memory", "not enough mem")
    )


def _species(structures: Sequence[Atoms]) -> set[int]:
    return {int(z) for atoms in structures for z in np.unique(atoms.numbers)}


def _extent(structures: Sequence[Atoms]) -> tuple[np.ndarray, np.ndarray]:
    """Sizes (S,) and offsets (S + 1,)."""
    sizes = np.array([len(atoms) for atoms in structures], dtype=np.int64)
    return sizes, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _atoms(batch: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in batch])


def _voigt(stress: np.ndarray) -> np.ndarray:
    """Symmetric part (s, 3, 3) in ASE's order xx, yy, zz, yz, xz, xy, shape (s, 6)."""
    symmetric = (stress + stress.transpose(0, 2, 1)) / 2
    return symmetric[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
