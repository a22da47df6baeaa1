"""Root mean square errors of the members and of their mean, by set and origin.

Energies per atom over structures, forces over all components of all atoms, stress over its six
components. Members are given as mean ± standard deviation (AiiDA-TrainsPot, Digital Discovery
2026, Fig. 4), beside the error of the committee's mean, which is never larger.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.uncertainty import Predictions
from potwright.uncertainty.measurement import MILLI, UNITS, audit_of

FIRST_TEST = "test of first iteration"
AUDIT = "audit"
ALL = "all"


def metrics_table(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    iteration: int,
) -> pd.DataFrame:
    """Errors on what is labelled.

    The sets are the splits, the test set *of the first iteration* (the only one that is the same
    from iteration to iteration), and the audit sample as predicted by the committee that drew it,
    before anything was trained on it.

    Isolated atoms give the reference energies and are not learnt from: they have a row of their
    own, and do not count in ``all``.

    Returns
    -------
    DataFrame
        Columns iteration, set, origin (``all`` or one), structures, atoms, and per property
        ``rmse_<property>_members_mean_<unit>``, ``…_members_std_…``, ``…_committee_…``.
    """
    rows = []
    for name, mask, source in _sets(predictions, predictions_previous, labelled, iteration):
        for origin in [ALL, *np.unique(labelled.origin[mask]).tolist()]:
            lone = labelled.origin == "isolated_atom"
            chosen = mask & (~lone if origin == ALL else labelled.origin == origin)
            place = source.index_of(labelled.id)
            chosen = np.flatnonzero(chosen & (place >= 0))
            if len(chosen):
                structures = labelled[chosen]
                row = {"iteration": iteration, "set": name, "origin": origin}
                row |= {"structures": len(structures), "atoms": int(structures.offsets[-1])}
                rows.append(row | errors(source.take(place[chosen]), structures))
    return pd.DataFrame(rows)


def errors(predictions: Predictions, structures: PESData) -> dict[str, float]:
    """Root mean square errors of ``predictions``, aligned with the labelled ``structures``."""
    n_atoms = structures.n_atoms
    deviations = {
        "energy": (predictions.energy - structures.energy) / n_atoms,
        "forces": predictions.forces - structures.forces,
        "stress": predictions.stress - structures.stress,
    }
    result: dict[str, float] = {}
    for name, deviation in deviations.items():
        members = np.array([_rms(member) for member in deviation])
        spread = members.std(ddof=1) if len(members) > 1 else np.nan
        result |= {
            f"rmse_{name}_members_mean_{UNITS[name]}": float(members.mean()),
            f"rmse_{name}_members_std_{UNITS[name]}": float(spread),
            f"rmse_{name}_committee_{UNITS[name]}": _rms(deviation.mean(axis=0)),
        }
    return result


def _sets(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    iteration: int,
) -> Iterator[tuple[str, np.ndarray, Predictions]]:
    for split in ("training", "validation", "test"):
        yield split, labelled.split == split, predictions
    yield FIRST_TEST, (labelled.split == "test") & (labelled.iteration <= 1), predictions
    yield AUDIT, audit_of(labelled, iteration), predictions_previous


def _rms(deviation: np.ndarray) -> float:
    """Root mean square in milli-units; what has no label does not count."""
    present = deviation[np.isfinite(deviation)]
    return float(MILLI * np.sqrt(np.mean(present**2))) if present.size else float("nan")
