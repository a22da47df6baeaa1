"""PESData at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from potwright.pes.data import PESData


def summarise(pes: PESData) -> pd.DataFrame:
    """One row per origin: structures, atoms of the smallest and largest, labels, splits."""
    frame = pd.DataFrame(
        {
            "origin": pes.origin,
            "structures": 1,
            "smallest": pes.n_atoms,
            "largest": pes.n_atoms,
            "labelled": pes.has_labels.astype(int),
            **{
                name: (pes.split == name).astype(int) for name in ("training", "validation", "test")
            },
        }
    )
    how = dict.fromkeys(frame.columns[1:], "sum") | {"smallest": "min", "largest": "max"}
    table = frame.groupby("origin", sort=True).agg(how).reset_index()
    return table.astype(dict.fromkeys(table.columns[1:], np.int64))
