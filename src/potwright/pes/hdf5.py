"""PESData on disk: one HDF5 file, each column one contiguous array.

Text columns hold each distinct value once, and a code per structure. ``info`` is one run of JSON
text with the end of each structure's part.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from potwright.errors import InputError
from potwright.files import complete_or_absent
from potwright.pes.columns import PER_ATOM, PER_STRUCTURE, TEXT, numeric

SCHEMA = "potwright.PESData"
SCHEMA_VERSION = 1


def write(held: dict[str, np.ndarray], path: Path) -> None:
    """Write ``held`` to ``path``; the file is complete, or it is not there."""
    with complete_or_absent(path) as temporary, h5py.File(temporary, "w", libver="latest") as file:
        file.attrs.update(schema=SCHEMA, schema_version=SCHEMA_VERSION)
        file.attrs["structures"] = len(held["offsets"]) - 1
        for name, array in held.items():
            _write_column(file, name, array)


def _write_column(file: h5py.File, name: str, array: np.ndarray) -> None:
    if name == "info":
        texts = [json.dumps(value).encode() if value else b"" for value in array]
        file["info/text"] = np.frombuffer(b"".join(texts), dtype=np.uint8)
        file["info/ends"] = np.cumsum([len(text) for text in texts], dtype=np.int64)
    elif name == "id":
        file[name] = array.astype("S32")
    elif array.dtype.kind == "U":
        values, codes = np.unique(array, return_inverse=True)
        group = file.create_group(name)
        group["values"] = np.char.encode(values, "utf-8") if len(values) else np.empty(0, "S1")
        group["codes"] = codes.astype(np.min_scalar_type(max(len(values) - 1, 0)))
    else:
        dataset = file.create_dataset(name, data=array)
        if (name in PER_ATOM or name in PER_STRUCTURE) and numeric(name).unit:
            dataset.attrs["unit"] = numeric(name).unit


class StoredColumns:
    """The columns of one file, read when asked for; holds no file handle, so it can be pickled."""

    def __init__(self, path: Path):
        self.path = path.resolve()
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with h5py.File(path) as file:
                schema = file.attrs.get("schema")
                version = file.attrs.get("schema_version", 0)
                names = list(file)
        except OSError as error:
            raise InputError(f"{path}: not a readable HDF5 file ({error})") from error
        if schema != SCHEMA:
            raise InputError(f"{path}: an HDF5 file, but not one that PESData.write made")
        if version > SCHEMA_VERSION:
            raise InputError(
                f"{path}: written with schema version {version}, this Potwright reads up to "
                f"{SCHEMA_VERSION}; install a newer one"
            )
        self.names = sorted(
            names, key=["offsets", *PER_ATOM, *PER_STRUCTURE, *TEXT, "info", *names].index
        )

    def read(self, name: str) -> np.ndarray:
        """One whole column."""
        if name not in self.names:
            raise AttributeError(f"{self.path} has no column {name!r}")
        with h5py.File(self.path) as file:
            return self._column(file, name, slice(None))

    def read_range(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """All columns of the structures ``start`` to ``stop``, and nothing else of the file."""
        bounds = self.offsets[start : stop + 1]
        atoms = slice(int(bounds[0]), int(bounds[-1]))
        with h5py.File(self.path) as file:
            held = {"offsets": bounds - bounds[0]}
            for name in self.names:
                if name != "offsets":
                    rows = atoms if name in PER_ATOM else slice(start, stop)
                    held[name] = self._column(file, name, rows)
        return held

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each structure's atoms begin, shape (S + 1,)."""
        return self.read("offsets")

    def _column(self, file: h5py.File, name: str, rows: slice) -> np.ndarray:
        if name == "info":
            return _read_info(file, rows)
        item = file[name]
        if isinstance(item, h5py.Group):
            values = (
                np.char.decode(item["values"][()], "utf-8")
                if item["values"].size
                else np.empty(0, "U1")
            )
            return values[item["codes"][rows]]
        array = item[rows]
        return array.astype("U32") if name == "id" else array


def _read_info(file: h5py.File, rows: slice) -> np.ndarray:
    ends = file["info/ends"]
    start, stop, _ = rows.indices(len(ends))
    before = int(ends[start - 1]) if start > 0 else 0
    bounds = np.concatenate([[before], ends[start:stop]])
    text = file["info/text"][before : int(bounds[-1])].tobytes()
    info = np.empty(len(bounds) - 1, dtype=object)
    info[:] = [
        _parse(text[a:b]) for a, b in zip(bounds[:-1] - before, bounds[1:] - before, strict=True)
    ]
    return info


def _parse(text: bytes) -> dict[str, Any]:
    return json.loads(text) if text else {}
