"""Predictions on disk: one HDF5 file, written and read piece by piece."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from potwright.errors import InputError
from potwright.files import complete_or_absent

if TYPE_CHECKING:
    from potwright.uncertainty.predictions import Predictions

SCHEMA = "potwright.Predictions"
SCHEMA_VERSION = 1
UNITS = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³"}
PER_ATOM = ("forces",)


def write_pieces(
    path: str | Path,
    id: np.ndarray,
    offsets: np.ndarray,
    members: int,
    pieces: Iterable[Predictions],
) -> None:
    """Write one file from pieces that follow each other, only one of them in memory at a time.

    The file is complete, or it is not there.

    Parameters
    ----------
    path
        The file.
    id, offsets
        Of all S structures, shapes (S,) and (S + 1,).
    members
        Number of members M.
    pieces
        Their predictions, in that order.
    """
    atoms = int(offsets[-1]) if len(offsets) else 0
    shapes = {
        "energy": (members, len(id)),
        "forces": (members, atoms, 3),
        "stress": (members, len(id), 6),
    }
    with complete_or_absent(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        file.attrs.update(schema=SCHEMA, schema_version=SCHEMA_VERSION)
        file["id"] = id.astype("S32")
        file["offsets"] = np.asarray(offsets, dtype=np.int64)
        for name, unit in UNITS.items():
            dataset = file.create_dataset(name, shapes[name], dtype=np.float64)
            dataset.attrs["unit"] = unit
        done = 0
        for piece in pieces:
            rows = slice(done, done + len(piece))
            if not np.array_equal(piece.id, id[rows]):
                raise ValueError("pieces of predictions do not follow the order of structures")
            of_atoms = slice(int(offsets[rows.start]), int(offsets[rows.stop]))
            for name in UNITS:
                file[name][:, of_atoms if name in PER_ATOM else rows] = getattr(piece, name)
            done = rows.stop
        if done != len(id):
            raise ValueError(f"predictions of {done} structures, {len(id)} are needed")


def copy_file(source: Path, path: str | Path) -> None:
    """The same file at another place: a second name where the file system can, else a copy.

    No file of predictions is ever changed, so that two names for one content do no harm.
    """
    with complete_or_absent(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


class StoredPredictions:
    """The columns of one file, read when asked for; holds no file handle, so it can be pickled.

    Raises
    ------
    InputError
        If there is no such file, or it is another kind of file.
    """

    def __init__(self, path: str | Path):
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with h5py.File(path) as file:
                if file.attrs.get("schema") != SCHEMA:
                    raise InputError(f"{path}: not a file that Predictions.write made")
                if file.attrs["schema_version"] > SCHEMA_VERSION:
                    raise InputError(f"{path}: written by a newer Potwright; install that one")
                self.shape = file["stress"].shape  # members, structures, components
        except OSError as error:
            raise InputError(f"{path}: not a readable HDF5 file ({error})") from error
        self.path = path.resolve()

    def read(self, name: str) -> np.ndarray:
        """One whole column."""
        with h5py.File(self.path) as file:
            array = file[name][()]
        return array.astype(np.str_) if name == "id" else array

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each structure's atoms begin, shape (S + 1,)."""
        return self.read("offsets")

    def rows(self, name: str, chosen: np.ndarray) -> np.ndarray:
        """The part of ``energy``, ``forces`` or ``stress`` of the structures ``chosen``.

        Structures that follow each other in the file are read at once, and nothing else is.
        """
        with h5py.File(self.path) as file:
            column = file[name]
            parts = []
            for start, stop in _runs(chosen):
                bounds = (self.offsets[start], self.offsets[stop]) if name in PER_ATOM else None
                parts.append(column[:, slice(*(bounds or (start, stop)))])
            shape = (column.shape[0], 0, *column.shape[2:])
        return np.concatenate(parts, axis=1) if parts else np.empty(shape)


def _runs(chosen: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ascending stretches of ``chosen`` without gaps, as (start, stop)."""
    if len(chosen):
        cuts = [0, *(np.flatnonzero(np.diff(chosen) != 1) + 1).tolist(), len(chosen)]
        for a, b in pairwise(cuts):
            yield int(chosen[a]), int(chosen[b - 1]) + 1
