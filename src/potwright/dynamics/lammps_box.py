"""The box in which LAMMPS works, and the way from the engine's frame into it and back.

LAMMPS wants its first box vector along x and the second in the plane of x and y. The structure is
rotated so, its periodic lattice vectors first; and because LAMMPS is slow in a much tilted box, the
box is spanned by short vectors of the same lattice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from potwright.geometry import reduced_basis


@dataclass(frozen=True)
class LammpsBox:
    """The way in and out.

    Attributes
    ----------
    axes
        Shape (3, 3), a rotation; columns are LAMMPS's axes in the engine's frame.
    operation
        Integers, shape (3, 3), unimodular: box vectors are ``operation @ cell @ axes``.
    """

    axes: np.ndarray
    operation: np.ndarray

    @classmethod
    def of(cls, cell: np.ndarray, pbc: np.ndarray, *, reduced: bool = True) -> LammpsBox:
        """The box for a ``cell`` (3, 3; Å) in the engine's frame.

        ``pbc`` (3,) is the truth; without a periodic direction there is nothing to turn. Not
        ``reduced``, box vectors are the lattice vectors.
        """
        if not pbc.any():
            return cls(np.eye(3), np.eye(3, dtype=int))
        operation = np.zeros((3, 3), dtype=int)
        directions = int(pbc.sum())
        operation[:directions, pbc] = (
            reduced_basis(cell, pbc)[1] if reduced else np.eye(directions, dtype=int)
        )
        operation[np.arange(directions, 3), np.flatnonzero(~pbc)] = 1
        if np.linalg.det(operation @ cell) < 0:  # LAMMPS's boxes are right-handed
            operation = -operation if directions == 3 else _last_reversed(operation)
        return cls(_axes(operation @ cell), operation)

    def turned_to(self, cell: np.ndarray) -> LammpsBox:
        """The same box vectors, for a cell that is strained."""
        return LammpsBox(_axes(self.operation @ cell), self.operation)

    def enter(self, cell: np.ndarray) -> np.ndarray:
        """The box vectors of ``cell``, lower triangular."""
        return np.tril(self.operation @ cell @ self.axes)

    def leave(self, box: np.ndarray) -> np.ndarray:
        """The cell in the engine's frame whose box vectors are ``box``."""
        return np.linalg.solve(self.operation, box @ self.axes.T)

    def stress_out(self, stress: np.ndarray) -> np.ndarray:
        """A symmetric tensor (3, 3) of LAMMPS's frame in the engine's."""
        return self.axes @ stress @ self.axes.T

    def stress_in(self, stress: np.ndarray) -> np.ndarray:
        """A symmetric tensor (3, 3) of the engine's frame in LAMMPS's."""
        return self.axes.T @ stress @ self.axes


def _axes(vectors: np.ndarray) -> np.ndarray:
    """The rotation after which ``vectors`` are lower triangular with a positive diagonal."""
    axes, triangle = np.linalg.qr(vectors.T)
    return axes * np.sign(np.diag(triangle))


def _last_reversed(operation: np.ndarray) -> np.ndarray:
    return operation * np.array([[1], [1], [-1]])
