"""Which columns PESData has, and what fills them where nothing is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ColumnSpec:
    """Type, trailing shape, unit and default of one column."""

    dtype: Any
    shape: tuple[int, ...] = ()
    unit: str = ""
    fill: Any = None


PER_ATOM = {
    "numbers": ColumnSpec(np.dtype("<i2")),
    "positions": ColumnSpec(np.dtype("<f8"), (3,), "Å"),
    "forces": ColumnSpec(np.dtype("<f8"), (3,), "eV/Å", np.nan),
}
PER_STRUCTURE = {
    "cell": ColumnSpec(np.dtype("<f8"), (3, 3), "Å"),
    "pbc": ColumnSpec(np.dtype("bool"), (3,)),
    "energy": ColumnSpec(np.dtype("<f8"), (), "eV", np.nan),
    "stress": ColumnSpec(np.dtype("<f8"), (6,), "eV/Å³", np.nan),
    "iteration": ColumnSpec(np.dtype("<i4"), (), "", 0),
}
TEXT = {
    "id": "",
    "origin": "initial",
    "parent": "",
    "group": "",
    "split": "unassigned",
    "level_of_theory": "",
    "source": "",
}
SPLITS = ("unassigned", "training", "validation", "test")


def numeric(name: str) -> ColumnSpec:
    """The specification of a numeric column."""
    return PER_ATOM.get(name) or PER_STRUCTURE[name]
