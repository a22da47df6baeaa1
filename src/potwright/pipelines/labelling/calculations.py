"""The calculations: what the store lacks is computed, each result committed as it arrives."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from potwright.errors import InputError
from potwright.execution import ExecutorParameters, Outcome, run_tasks
from potwright.pes import PESData
from potwright.quantum import (
    Engine,
    Label,
    LabelFailure,
    LabelStore,
    failure_reason,
    try_label,
)

logger = logging.getLogger(__name__)

KEPT_LINES = 20


@dataclass(frozen=True)
class LabellingOutcomes:
    """What became of the candidates.

    Attributes
    ----------
    level_of_theory
        Its hash.
    labels, failures
        By structure id.
    computed
        Ids that this iteration computed, be it before an interruption; the others were in the
        store already.
    """

    level_of_theory: str
    labels: dict[str, Label] = field(default_factory=dict)
    failures: dict[str, LabelFailure] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()


def label_structures(
    candidates: PESData,
    store: LabelStore,
    engine: Engine,
    executor: ExecutorParameters,
    *,
    retry_failed: bool,
) -> LabellingOutcomes:
    """Find labels in the store and compute the rest.

    Parameters
    ----------
    candidates
        What needs labels.
    store
        Where they are looked up, and committed one by one.
    engine, executor
        What computes them, and where.
    retry_failed
        Whether structures that failed before are computed again.

    Raises
    ------
    InputError
        If none of the candidates has a label in the end.
    """
    level = engine.level_of_theory()
    ids = list(dict.fromkeys(candidates.id.tolist()))
    labels = store.find(ids, level)
    failures = {} if retry_failed else store.failures(ids, level)
    missing = np.array([i not in labels and i not in failures for i in candidates.id], dtype=bool)
    todo = candidates[missing].drop_duplicates()
    todo = todo[np.argsort(-todo.n_atoms, kind="stable")]  # the longest first: no late straggler
    logger.info(
        "%s: %d labels from the store, %d to compute, %d have failed before",
        level,
        len(labels),
        len(todo),
        len(failures),
    )
    structures = todo.to_atoms()
    for outcome in run_tasks(
        partial(try_label, engine), structures, executor, description="Labelling"
    ):
        id, result = str(todo.id[outcome.index]), _result(outcome)
        store.add(id, structures[outcome.index], level, result, int(todo.iteration[outcome.index]))
        if isinstance(result, Label):
            labels[id] = result
        else:
            failures[id] = result
    bought = store.bought(ids, level, int(candidates.iteration.max(initial=0)))
    outcomes = LabellingOutcomes(level.hash, labels, failures, frozenset(todo.id.tolist()) | bought)
    _report_failures(outcomes, len(ids))
    return outcomes


def labelled(candidates: PESData, outcomes: LabellingOutcomes) -> PESData:
    """The candidates that have a label, with it."""
    kept = candidates[np.array([i in outcomes.labels for i in candidates.id], dtype=bool)]
    if not len(kept):
        return kept
    labels = [outcomes.labels[i] for i in kept.id.tolist()]
    without = np.full(6, np.nan)
    return kept.replace(
        energy=np.array([label.energy for label in labels]),
        forces=np.concatenate([label.forces for label in labels]),
        stress=np.array([without if lab.stress is None else lab.stress for lab in labels]),
        level_of_theory=outcomes.level_of_theory,
    )


def _result(outcome: Outcome) -> Label | LabelFailure:
    if outcome.error is None:
        assert isinstance(outcome.value, Label | LabelFailure)
        return outcome.value
    error = outcome.error
    return LabelFailure(
        reason=failure_reason(error.kind, error.message),
        message=f"{error.kind}: {error.message}",
        details="\n".join(error.traceback.splitlines()[-KEPT_LINES:]),
        seconds=outcome.seconds,
    )


def _report_failures(outcomes: LabellingOutcomes, candidates: int) -> None:
    if not outcomes.failures:
        return
    causes = Counter((f.reason, f.message) for f in outcomes.failures.values()).most_common(3)
    told = "\n".join(f"  {n} × {reason}: {message}" for (reason, message), n in causes)
    if not outcomes.labels:
        raise InputError(
            f"all {candidates} structures failed to be labelled; the commonest causes are\n{told}\n"
            "Mend the structures or labelling.engine. Failures are kept in the label store; with "
            "labelling.retry_failed: true they are computed again"
        )
    logger.warning("%d of %d structures failed:\n%s", len(outcomes.failures), candidates, told)
