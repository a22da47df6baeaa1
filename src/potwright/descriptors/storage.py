"""Descriptors that are computed once for each structure and kept by its id."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from potwright.files import complete_or_absent
from potwright.pes import PESData


def kept(
    path: Path, pes: PESData, describe: Callable[[PESData], np.ndarray], length: int
) -> np.ndarray:
    """The descriptor of each structure; those that a file does not know are computed, and added.

    Parameters
    ----------
    path
        The file; it may be deleted at any time.
    pes
        S structures.
    describe
        Gives the descriptors of structures, one row each.
    length
        F, the length of a descriptor.

    Returns
    -------
    np.ndarray
        Shape (S, F).
    """
    known: dict[str, np.ndarray] = {}
    if path.is_file():
        with np.load(path) as file:
            known = dict(zip(file["id"].tolist(), file["descriptor"], strict=True))
    new = pes[np.array([id_ not in known for id_ in pes.id.tolist()], dtype=bool)]
    if len(new):
        known |= zip(new.id.tolist(), describe(new), strict=True)
        with complete_or_absent(path) as temporary, temporary.open("wb") as file:
            np.savez(file, id=np.array(list(known)), descriptor=np.array(list(known.values())))
    return np.array([known[id_] for id_ in pes.id.tolist()]).reshape(len(pes), length)
