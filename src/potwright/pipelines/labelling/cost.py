"""What labelling will cost: how many structures of which kind, and how long they take."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from potwright.pes import PESData

ASSUMED_EXPONENT = 2.0
"""Of the power law where timings of one size cannot tell it; between xTB's and DFT's usual ones."""

EXPONENTS = (0.0, 4.0)
"""Beyond these, scatter of a few timings has been fitted rather than an engine's scaling."""

SPREAD = 1.2
"""Sizes whose largest is less than this times the smallest count as one size."""


@dataclass(frozen=True)
class CostLaw:
    """Wall time of a label by the number of atoms, t = c·n^p.

    Attributes
    ----------
    prefactor
        c, s.
    exponent
        p.
    timings
        How many timed labels it rests on.
    sizes
        Smallest and largest number of atoms among them.
    """

    prefactor: float
    exponent: float
    timings: int
    sizes: tuple[int, int]

    @property
    def exponent_is_assumed(self) -> bool:
        """Whether timings of one size had to do."""
        return self.sizes[1] < SPREAD * self.sizes[0]

    def seconds(self, n_atoms: np.ndarray) -> np.ndarray:
        """Wall time (s) of labels of structures with ``n_atoms`` atoms, of the same shape."""
        return self.prefactor * np.asarray(n_atoms, dtype=float) ** self.exponent


def fit_cost(n_atoms: np.ndarray, seconds: np.ndarray) -> CostLaw | None:
    """Fit t = c·n^p to timed labels.

    p is the least-squares slope of log t over log n, c makes the law's sum that of the timings,
    since it is a sum that is to be estimated.

    Parameters
    ----------
    n_atoms, seconds
        Shape (k,) each.

    Returns
    -------
    CostLaw or None
        None without timings.
    """
    n = np.asarray(n_atoms, dtype=float)
    t = np.maximum(np.asarray(seconds, dtype=float), 1e-9)
    if not len(n):
        return None
    exponent = ASSUMED_EXPONENT
    if n.max() >= SPREAD * n.min():
        x, y = np.log(n), np.log(t)
        slope = np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2)
        exponent = float(np.clip(slope, *EXPONENTS))
    prefactor = float(t.sum() / (n**exponent).sum())
    return CostLaw(prefactor, exponent, len(n), (int(n.min()), int(n.max())))


def wall_seconds(seconds: np.ndarray, slots: int) -> float:
    """Time (s) for labels of these wall times (s, shape (k,)) when ``slots`` run at a time.

    The longest one cannot be shared out.
    """
    return max(float(np.sum(seconds)) / slots, float(np.max(seconds, initial=0.0)))


def choose_to_time(structures: PESData, count: int) -> np.ndarray:
    """Rows of ``count`` structures of different sizes, from the smallest to the largest.

    They part the expected cost (∝ n²) evenly, so that the sizes in which most of the time goes are
    timed, and nothing is extrapolated. Isolated atoms are taken only where there is nothing else:
    their cost is that of their box.
    """
    rows = np.flatnonzero(structures.origin != "isolated_atom")
    rows = rows if len(rows) else np.arange(len(structures))
    rows = rows[np.argsort(structures.n_atoms[rows], kind="stable")]
    count = min(count, len(rows))
    if count == 0:
        return rows[:0]
    cost = np.cumsum(structures.n_atoms[rows].astype(float) ** ASSUMED_EXPONENT)
    wanted = np.linspace(0, cost[-1], count) if count > 1 else np.array([cost[-1] / 2])
    chosen: list[int] = []
    for place in np.searchsorted(cost, wanted).tolist():
        free = [i for i in range(len(rows)) if i not in chosen]
        chosen.append(min(free, key=lambda i: (abs(i - place), i)))
    return rows[np.sort(chosen)]


def labelling_plan(
    screened: PESData,
    screened_out: pd.DataFrame,
    in_store: Collection[str],
    failed_before: Collection[str],
) -> pd.DataFrame:
    """What would become of each kind of candidate.

    Parameters
    ----------
    screened, screened_out
        What passes screening, and what does not, with ``origin``.
    in_store, failed_before
        Ids with a label in the store, and of failures that are not repeated.

    Returns
    -------
    pandas.DataFrame
        One row by origin, and ``all`` at the end: ``candidates``, ``screened_out``, ``in_store``,
        ``failed_before``, ``to_compute``; of what passes screening ``atoms_min``,
        ``atoms_median``, ``atoms_max``, and ``periodic_3`` … ``periodic_0``, the numbers of
        structures with so many periodic axes.
    """
    origins = [*screened.origin.tolist(), *screened_out["origin"].tolist()]
    stored = np.array([id in in_store for id in screened.id.tolist()], dtype=bool)
    failed = np.array([id in failed_before for id in screened.id.tolist()], dtype=bool) & ~stored
    axes = screened.pbc.sum(axis=1)
    rows = []
    for origin in [*dict.fromkeys(origins), "all"]:
        of = np.ones(len(screened), dtype=bool) if origin == "all" else screened.origin == origin
        dropped = len(screened_out) if origin == "all" else (screened_out["origin"] == origin).sum()
        sizes = screened.n_atoms[of]
        row: dict[str, object] = {
            "origin": origin,
            "candidates": int(of.sum() + dropped),
            "screened_out": int(dropped),
            "in_store": int((of & stored).sum()),
            "failed_before": int((of & failed).sum()),
            "to_compute": int((of & ~stored & ~failed).sum()),
            "atoms_min": int(sizes.min()) if len(sizes) else None,
            "atoms_median": float(np.median(sizes)) if len(sizes) else None,
            "atoms_max": int(sizes.max()) if len(sizes) else None,
        }
        rows.append(row | {f"periodic_{n}": int((axes[of] == n).sum()) for n in (3, 2, 1, 0)})
    return pd.DataFrame(rows)


def screening_plan(screened_out: pd.DataFrame) -> pd.DataFrame:
    """How many structures of each origin (rows) are dropped for each reason (columns)."""
    return pd.crosstab(screened_out["origin"], screened_out["reason"])
