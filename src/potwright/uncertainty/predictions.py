"""What each member of a committee predicts for a set of structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import h5py
import numpy as np

from potwright.errors import InputError
from potwright.files import complete_or_absent

SCHEMA = "potwright.Predictions"
SCHEMA_VERSION = 1
UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³"}


@dataclass(frozen=True, eq=False)
class Predictions:
    """Member-wise predictions for S structures of N atoms in all, by M members.

    Attributes
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

    id: np.ndarray
    offsets: np.ndarray
    energy: np.ndarray
    forces: np.ndarray
    stress: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype in (("id", np.str_), ("offsets", np.int64)):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=dtype))
        for name in UNITS:
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        structures, members = len(self.id), len(self.energy)
        atoms = int(self.offsets[-1]) if len(self.offsets) else 0
        expected = {
            "offsets": (structures + 1,),
            "energy": (members, structures),
            "forces": (members, atoms, 3),
            "stress": (members, structures, 6),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"predictions: {name} has shape {getattr(self, name).shape}, expected {shape} "
                    f"for {members} members, {structures} structures and {atoms} atoms"
                )
        if self.offsets[0] != 0 or (np.diff(self.offsets) < 1).any():
            raise InputError("predictions: offsets must start at 0 and grow by at least one atom")
        for field in fields(self):
            getattr(self, field.name).flags.writeable = False

    # ---------------------------------------------------------------- looking at it

    def __len__(self) -> int:
        return len(self.id)

    def __repr__(self) -> str:
        return f"Predictions({self.members} members, {len(self)} structures)"

    @property
    def members(self) -> int:
        """Number of members M."""
        return len(self.energy)

    @property
    def n_atoms(self) -> np.ndarray:
        """Number of atoms of each structure, shape (S,)."""
        return np.diff(self.offsets)

    @property
    def finite(self) -> np.ndarray:
        """Where energy and all forces of all members are finite numbers, shape (S,).

        Stress does not count: a molecule has none.
        """
        if not len(self):
            return np.zeros(0, dtype=bool)
        atoms = np.isfinite(self.forces).all(axis=(0, 2))
        forces = np.logical_and.reduceat(atoms, self.offsets[:-1])
        return forces & np.isfinite(self.energy).all(axis=0)

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
        counts = self.n_atoms[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        atoms = np.repeat(self.offsets[chosen] - offsets[:-1], counts) + np.arange(offsets[-1])
        return Predictions(
            id=self.id[chosen],
            offsets=offsets,
            energy=self.energy[:, chosen],
            forces=self.forces[:, atoms],
            stress=self.stress[:, chosen],
        )

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
        """Write one HDF5 file, atomically: it is complete, or it is not there."""
        with (
            complete_or_absent(path) as temporary,
            h5py.File(temporary, "w", libver="latest") as file,
        ):
            file.attrs.update(schema=SCHEMA, schema_version=SCHEMA_VERSION)
            file["id"] = self.id.astype("S32")
            file["offsets"] = self.offsets
            for name, unit in UNITS.items():
                file[name] = getattr(self, name)
                file[name].attrs["unit"] = unit

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file that :meth:`write` made.

        Raises
        ------
        InputError
            If there is no such file, or it is another kind of file.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with h5py.File(path) as file:
                if file.attrs.get("schema") != SCHEMA:
                    raise InputError(f"{path}: not a file that Predictions.write made")
                if file.attrs["schema_version"] > SCHEMA_VERSION:
                    raise InputError(f"{path}: written by a newer Potwright; install that one")
                arrays = {field.name: file[field.name][()] for field in fields(cls)}
        except OSError as error:
            raise InputError(f"{path}: not a readable HDF5 file ({error})") from error
        return cls(**arrays)
