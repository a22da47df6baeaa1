"""Root mean square errors of the members and of their mean, by set and origin.

Energies per atom over structures, forces over all components of all atoms, stress over its six
components. Members are given as mean ± standard deviation (AiiDA-TrainsPot, Digital Discovery
2026, Fig. 4), beside the error of the committee's mean, which is never larger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.uncertainty import Predictions
from potwright.uncertainty.evidence import trained_on
from potwright.uncertainty.measurement import MILLI, UNITS, audit_of

FIRST_TEST = "test of first iteration"
AUDIT = "audit"
ALL = "all"
HELD_OUT = ("validation", "test", FIRST_TEST)


def metrics_table(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    iteration: int,
    record: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Errors on what is labelled.

    The sets are the splits, the test set *of the first iteration* (the only one that is the same
    from iteration to iteration), and the audit sample as predicted by the committee that drew it,
    before anything was trained on it.

    Isolated atoms give the reference energies and are not learnt from: they have a row of their
    own, and do not count in ``all``.

    Parameters
    ----------
    record
        What is known of the current committee: what any of its members has been trained on is in
        no validation or test row, whatever its split says, but counted in ``left_out``.

    Returns
    -------
    DataFrame
        Columns iteration, set, origin (``all`` or one), structures, atoms, left_out, and per
        property
        ``rmse_<property>_members_mean_<unit>``, ``…_members_std_…``, ``…_committee_…``.
    """
    rows = []
    seen = trained_on(labelled, record or {})
    lone = labelled.origin == "isolated_atom"
    for name, mask, source in _sets(predictions, predictions_previous, labelled, iteration):
        for origin in [ALL, *np.unique(labelled.origin[mask]).tolist()]:
            place = source.index_of(labelled.id)
            its = mask & (~lone if origin == ALL else labelled.origin == origin) & (place >= 0)
            chosen = its & ~(seen & (name in HELD_OUT))
            if its.any():
                structures = labelled[chosen]
                row = {"iteration": iteration, "set": name, "origin": origin}
                row |= {"structures": len(structures), "atoms": int(structures.offsets[-1])}
                row |= {"left_out": int(its.sum() - chosen.sum())}
                rows.append(row | errors(source.take(place[chosen]), structures))
    return pd.DataFrame(rows)


def errors(predictions: Predictions, structures: PESData) -> dict[str, float]:
    """Root mean square errors of ``predictions``, aligned with the labelled ``structures``.

    What has no label does not count; a prediction that is no number makes the error none.
    """
    n_atoms = structures.n_atoms
    deviations = {
        "energy": (predictions.energy - structures.energy) / n_atoms,
        "forces": predictions.forces - structures.forces,
        "stress": predictions.stress - structures.stress,
    }
    result: dict[str, float] = {}
    for name, all_of_them in deviations.items():
        deviation = all_of_them[:, np.isfinite(getattr(structures, name))]
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
    """Root mean square in milli-units."""
    return float(MILLI * np.sqrt(np.mean(deviation**2))) if deviation.size else float("nan")
