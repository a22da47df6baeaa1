"""How complete, consistent sets of columns come about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.pes.columns import PER_ATOM, PER_STRUCTURE, SPLITS, TEXT, ColumnSpec
from potwright.pes.identity import round_coordinates, structure_ids

Columns = dict[str, np.ndarray]
GEOMETRY = ("numbers", "positions", "offsets", "cell", "pbc")


def assemble(given: Mapping[str, Any]) -> Columns:
    """Complete and check what is given; see :meth:`potwright.pes.PESData.from_columns`."""
    missing = [name for name in GEOMETRY if name not in given]
    if missing:
        raise InputError(f"PESData needs the columns {', '.join(missing)}")
    offsets = np.asarray(given["offsets"]).astype(np.int64)
    structures, atoms = len(offsets) - 1, int(offsets[-1])
    held: Columns = {"offsets": offsets}
    for specs, length in ((PER_ATOM, atoms), (PER_STRUCTURE, structures)):
        for name, spec in specs.items():
            held[name] = _numeric(name, spec, given.get(name), length)
    for name in ("positions", "cell"):
        held[name] = round_coordinates(held[name])
    for name, default in TEXT.items():
        held[name] = _text(name, given.get(name, default), structures)
    held["info"] = _info(given.get("info"), structures)
    known = {*held, "id"}
    held |= {n: _typed(n, v, structures) for n, v in given.items() if n not in known}
    _check(held)
    held["id"] = structure_ids(*(held[name] for name in GEOMETRY))
    return held


def concatenated(parts: Sequence[Columns]) -> Columns:
    """The structures of all parts, in order."""
    held: Columns = {}
    counts = np.concatenate([np.diff(part["offsets"]) for part in parts])
    held["offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    names = dict.fromkeys(name for part in parts for name in part if name != "offsets")
    for name in names:
        like = next(part[name] for part in parts if name in part)
        held[name] = np.concatenate(
            [part[name] if name in part else _absent(like, _structures(part)) for part in parts]
        )
    return held


def rows(index: Any, length: int) -> np.ndarray:
    """``index`` as an array of row numbers."""
    if isinstance(index, slice):
        return np.arange(length)[index]
    array = np.asarray(index)
    if array.ndim != 1:
        raise TypeError(f"index PESData by a slice, a mask or an array of integers, not {index!r}")
    if array.dtype == bool:
        if len(array) != length:
            raise IndexError(f"mask of {len(array)} for {length} structures")
        return np.flatnonzero(array)
    chosen = array.astype(np.int64)
    if len(chosen) and (chosen.min() < -length or chosen.max() >= length):
        raise IndexError(f"index out of range for {length} structures")
    return np.where(chosen < 0, chosen + length, chosen)


def take(held: Columns, chosen: np.ndarray) -> Columns:
    """The structures ``chosen``, in that order."""
    counts = np.diff(held["offsets"])[chosen]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    atoms = np.repeat(held["offsets"][chosen] - offsets[:-1], counts) + np.arange(offsets[-1])
    picked = {
        name: a[atoms if name in PER_ATOM else chosen]
        for name, a in held.items()
        if name != "offsets"
    }
    return {"offsets": offsets, **picked}


def _structures(part: Columns) -> int:
    return len(part["offsets"]) - 1


def _absent(like: np.ndarray, length: int) -> np.ndarray:
    """What stands for a typed column in the structures of a part that lacks it."""
    shape = (length, *like.shape[1:])
    if like.dtype.kind == "f":
        return np.full(shape, np.nan, dtype=like.dtype)
    if like.dtype.kind in "iu":
        raise InputError(
            "a typed column of integers cannot be absent: give it to all parts, or use floats"
        )
    return np.zeros(shape, dtype=like.dtype)


def _numeric(name: str, spec: ColumnSpec, value: Any, length: int) -> np.ndarray:
    shape = (length, *spec.shape)
    if value is None:
        return np.full(shape, spec.fill, dtype=spec.dtype)
    array = np.asarray(value)
    if array.ndim == 0:
        array = np.broadcast_to(array, shape)
    if array.shape != shape:
        raise InputError(f"column {name!r}: expected shape {shape}, got {array.shape}")
    return np.array(array, dtype=spec.dtype, order="C")


def _text(name: str, value: Any, length: int) -> np.ndarray:
    array = np.asarray(value, dtype=str)
    if array.ndim == 0:
        array = np.full(length, str(value))
    if array.shape != (length,):
        raise InputError(f"column {name!r}: expected {length} values, got {array.shape}")
    return np.array(array)


def _typed(name: str, value: Any, length: int) -> np.ndarray:
    array = np.array(value)
    if array.dtype.kind not in "bifuU" or array.shape[:1] != (length,):
        raise InputError(
            f"typed column {name!r}: expected {length} numbers, booleans or strings, "
            f"got {array.dtype} of shape {array.shape}"
        )
    return array


def _info(value: Any, length: int) -> np.ndarray:
    info = np.empty(length, dtype=object)
    values = [{}] * length if value is None else list(value)
    if len(values) != length:
        raise InputError(f"column 'info': expected {length} dictionaries, got {len(values)}")
    info[:] = [dict(v) for v in values]
    return info


def _check(held: Columns) -> None:
    offsets, numbers = held["offsets"], held["numbers"]
    if offsets[0] != 0 or np.any(np.diff(offsets) < 1):
        empty = np.flatnonzero(np.diff(offsets) < 1)
        raise InputError(f"structure {empty[0] if len(empty) else 0} has no atoms")

    def refuse(bad_atoms: Any, what: str) -> None:
        if bad_atoms.any():
            i = int(np.searchsorted(offsets, np.flatnonzero(bad_atoms)[0], side="right")) - 1
            source = held["source"][i]
            raise InputError(f"structure {i}{f' of {source}' if source else ''}: {what}")

    refuse(~np.isfinite(held["positions"]).all(axis=1), "its positions are not finite numbers")
    refuse((numbers < 1) | (numbers > 118), "an atom has no chemical element")
    bad_cells = ~np.isfinite(held["cell"]).all(axis=(1, 2))
    refuse(np.repeat(bad_cells, np.diff(offsets)), "its cell is not made of finite numbers")
    molecules = ~held["pbc"].any(axis=1) & (np.nan_to_num(held["stress"]) != 0).any(axis=1)
    refuse(
        np.repeat(molecules, np.diff(offsets)), "a stress needs a periodic direction (pbc is FFF)"
    )
    held["stress"][~held["pbc"].any(axis=1)] = np.nan
    unknown = set(held["split"].tolist()) - set(SPLITS)
    if unknown:
        raise InputError(f"unknown split {sorted(unknown)[0]!r}; allowed: {', '.join(SPLITS)}")
