"""What became of every candidate, one by one and in sum."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.quantum import Label, LabelFailure
from potwright.quantum.calculations import LabellingOutcomes

logger = logging.getLogger(__name__)

COLUMNS = ["id", "origin", "audit", "n_atoms", "status", "reason", "message"]
COLUMNS += ["recovery", "attempts", "seconds", "host"]
COMPUTED, FROM_STORE, FAILED, FAILED_BEFORE, SCREENED = (
    "computed",
    "from store",
    "failed",
    "failed before",
    "screened",
)


def labelling_table(
    candidates: PESData, screened_out: pd.DataFrame, outcomes: LabellingOutcomes
) -> pd.DataFrame:
    """What each candidate came to, and what it cost.

    Parameters
    ----------
    candidates
        What passed screening.
    screened_out
        What did not, with its reason.
    outcomes
        What became of the former.

    Returns
    -------
    pandas.DataFrame
        One row per structure. ``audit`` tells those that were drawn regardless of disagreement;
        ``status`` is computed, from store, failed, failed before, or screened; ``recovery`` is the
        one that led to the label, ``attempts`` how many tries it took, ``seconds`` the wall time of
        all of them, wherever and whenever that was, and ``host`` the machine.
    """
    audit = [bool(info.get("audit", False)) for info in candidates.info]
    known = zip(
        candidates.id.tolist(), candidates.origin.tolist(), audit, candidates.n_atoms, strict=True
    )
    rows = [
        (id, *what, *_result(outcomes.labels.get(id) or outcomes.failures[id], outcomes, id))
        for id, *what in known
    ]
    dropped = screened_out.assign(
        status=SCREENED, message="", recovery="", attempts=0, seconds=np.nan, host=""
    )
    parts = [p for p in (pd.DataFrame(rows, columns=COLUMNS), dropped[COLUMNS]) if len(p)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """The same in sum, which is also logged.

    Returns
    -------
    pandas.DataFrame
        One row per origin, status, reason and recovery that occur: ``structures``, ``attempts``,
        and ``seconds`` in sum and per structure.
    """
    by = ["origin", "status", "reason", "recovery"]
    filled = table.fillna(dict.fromkeys(by, ""))  # what a CSV file makes of empty text
    groups = filled.groupby(by, sort=True)
    result = groups.agg(
        structures=("id", "size"), attempts=("attempts", "sum"), seconds=("seconds", "sum")
    ).reset_index()
    result["seconds_per_structure"] = result.seconds / result.structures
    if len(result):
        logger.info("Labelling:\n%s", "\n".join(map(_in_words, result.itertuples())))
    return result


def _in_words(row: Any) -> str:
    reason = f", {row.reason}" if row.reason else ""
    recovery = f", by recovery {row.recovery}" if row.recovery else ""
    each = f" ({row.seconds_per_structure:.1f} s each)" if row.structures > 1 else ""
    time = f", {row.seconds:.1f} s{each}" if row.seconds else ""
    return f"  {row.structures} {row.origin}: {row.status}{reason}{recovery}{time}"


def _result(result: Label | LabelFailure, outcomes: LabellingOutcomes, id: str) -> tuple[Any, ...]:
    """Columns from ``status`` on."""
    computed = id in outcomes.computed
    common = result.seconds, result.host
    if isinstance(result, Label):
        status = COMPUTED if computed else FROM_STORE
        return status, "", "", result.recovery, len(result.attempts) + 1, *common
    status = FAILED if computed else FAILED_BEFORE
    return status, result.reason, result.message, "", max(len(result.attempts), 1), *common
