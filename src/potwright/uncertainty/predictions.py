"""What each member of a committee predicts for a set of structures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from potwright.errors import InputError
from potwright.uncertainty.prediction_files import (
    PER_ATOM,
    UNITS,
    StoredPredictions,
    copy_file,
    write_pieces,
)

COLUMNS = ("id", "offsets", *UNITS)
STRUCTURES_PER_PIECE = 1000


class Predictions:
    """Member-wise predictions for S structures of N atoms in all, by M members.

    The arrays are read-only. Predictions from a file read a column when it is first used; take
    structures or go through :meth:`chunks` where the forces of all of them are too large.

    Parameters
    ----------
    id
        Ids of the structures, shape (S,).
    offsets
        Atoms of structure i are ``offsets[i]:offsets[i + 1]``, shape (S + 1,).
    energy
        Total energies, shape (M, S), eV.
    forces
        Shape (M, N, 3), eV/Å.
    stress
        Shape (M, S, 6), eV/Å³, ASE's sign and Voigt order; NaN where there is none.

    Raises
    ------
    InputError
        If the shapes do not belong together.
    """

    def __init__(
        self,
        id: np.ndarray,
        offsets: np.ndarray,
        energy: np.ndarray,
        forces: np.ndarray,
        stress: np.ndarray,
    ):
        given = dict(zip(COLUMNS, (id, offsets, energy, forces, stress), strict=True))
        types = {"id": np.str_, "offsets": np.int64}
        self._stored: StoredPredictions | None = None
        self._held: dict[str, np.ndarray] = {
            name: np.array(value, dtype=types.get(name, np.float64))
            for name, value in given.items()
        }
        _refuse_shapes(self._held)
        for array in self._held.values():
            array.flags.writeable = False

    # ---------------------------------------------------------------- columns

    @property
    def id(self) -> np.ndarray:
        """Ids of the structures, shape (S,)."""
        return self._column("id")

    @property
    def offsets(self) -> np.ndarray:
        """Atoms of structure i are ``offsets[i]:offsets[i + 1]``, shape (S + 1,)."""
        return self._column("offsets")

    @property
    def energy(self) -> np.ndarray:
        """Total energies, shape (M, S), eV."""
        return self._column("energy")

    @property
    def forces(self) -> np.ndarray:
        """Shape (M, N, 3), eV/Å."""
        return self._column("forces")

    @property
    def stress(self) -> np.ndarray:
        """Shape (M, S, 6), eV/Å³, ASE's sign and Voigt order; NaN where there is none."""
        return self._column("stress")

    def _column(self, name: str) -> np.ndarray:
        if name not in self._held:
            assert self._stored is not None
            self._held[name] = self._stored.read(name)
            self._held[name].flags.writeable = False
        return self._held[name]

    def _rows(self, name: str, chosen: np.ndarray) -> np.ndarray:
        """The structures ``chosen`` of a column whose second dimension is structures or atoms."""
        if name not in self._held and self._stored is not None:
            return self._stored.rows(name, chosen)
        if name not in PER_ATOM:
            return self._held[name][:, chosen]
        counts = self.n_atoms[chosen]
        ends = np.cumsum(counts)
        starts = self.offsets[chosen] - (ends - counts)
        return self._held[name][:, np.repeat(starts, counts) + np.arange(counts.sum())]

    # ---------------------------------------------------------------- looking at it

    def __len__(self) -> int:
        return len(self.id)

    def __repr__(self) -> str:
        return f"Predictions({self.members} members, {len(self)} structures)"

    @property
    def members(self) -> int:
        """Number of members M."""
        return len(self._held["energy"]) if self._stored is None else self._stored.shape[0]

    @property
    def n_atoms(self) -> np.ndarray:
        """Number of atoms of each structure, shape (S,)."""
        return np.diff(self.offsets)

    @property
    def finite(self) -> np.ndarray:
        """Where energy and all forces of all members are finite numbers, shape (S,).

        Stress does not count: a molecule has none.
        """
        parts = [np.zeros(0, dtype=bool)]
        for piece in self.chunks(STRUCTURES_PER_PIECE):
            atoms = np.isfinite(piece.forces).all(axis=(0, 2))
            forces = np.logical_and.reduceat(atoms, piece.offsets[:-1])
            parts.append(forces & np.isfinite(piece.energy).all(axis=0))
        return np.concatenate(parts)

    def index_of(self, ids: Sequence[str] | np.ndarray) -> np.ndarray:
        """Where each of ``ids`` is, shape (len(ids),); −1 where it is absent."""
        place = {id_: i for i, id_ in enumerate(self.id.tolist())}
        return np.array([place.get(str(id_), -1) for id_ in ids], dtype=np.int64)

    # ---------------------------------------------------------------- deriving another

    @classmethod
    def empty(cls, members: int = 0) -> Self:
        """Predictions for no structures."""
        return cls(
            id=np.empty(0, dtype="<U32"),
            offsets=np.zeros(1),
            energy=np.empty((members, 0)),
            forces=np.empty((members, 0, 3)),
            stress=np.empty((members, 0, 6)),
        )

    def take(self, chosen: np.ndarray) -> Predictions:
        """The structures that an integer array names, in its order."""
        chosen = np.asarray(chosen, dtype=np.int64)
        return Predictions(
            id=self.id[chosen],
            offsets=np.concatenate([[0], np.cumsum(self.n_atoms[chosen])]),
            **{name: self._rows(name, chosen) for name in UNITS},
        )

    def of_members(self, members: Sequence[int]) -> Predictions:
        """What some of the members predict."""
        chosen = list(members)
        columns = (self.energy, self.forces, self.stress)
        return Predictions(self.id, self.offsets, *(column[chosen] for column in columns))

    def chunks(self, size: int) -> Iterator[Predictions]:
        """Consecutive pieces of ``size`` structures, one in memory at a time."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def select(self, ids: Sequence[str] | np.ndarray) -> Predictions:
        """The predictions for ``ids``, in their order.

        Raises
        ------
        InputError
            If there is none for one of them; ask :meth:`index_of` first where that can be.
        """
        chosen = self.index_of(ids)
        if (chosen < 0).any():
            missing = np.flatnonzero(chosen < 0)
            raise InputError(
                f"{len(missing)} of {len(chosen)} structures have no predictions, "
                f"the first is {ids[int(missing[0])]}"
            )
        return self.take(chosen)

    @classmethod
    def concatenate(cls, parts: Sequence[Predictions]) -> Predictions:
        """All structures of ``parts``, in order; empty parts do not count.

        Raises
        ------
        InputError
            If the parts come from committees of different sizes.
        """
        filled = [part for part in parts if len(part)]
        if not filled:
            return cls.empty(max((part.members for part in parts), default=0))
        sizes = {part.members for part in filled}
        if len(sizes) > 1:
            raise InputError(f"predictions of committees of {sorted(sizes)} members cannot be one")
        return cls(
            id=np.concatenate([part.id for part in filled]),
            offsets=np.concatenate([[0], np.cumsum(np.concatenate([p.n_atoms for p in filled]))]),
            energy=np.concatenate([part.energy for part in filled], axis=1),
            forces=np.concatenate([part.forces for part in filled], axis=1),
            stress=np.concatenate([part.stress for part in filled], axis=1),
        )

    # ---------------------------------------------------------------- on disk

    def write(self, path: str | Path) -> None:
        """Write one HDF5 file, atomically: it is complete, or it is not there.

        Predictions that came from a file are not read for it.
        """
        if self._stored is not None:
            copy_file(self._stored.path, path)
        else:
            write_pieces(path, self.id, self.offsets, self.members, [self] if len(self) else [])

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open a file that :meth:`write` made; columns are read when they are used.

        Raises
        ------
        InputError
            If there is no such file, or it is another kind of file.
        """
        opened = cls.__new__(cls)
        opened._stored = StoredPredictions(path)
        opened._held = {}
        return opened


def _refuse_shapes(held: dict[str, np.ndarray]) -> None:
    structures, members = len(held["id"]), len(held["energy"])
    atoms = int(held["offsets"][-1]) if len(held["offsets"]) else 0
    expected = {
        "offsets": (structures + 1,),
        "energy": (members, structures),
        "forces": (members, atoms, 3),
        "stress": (members, structures, 6),
    }
    for name, shape in expected.items():
        if held[name].shape != shape:
            raise InputError(
                f"predictions: {name} has shape {held[name].shape}, expected {shape} "
                f"for {members} members, {structures} structures and {atoms} atoms"
            )
    if held["offsets"][0] != 0 or (np.diff(held["offsets"]) < 1).any():
        raise InputError("predictions: offsets must start at 0 and grow by at least one atom")
