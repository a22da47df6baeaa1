"""Edges of a graph of atoms, equally many for each atom: what fast convolutions need.

See :mod:`potwright.potentials.mace_convolution`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# edges beyond the cutoff that may be added, relative to the real ones and in any case: more would
# cost more than a regular graph saves
MOST_EDGES = 1.5
FEW_EDGES = 1000


class Edges(NamedTuple):
    """Edges of one or several structures.

    Attributes
    ----------
    pairs
        Sender and receiver, shape (2, e).
    shifts, unit_shifts
        Where the receiver's image lies, shape (e, 3): Å, and lattice vectors.
    cell
        Lattice, shape (3, 3), or lattices, shape (s, 3, 3), Å.
    """

    pairs: np.ndarray
    shifts: np.ndarray
    unit_shifts: np.ndarray
    cell: np.ndarray


def regular(edges: Edges, structure_of_atom: np.ndarray, cutoff: float) -> Edges:
    """The same graph with equally many edges for each atom, ordered by the atom they lead to.

    What is added leads from an atom to an image of itself beyond the cutoff, where everything that
    a model makes of an edge is zero. Where that would be too many, only the order changes.

    Parameters
    ----------
    edges
        Of s structures.
    structure_of_atom
        Shape (n,).
    cutoff
        Å.
    """
    pairs, shifts, unit_shifts, cell = edges
    atoms = len(structure_of_atom)
    order = np.argsort(pairs[1], kind="stable")
    counts = np.bincount(pairs[1], minlength=atoms)
    most = max(int(counts.max()), 1)
    if most * atoms > MOST_EDGES * pairs.shape[1] + FEW_EDGES:
        return Edges(pairs[:, order], shifts[order], unit_shifts[order], cell)
    within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    slots = pairs[1, order] * most + within
    receiver = np.repeat(np.arange(atoms), most)
    far = np.ceil(cutoff / np.linalg.norm(cell[:, 0], axis=1)) + 1
    of_structure = structure_of_atom[receiver]
    added = Edges(
        np.stack([receiver, receiver]),
        (far[:, None] * cell[:, 0])[of_structure],
        far[of_structure][:, None] * np.array([1.0, 0.0, 0.0]),
        cell,
    )
    added.pairs[0, slots] = pairs[0, order]
    added.shifts[slots] = shifts[order]
    added.unit_shifts[slots] = unit_shifts[order]
    return added
