"""Descriptors of atoms, on one scale for explored frames and for what is known already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Environments:
    """Descriptors of the atoms of S frames and of K known structures.

    Attributes
    ----------
    frames
        Shape (N, F).
    offsets
        Atoms of frame i are ``offsets[i]:offsets[i + 1]``, shape (S + 1,).
    known
        Shape (T, F).
    known_offsets
        Shape (K + 1,).
    """

    frames: np.ndarray
    offsets: np.ndarray
    known: np.ndarray
    known_offsets: np.ndarray

    def standardised(self) -> Environments:
        """Each descriptor with mean 0 and standard deviation 1, all structures counting alike.

        Descriptors of a network have no common scale; without this a few of them would decide
        every distance. What does not vary is left out.
        """
        both = np.concatenate([self.frames, self.known]).astype(np.float64)
        share = self.weights()
        mean = share @ both
        spread = np.sqrt(share @ (both - mean) ** 2)
        varies = spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-300)
        scaled = (both[:, varies] - mean[varies]) / spread[varies]
        atoms = len(self.frames)
        return Environments(scaled[:atoms], self.offsets, scaled[atoms:], self.known_offsets)

    def weights(self) -> np.ndarray:
        """Weight of each atom, shape (N + T,): structures weigh alike, all together 1."""
        sizes = [np.diff(offsets) for offsets in (self.offsets, self.known_offsets)]
        each = np.concatenate([np.repeat(1.0 / np.maximum(n, 1), n) for n in sizes])
        return each / max(float(each.sum()), 1e-300)

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean descriptor of each frame (S, F) and of each known structure (K, F)."""
        return mean_over(self.frames, self.offsets), mean_over(self.known, self.known_offsets)


def mean_over(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mean over the atoms of each structure, shape (S, …)."""
    if len(offsets) < 2:
        return np.empty((0, *values.shape[1:]))
    counts = np.diff(offsets).reshape(-1, *(1,) * (values.ndim - 1))
    return np.add.reduceat(values, offsets[:-1], axis=0) / counts
