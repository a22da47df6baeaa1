"""TPR and PPV over tolerated error and threshold, for committees of 2 to M members.

The paper's Fig. 5 (insets) and SI Fig. 1 (AiiDA-TrainsPot, Digital Discovery 2026): how well D > τ
finds the structures with ε > ε_thr, for pairs (ε_thr, τ) on a grid, and at the calibrated
threshold τ = a·ε_thr. They are counted on the audit sample, as the committee that drew it predicted
it, and on the test set; nothing is fitted to either. A committee of m members is any m of the M:
counts are added up over all choices, and its slope a is fitted on the validation set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.uncertainty import (
    PROPERTIES,
    Predictions,
    confusion_map,
    fit_slope,
    property_uncertainties,
)
from potwright.uncertainty.evidence import (
    AUDIT,
    VALIDATION,
    evidence_sources,
    held_out_source,
)
from potwright.uncertainty.measurement import MILLI, UNITS

GRID = 12
CHOICES = 10
"""At most so many sub-committees of each size."""
COUNTS = ("true_positives", "false_positives", "false_negatives", "true_negatives")


def threshold_maps(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    *,
    parameters: EvaluationParameters,
    iteration: int,
    record: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """The maps as a long table.

    Returns
    -------
    DataFrame
        One row per iteration, evidence (``audit``, ``test``), property, number of members and pair
        of thresholds (in the milli-units of the property's column ``unit``): the four counts over
        ``choices`` sub-committees, true_positive_rate, positive_predictive_value (NaN where nothing
        is positive), and calibrated, true for the pair (ε_thr, a·ε_thr).
    """
    sources = evidence_sources(predictions, predictions_previous, labelled, iteration, record)
    counted = {AUDIT: sources[AUDIT]} | held_out_source(predictions, labelled, record)
    thresholds = parameters.error_thresholds.by_property()
    rows: list[dict[str, Any]] = []
    for kind, (predicted, structures) in counted.items():
        if not len(structures) or predicted.members < 2:
            continue
        whole = _measured(predicted, structures)
        for name in PROPERTIES:
            d_grid, e_grid = (_grid(values) for values in whole[name])
            if d_grid is None or e_grid is None:
                continue
            for members in range(2, predicted.members + 1):
                choices = _choices(predicted.members, members)
                slope = _slope(sources[VALIDATION], choices, name)
                common: dict[str, Any] = {"iteration": iteration, "evidence": kind}
                common |= {"property": name, "unit": UNITS[name]}
                common |= {"members": members, "choices": len(choices)}
                measured = [_measured(predicted, structures, c)[name] for c in choices]
                rows += _map(measured, d_grid, e_grid, common | {"calibrated": False})
                if np.isfinite(slope):
                    e_thr = np.array([thresholds[name]])
                    rows += _map(measured, slope * e_thr, e_thr, common | {"calibrated": True})
    return pd.DataFrame(rows, columns=_columns())


def _columns() -> list[str]:
    head = ["iteration", "evidence", "property", "unit", "members", "choices", "calibrated"]
    pair = ["error_threshold", "disagreement_threshold"]
    return [*head, *pair, *COUNTS, "true_positive_rate", "positive_predictive_value"]


def _map(
    measured: list[tuple[np.ndarray, np.ndarray]],
    disagreement_thresholds: np.ndarray,
    error_thresholds: np.ndarray,
    common: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Rows of one grid."""
    pairs = (disagreement_thresholds, error_thresholds)
    counts = np.sum([confusion_map(d, e, *pairs) for d, e in measured], axis=0)
    for i, error in enumerate(error_thresholds):
        for j, disagreement in enumerate(disagreement_thresholds):
            hits, alarms, misses, quiet = (int(n) for n in counts[:, i, j])
            yield common | {
                "error_threshold": float(error),
                "disagreement_threshold": float(disagreement),
                **dict(zip(COUNTS, (hits, alarms, misses, quiet), strict=True)),
                "true_positive_rate": hits / (hits + misses) if hits + misses else np.nan,
                "positive_predictive_value": hits / (hits + alarms) if hits + alarms else np.nan,
            }


def _measured(
    predictions: Predictions, structures: PESData, members: tuple[int, ...] | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """D and ε of each property, in milli-units, of some of the members."""
    found = predictions.select(structures.id)
    if members is not None:
        found = found.of_members(members)
    measured = property_uncertainties(
        found, structures.energy, structures.forces, structures.stress
    )
    return {n: (MILLI * u.disagreement, MILLI * u.member_error) for n, u in measured.items()}


def _slope(
    validation: tuple[Predictions, PESData], choices: list[tuple[int, ...]], name: str
) -> float:
    """The slope a of committees of this size, fitted to all of them together."""
    predictions, structures = validation
    if not len(structures) or predictions.members <= max(map(max, choices)):
        return np.nan
    measured = [_measured(predictions, structures, c)[name] for c in choices]
    d, e = (np.concatenate(part) for part in zip(*measured, strict=True))
    return fit_slope(d, e, np.tile(structures.group, len(choices))).value


def _grid(values: np.ndarray) -> np.ndarray | None:
    """Thresholds from below the smallest to the largest value, evenly on a logarithmic scale."""
    found = values[np.isfinite(values) & (values > 0)]
    if not len(found):
        return None
    return np.geomspace(0.9 * found.min(), found.max(), GRID)


def _choices(members: int, size: int) -> list[tuple[int, ...]]:
    """All committees of this size; of many, some in which members are about equally often."""
    if comb(members, size) <= CHOICES:
        return list(combinations(range(members), size))
    draw = np.random.default_rng((members, size))
    found: dict[tuple[int, ...], None] = {}  # in the order in which they came
    while len(found) < CHOICES:
        order = draw.permutation(members)
        for start in range(0, members, size):
            part = np.take(order, range(start, start + size), mode="wrap")
            found[tuple(sorted(part.tolist()))] = None
    return list(found)[:CHOICES]
