"""What a backend provides: two small protocols."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from ase import Atoms

from potwright.pes import PESData


class MemberValues(NamedTuple):
    """Energies (M, S) eV, forces (M, N, 3) eV/Å, stresses (M, S, 6) eV/Å³ of M members."""

    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray


class Evaluator(Protocol):
    """M models loaded on a device, which evaluate the same structures together.

    Structures are given as engines see them: periodic in all directions or in none.
    """

    def __call__(self, structures: Sequence[Atoms]) -> MemberValues:
        """Evaluate; the stress of a structure without periodic direction is NaN."""

    def descriptors(self, structures: Sequence[Atoms]) -> np.ndarray:
        """What the first model sees of each atom, shape (N, F); the same in any orientation."""


class Potential(Protocol):
    """One trained model in a file; small and picklable, it loads the model when it is used."""

    @property
    def path(self) -> Path:
        """The model file."""

    @property
    def backend(self) -> str:
        """Name of what it is made with, as in :data:`~potwright.potentials.backends.BACKENDS`."""

    @property
    def species(self) -> frozenset[int]:
        """Atomic numbers that it knows; the model is loaded to tell."""

    def calculator(self, device: str = "auto") -> Any:
        """An ASE calculator with energy, forces and stress."""

    def evaluate(
        self, pes: PESData, device: str = "auto"
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Energy (S,) eV, forces (N, 3) eV/Å and stress (S, 6) eV/Å³ of all structures."""
