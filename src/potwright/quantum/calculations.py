"""The calculations: what the store lacks is computed, each result committed as it arrives."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms

from potwright.errors import InputError
from potwright.execution import ExecutorBlock, Outcome, run_tasks
from potwright.pes import PESData
from potwright.quantum.engines import Engine, ImportedEngine
from potwright.quantum.label import Label, LabelFailure, failure_reason, try_label
from potwright.quantum.level_of_theory import LevelOfTheory
from potwright.quantum.store import LabelStore

logger = logging.getLogger(__name__)

KEPT_LINES = 20
SIZE_CLASS = 1.25
"""Structures whose numbers of atoms differ by less than this factor are of one size."""


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
    executor: ExecutorBlock,
    *,
    retry: Collection[str] = (),
    all_may_fail: bool = False,
    description: str = "Labelling",
) -> LabellingOutcomes:
    """Find labels in the store and compute the rest.

    Another process may be at work on the same structures: just before a structure is handed to a
    worker the store is looked into again, so that nothing that is finished is computed twice.

    Parameters
    ----------
    candidates
        What needs labels.
    store
        Where they are looked up, and committed one by one.
    engine, executor
        What computes them, and where.
    retry
        Structures that failed before for one of these reasons are computed again.
    all_may_fail
        Whether it is no mistake if none of the candidates has a label in the end.
    description
        What the progress bar says; empty: what is to be computed is not said, and the bar is that
        of one of many rounds.

    Raises
    ------
    InputError
        If labels are missing and can only be imported, or if none of the candidates has a label
        in the end and that may not be.
    """
    level = engine.level_of_theory()
    ids = list(dict.fromkeys(candidates.id.tolist()))
    known = store.look(ids, level)
    results = {i: s.result for i, s in known.items() if _is_settled(s.result, retry)}
    todo = _in_order(candidates, results, store.campaign)
    if description:
        _report_beginning(level, results, len(todo))
    if len(todo) and isinstance(engine, ImportedEngine):
        raise InputError(engine.refusal(len(todo)))
    computed = _bought_before(candidates, store, {i: s.buyers for i, s in known.items()})
    tasks = _Tasks(todo.to_atoms(), todo.id.tolist(), store, level, retry)
    for outcome in run_tasks(
        partial(_label, engine), tasks, executor, description=description or "Reference"
    ):
        id = tasks.ids[outcome.index]
        result = tasks.found.get(id)  # what another process has found in the meantime
        if result is None:
            result = _result(outcome)
            iteration = int(todo.iteration[outcome.index])
            store.add(id, tasks.structures[outcome.index], level, result, iteration)
            computed.add(id)
        results[id] = result
    store.flush()
    outcomes = LabellingOutcomes(
        level.hash,
        {i: r for i, r in results.items() if isinstance(r, Label)},
        {i: r for i, r in results.items() if isinstance(r, LabelFailure)},
        frozenset(computed),
    )
    _report_failures(outcomes, len(ids), all_may_fail)
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


class _Tasks(Sequence[Any]):
    """Structures to compute, each looked up again as it is taken; None if it is there by then."""

    def __init__(
        self,
        structures: list[Atoms],
        ids: list[str],
        store: LabelStore,
        level: LevelOfTheory,
        retry: Collection[str],
    ):
        self.structures, self.ids = structures, ids
        self.store, self.level, self.retry = store, level, retry
        self.found: dict[str, Label | LabelFailure] = {}

    def __len__(self) -> int:
        return len(self.structures)

    def __getitem__(self, index: Any) -> Any:
        id = self.ids[index]
        stored = self.store.look([id], self.level).get(id)
        if stored is None or not _is_settled(stored.result, self.retry):
            return self.structures[index]
        self.found[id] = stored.result
        return None


def _label(engine: Engine, structure: Atoms | None) -> Label | LabelFailure | None:
    """What a worker runs."""
    return None if structure is None else try_label(engine, structure)


def _is_settled(result: Label | LabelFailure, retry: Collection[str]) -> bool:
    return isinstance(result, Label) or result.reason not in retry


def _in_order(candidates: PESData, settled: Collection[str], campaign: str) -> PESData:
    """What is to be computed: large structures first, so that no straggler ends the run.

    Among those of about one size each campaign has an order of its own: two of them at work on the
    same structures at once meet in the middle, instead of computing all of them side by side.
    """
    missing = np.array([i not in settled for i in candidates.id.tolist()], dtype=bool)
    todo = candidates[missing].drop_duplicates()
    size = np.floor(np.log(todo.n_atoms) / np.log(SIZE_CLASS))
    draw = [hashlib.blake2b(f"{campaign} {i}".encode()).digest()[:8] for i in todo.id.tolist()]
    return todo[np.lexsort((np.frombuffer(b"".join(draw), dtype=np.uint64), -size))]


def _bought_before(
    candidates: PESData, store: LabelStore, buyers: dict[str, frozenset[str]]
) -> set[str]:
    """Which candidates this very iteration computed before it was interrupted."""
    if not store.campaign:
        return set()
    pairs = zip(candidates.id.tolist(), candidates.iteration.tolist(), strict=True)
    return {i for i, n in pairs if i in buyers and store.buyer(n) in buyers[i]}


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


def _report_beginning(
    level: LevelOfTheory, settled: dict[str, Label | LabelFailure], todo: int
) -> None:
    failed = sum(isinstance(result, LabelFailure) for result in settled.values())
    logger.info(
        "%s: %d labels from the store, %d to compute, %d have failed before",
        level,
        len(settled) - failed,
        todo,
        failed,
    )


def _report_failures(outcomes: LabellingOutcomes, candidates: int, all_may_fail: bool) -> None:
    if not outcomes.failures:
        return
    causes = Counter((f.reason, f.message) for f in outcomes.failures.values()).most_common(3)
    told = "\n".join(f"  {n} × {reason}: {message}" for (reason, message), n in causes)
    if not (outcomes.labels or all_may_fail):
        raise InputError(
            f"all {candidates} structures failed to be labelled; the commonest causes are\n{told}\n"
            "Mend the structures or labelling.engine. Failures are kept in the label store; with "
            "labelling.retry_failed: true they are computed again"
        )
    logger.warning("%d of %d structures failed:\n%s", len(outcomes.failures), candidates, told)
