"""One table of what became of every candidate."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.pipelines.labelling.calculations import LabellingOutcomes

logger = logging.getLogger(__name__)

COLUMNS = ["id", "origin", "audit", "n_atoms", "status", "reason", "message", "seconds"]
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
    """Status, reason and wall time of each candidate.

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
        One row per structure; ``audit`` tells those that were drawn regardless of disagreement;
        ``status`` is computed, from store, failed, failed before, or
        screened.
    """
    rows = []
    audit = [bool(info.get("audit", False)) for info in candidates.info]
    known = zip(candidates.id, candidates.origin, audit, candidates.n_atoms, strict=True)
    for id, *what in known:
        computed = id in outcomes.computed
        failure = outcomes.failures.get(id)
        if failure is None:
            status = COMPUTED if computed else FROM_STORE
            rows.append((id, *what, status, "", "", outcomes.labels[id].seconds))
        else:
            status = FAILED if computed else FAILED_BEFORE
            rows.append((id, *what, status, failure.reason, failure.message, failure.seconds))
    dropped = screened_out.assign(status=SCREENED, message="", seconds=np.nan)
    parts = [p for p in (pd.DataFrame(rows, columns=COLUMNS), dropped[COLUMNS]) if len(p)]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    counts = table.status.value_counts()
    if len(table):
        logger.info("labelling: %s", ", ".join(f"{n} {status}" for status, n in counts.items()))
    return table
