"""One structure from another: what is inherited, what is recorded, and which random stream is used.

Every strategy describes what it did to a structure as a :class:`Change`; :func:`derive` turns the
changes into new structures that know their origin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from potwright.pes import PESData
from potwright.randomness import generator

LABEL_KEYS = ("results", "constraints")
"""Metadata of a calculation, which does not hold for another geometry."""


class Geometry(NamedTuple):
    """One structure: numbers (n,), positions (n, 3) and cell (3, 3) in Å, pbc (3,)."""

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray


@dataclass(frozen=True)
class Change:
    """What was done to one structure.

    Attributes
    ----------
    atoms
        For each atom of the new structure the index of the atom that it was, shape (m,).
    positions
        New positions, shape (m, 3), Å.
    cell
        New lattice vectors, shape (3, 3), Å.
    made_by
        The parameters that made it, to be kept with the structure.
    numbers
        New atomic numbers, shape (m,); None: those of ``atoms``.
    pbc
        New periodicity, shape (3,); None: as before.
    """

    atoms: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    made_by: dict[str, Any]
    numbers: np.ndarray | None = None
    pbc: np.ndarray | None = None


def geometries(pes: PESData) -> Iterator[Geometry]:
    """The arrays of each structure, in order."""
    numbers, positions, offsets = pes.numbers, pes.positions, pes.offsets
    cell, pbc = pes.cell, pes.pbc
    for i in range(len(pes)):
        atoms = slice(offsets[i], offsets[i + 1])
        yield Geometry(numbers[atoms], positions[atoms], cell[i], pbc[i])


def derive(
    pes: PESData,
    changes: Sequence[Change | None],
    origin: str | None = None,
    *,
    keeps_coordinates: bool = False,
) -> PESData:
    """Apply one change, or none, to each structure.

    Labels and split are not inherited by changed structures; parent and source are.

    Parameters
    ----------
    pes
        S structures.
    changes
        S changes; ``None`` leaves a structure as it is.
    origin
        Origin of the changed structures; ``None`` keeps theirs.
    keeps_coordinates
        Whether the atoms that remain are where they were. If so, a changed structure stays in the
        group of what it was: the two must not be split between training and test.
    """
    changed = np.array([change is not None for change in changes], dtype=bool)
    if not changed.any():
        return pes
    new = _apply(pes[changed], [change for change in changes if change is not None], origin)
    if keeps_coordinates:
        new = new.replace(group=pes.group[changed])
    if changed.all():
        return new
    order = np.empty(len(pes), dtype=int)
    order[np.concatenate([np.flatnonzero(changed), np.flatnonzero(~changed)])] = np.arange(len(pes))
    return PESData.concatenate([new, pes[~changed]])[order]


def _apply(old: PESData, changes: Sequence[Change], origin: str | None) -> PESData:
    counts = [len(change.atoms) for change in changes]
    numbers = [
        g.numbers[c.atoms] if c.numbers is None else c.numbers
        for g, c in zip(geometries(old), changes, strict=True)
    ]
    pbc = [own if c.pbc is None else c.pbc for own, c in zip(old.pbc, changes, strict=True)]
    return old.replace(
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        numbers=np.concatenate(numbers),
        positions=np.concatenate([change.positions for change in changes]),
        cell=np.array([change.cell for change in changes]),
        pbc=np.array(pbc),
        origin=old.origin if origin is None else origin,
        info=[_inherited(info, change) for info, change in zip(old.info, changes, strict=True)],
        **without_labels(sum(counts)),
    )


def without_labels(atoms: int) -> dict[str, Any]:
    """Columns of structures of ``atoms`` atoms in all that nobody has labelled or split yet."""
    return {
        "energy": np.nan,
        "forces": np.full((atoms, 3), np.nan),
        "stress": np.nan,
        "level_of_theory": "",
        "group": "",
        "split": "unassigned",
        "iteration": 0,
    }


def stream(seed: int, strategy: str, pes: PESData, i: int) -> np.random.Generator:
    """The random numbers of structure ``i``, which depend on its parent and copy, not on others."""
    return generator(seed, "augmentation", strategy, parent_of(pes, i), copy_of(pes, i))


def parent_of(pes: PESData, i: int) -> str:
    """Id of what structure ``i`` is a copy of; its own where it is not a copy."""
    return str(pes.parent[i] or pes.id[i])


def copy_of(pes: PESData, i: int) -> int:
    """Which of its parent's copies structure ``i`` is."""
    return int(pes.info[i].get("copy", 0))


def roots(pes: PESData) -> np.ndarray:
    """Id of the farthest known ancestor of each structure, its own if it has none, shape (S,)."""
    parent = dict(zip(pes.id.tolist(), pes.parent.tolist(), strict=True))

    def root(id_: str) -> str:
        seen = {id_}
        while (above := parent.get(id_, "")) and above not in seen:
            id_ = above
            seen.add(id_)
        return id_

    return np.array([root(id_) for id_ in pes.id.tolist()], dtype=str)


def _inherited(info: dict[str, Any], change: Change) -> dict[str, Any]:
    kept = {key: value for key, value in info.items() if key not in LABEL_KEYS}
    if "arrays" in kept:
        kept["arrays"] = {
            name: [values[atom] for atom in change.atoms] for name, values in kept["arrays"].items()
        }
    return kept | change.made_by
