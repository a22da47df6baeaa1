"""Disagreement and errors of each structure, as tables in the field's units.

Columns are named by kind, property and unit, for instance ``disagreement_forces_mev_per_angstrom``.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.uncertainty import Predictions, Proportion, property_uncertainties

logger = logging.getLogger(__name__)

UNITS = {
    "energy": "mev_per_atom",
    "forces": "mev_per_angstrom",
    "stress": "mev_per_angstrom3",
}
WRITTEN_UNITS = {"energy": "meV/atom", "forces": "meV/Å", "stress": "meV/Å³"}
MILLI = 1000.0


def column(kind: str, name: str) -> str:
    """The column of ``kind`` (disagreement, member_error, mean_error) of a property."""
    return f"{kind}_{name}_{UNITS[name]}"


def measure(predictions: Predictions, structures: PESData) -> pd.DataFrame:
    """D, ε and b of each structure of ``structures`` that ``predictions`` knows.

    Parameters
    ----------
    predictions
        May hold more structures, in any order.
    structures
        Labels are the reference; ε and b are NaN without.

    Returns
    -------
    DataFrame
        One row per structure, in order, with id, group, origin, split, iteration, audit,
        predicted (finite energies and forces of all members), and per property the columns of
        kind disagreement, member_error and mean_error. NaN throughout where nothing is predicted.
    """
    place = predictions.index_of(structures.id)
    known = np.flatnonzero(place >= 0)
    if len(known) < len(structures):
        logger.warning("%d structures have no predictions", len(structures) - len(known))
    finite = np.zeros(len(structures), dtype=bool)
    table: dict[str, np.ndarray] = {
        "id": structures.id,
        "group": structures.group,
        "origin": structures.origin,
        "split": structures.split,
        "iteration": structures.iteration,
        "audit": audited(structures),
    }
    found = structures[known]
    taken = predictions.take(place[known])
    finite[known] = taken.finite
    table["predicted"] = finite
    measured = property_uncertainties(taken, found.energy, found.forces, found.stress)
    for name, values in measured.items():
        for kind in ("disagreement", "member_error", "mean_error"):
            filled = np.full(len(structures), np.nan)
            filled[known] = MILLI * getattr(values, kind)
            table[column(kind, name)] = filled
    return pd.DataFrame(table)


def audited(structures: PESData) -> np.ndarray:
    """Which structures were drawn regardless of disagreement, shape (S,)."""
    return np.array([bool(info.get("audit")) for info in structures.info], dtype=bool)


def audit_of(structures: PESData, iteration: int) -> np.ndarray:
    """Which structures are the audit sample that entered in ``iteration``, shape (S,)."""
    return audited(structures) & (structures.iteration == iteration)


def number(value: float) -> float | None:
    """A number as reports hold it: None where it is none."""
    return float(value) if np.isfinite(value) else None


def proportion_of(value: Proportion) -> dict[str, Any]:
    """A proportion as reports hold it."""
    return {
        "value": number(value.value),
        "lower": number(value.lower),
        "upper": number(value.upper),
        "successes": value.successes,
        "trials": value.trials,
    }
