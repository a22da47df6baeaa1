"""Many structures through M models: batches by atom count, whose neighbours are found once.

A backend says how a batch is built and what one model makes of it (:class:`Models`); which
structures go together, and where their values belong, is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from ase import Atoms

from potwright.potentials.protocol import MemberValues


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

    def build(self, structures: Sequence[Atoms]) -> Any:
        """All that the models need to know of these structures, neighbours included."""

    def evaluate(self, batch: Any, member: int) -> BatchValues:
        """What one model says of a batch."""

    def describe(self, batch: Any) -> np.ndarray:
        """Descriptors of the atoms of a batch by the first model, shape (n, F)."""


@dataclass(frozen=True)
class BatchedEvaluator:
    """The :class:`~potwright.potentials.protocol.Evaluator` of any backend.

    Attributes
    ----------
    models
        The models.
    atoms_per_batch
        A batch holds about this many atoms.
    """

    models: Models
    atoms_per_batch: int

    def __call__(self, structures: Sequence[Atoms]) -> MemberValues:
        """Evaluate; the stress of a structure without periodic direction is NaN."""
        sizes, offsets = _extent(structures)
        members = self.models.members
        values = MemberValues(
            np.empty((members, len(structures))),
            np.empty((members, int(offsets[-1]), 3)),
            np.full((members, len(structures), 6), np.nan),
        )

        def fill(batch: np.ndarray) -> None:
            built = self.models.build([structures[i] for i in batch])
            found = [self.models.evaluate(built, member) for member in range(members)]
            atoms = _atoms(batch, offsets)
            for member, one in enumerate(found):
                values.energy[member, batch] = one.energy
                values.forces[member, atoms] = one.forces
                values.stress[member, batch] = _voigt(one.stress)

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

        self._each(sizes, fill)
        width = parts[0][1].shape[1] if parts else 0
        found = np.empty((int(offsets[-1]), width))
        for atoms, part in parts:
            found[atoms] = part
        return found

    def _each(self, sizes: np.ndarray, fill: Callable[[np.ndarray], None]) -> None:
        for batch in batches(sizes, self.atoms_per_batch):
            fill(batch)


def batches(sizes: np.ndarray, atoms_per_batch: int) -> list[np.ndarray]:
    """Structures in batches of about ``atoms_per_batch`` atoms, similar sizes together."""
    order = np.argsort(sizes, kind="stable")
    if not len(order):
        return []
    filled = np.cumsum(sizes[order]) // atoms_per_batch
    return np.split(order, np.flatnonzero(np.diff(filled)) + 1)


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
