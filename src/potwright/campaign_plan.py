"""What the next iteration would label and how long it would take, before anything begins.

The stages' own nodes run, from augmentation to screening, with every result kept in memory. Nothing
is saved: no version, no run record. Only labels that are timed enter the label store, where the
campaign finds them again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from kedro.framework.session import KedroServiceSession
from kedro.io import DataCatalog, MemoryDataset
from kedro.io.core import generate_timestamp
from kedro.pipeline import Pipeline
from kedro.runner import SequentialRunner
from rich.console import Console
from rich.table import Table

from potwright.campaign import Campaign
from potwright.campaign_table import NOTHING, plain_table, wide_console
from potwright.pes import PESData
from potwright.pipeline_registry import register_pipelines
from potwright.pipelines.labelling import cost
from potwright.pipelines.labelling.nodes import compute_labels
from potwright.pipelines.labelling.parameters import LabellingParameters

if TYPE_CHECKING:
    from potwright.quantum import Label, LabelFailure

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True)
class Timings:
    """Labels that were computed at this level of theory: n atoms and wall time in s, shape (k,)."""

    n_atoms: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, structures: PESData, labels: dict[str, Label]) -> Timings:
        """Those of the structures that have a label; isolated atoms tell of their box only."""
        real = structures[structures.origin != "isolated_atom"].drop_duplicates()
        known = zip(real.id.tolist(), real.n_atoms.tolist(), strict=True)
        pairs = [(n, labels[id].seconds) for id, n in known if id in labels]
        return cls(*np.array(pairs, dtype=float).reshape(-1, 2).T)


@dataclass(frozen=True)
class Plan:
    """What labelling has before it.

    Attributes
    ----------
    iteration
        Its number.
    screened, screened_out
        What passes screening, and what does not, with the reasons.
    in_store, failed_before
        Ids that the label store has a label of, or a failure that is not computed again.
    timings
        Of the labels in the store.
    parameters
        Of the labelling stage.
    """

    iteration: int
    screened: PESData
    screened_out: pd.DataFrame
    in_store: frozenset[str]
    failed_before: frozenset[str]
    timings: Timings
    parameters: LabellingParameters

    @property
    def to_compute(self) -> PESData:
        """What the label store says nothing of."""
        known = self.in_store | self.failed_before
        return self.screened[np.array([id not in known for id in self.screened.id], dtype=bool)]


def print_plan(campaign: Campaign, timed_labels: int) -> None:
    """Print what the campaign's next iteration would label, and an estimate of the time.

    Parameters
    ----------
    campaign
        Begun or not.
    timed_labels
        How many labels may be computed for the estimate. They are kept in the label store.

    Raises
    ------
    InputError
        For what a run of the campaign would refuse up to screening, and if all timed labels fail.
    """
    console = wide_console()
    with KedroServiceSession.create(project_path=campaign.project, env=campaign.env) as session:
        with _quiet():
            catalog, pipeline = _in_memory(campaign, session)
            SequentialRunner().run(pipeline, catalog)
        plan = _read(campaign, catalog)
        if not len(plan.screened) and plan.screened_out.empty:
            console.print(
                f"Iteration {plan.iteration} of campaign {campaign.name}: nothing to label."
            )
            return
        _print_structures(console, campaign, plan)
        timings, remaining = _time(plan, catalog, timed_labels)
    _print_time(console, plan, timings, remaining)


def _in_memory(campaign: Campaign, session: KedroServiceSession) -> tuple[DataCatalog, Pipeline]:
    """The stages up to screening, and a catalog in which they save nothing.

    What an iteration that was interrupted has augmented already is read, as its resumption would.
    """
    number, interrupted = campaign.next_iteration()
    stages = ["augmentation", "labelling"] if number == 1 else ["labelling"]
    version = interrupted.version if interrupted else generate_timestamp()
    context = session.load_context({"campaign": {"iteration": number}})
    whole = context._get_catalog(  # as Kedro's sessions do; there is no public way
        save_version=version, load_versions=campaign.load_versions(version, stages)
    )
    if interrupted and "augmented_structures" in interrupted.record.get("saved", {}):
        stages = ["labelling"]
    registered = register_pipelines()
    combined = sum((registered[name] for name in stages), start=Pipeline([]))
    pipeline = combined.to_outputs("screened_candidates", "screened_out")
    read = {name: whole[name] for name in {*pipeline.inputs(), "label_store"}}
    made = {name: MemoryDataset(copy_mode="assign") for name in pipeline.all_outputs()}
    return DataCatalog(read | made), pipeline


def _read(campaign: Campaign, catalog: DataCatalog) -> Plan:
    """What the stages left in memory, and what the label store knows of it."""
    screened = catalog["screened_candidates"].load()
    seen = PESData.concatenate([screened, catalog["labelled_structures_previous"].load()])
    parameters = catalog["params:labelling"].load()
    labels: dict[str, Label] = {}
    failures: dict[str, LabelFailure] = {}
    if catalog["label_store"].exists():  # loading would make it
        store, level = catalog["label_store"].load(), parameters.engine.level_of_theory()
        labels = store.find(seen.id.tolist(), level)
        failures = {} if parameters.retry_failed else store.failures(screened.id.tolist(), level)
    return Plan(
        campaign.next_iteration()[0],
        screened,
        catalog["screened_out"].load(),
        frozenset(labels),
        frozenset(failures),
        Timings.of(seen, labels),
        parameters,
    )


def _time(plan: Plan, catalog: DataCatalog, count: int) -> tuple[Timings, PESData]:
    """All timings, after those of ``count`` further labels; and what then remains to compute."""
    todo = plan.to_compute
    rows = cost.choose_to_time(todo, count)
    if not len(rows):
        return plan.timings, todo
    outcomes = compute_labels(todo[rows], catalog["label_store"].load(), plan.parameters)
    new = Timings.of(todo[rows], outcomes.labels)
    timings = Timings(
        np.concatenate([plan.timings.n_atoms, new.n_atoms]),
        np.concatenate([plan.timings.seconds, new.seconds]),
    )
    return timings, todo[np.setdiff1d(np.arange(len(todo)), rows)]


# ---------------------------------------------------------------- on the terminal


def _print_structures(console: Console, campaign: Campaign, plan: Plan) -> None:
    level = plan.parameters.engine.level_of_theory()
    console.print(
        f"\nIteration {plan.iteration} of campaign [bold]{campaign.name}[/bold] would label these "
        f"structures by {level}\n",
        highlight=False,
    )
    console.print(_structures(plan))
    if len(plan.screened_out):
        console.print(_reasons(cost.screening_plan(plan.screened_out)))


def _structures(plan: Plan) -> Table:
    heads = ["candidates", "screened\nout", "from\nstore", "failed\nbefore", "to\ncompute"]
    heads += ["atoms", "median", "3D", "2D", "1D", "0D"]
    table = plain_table("Candidates by origin", "origin", *heads, padding=0)
    rows = cost.labelling_plan(
        plan.screened, plan.screened_out, plan.in_store, plan.failed_before
    ).to_dict("records")
    for row in rows:
        sizes = [NOTHING, NOTHING]
        if row["candidates"] > row["screened_out"]:
            low, high = f"{row['atoms_min']:.0f}", f"{row['atoms_max']:.0f}"
            sizes = [low if low == high else f"{low}–{high}", f"{row['atoms_median']:g}"]
        counts = ("candidates", "screened_out", "in_store", "failed_before", "to_compute")
        axes = [str(row[f"periodic_{n}"]) for n in (3, 2, 1, 0)]
        table.add_row(row["origin"], *(str(row[name]) for name in counts), *sizes, *axes)
    return table


def _reasons(dropped: pd.DataFrame) -> Table:
    table = plain_table("Screened out, by origin and reason", "origin", *dropped.columns)
    for origin, counts in dropped.iterrows():
        table.add_row(str(origin), *map(str, counts))
    return table


def _print_time(console: Console, plan: Plan, timings: Timings, remaining: PESData) -> None:
    law = cost.fit_cost(timings.n_atoms, timings.seconds)
    if not len(remaining):
        console.print("Every label is in the store: labelling takes no time.")
        return
    if law is None:
        console.print(
            f"{len(remaining)} labels to compute. Nothing tells how long one takes: let some be "
            "timed (--timed-labels 3)."
        )
        return
    each, slots = law.seconds(remaining.n_atoms), plan.parameters.executor.slots()
    console.print(
        f"{len(remaining)} labels to compute: about "
        f"[bold]{duration(cost.wall_seconds(each, slots))}[/bold] at {slots} at a time "
        f"({duration(each.sum())} of calculations, {duration(each.max())} the longest).\n"
        f"{_basis(law)}",
        highlight=False,
    )


def _basis(law: cost.CostLaw) -> str:
    low, high = law.sizes
    sizes = f"{low}" if low == high else f"{low} to {high}"
    assumed = " (exponent assumed)" if law.exponent_is_assumed else ""
    return (
        f"Estimated from {law.timings} labels of {sizes} atoms that the store has at this level of "
        f"theory: {law.prefactor:.2g} s × atoms^{law.exponent:.2f}{assumed}. What vacuum or a hard "
        "case costs beyond that is not in it."
    )


def duration(seconds: float) -> str:
    """A time in the unit that reads best.

    >>> duration(5400)
    '1.5 h'
    """
    for unit, name in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * unit or (unit == HOUR and seconds >= HOUR):
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Kedro's lines about each node."""
    runner = logging.getLogger("kedro.runner")
    level = runner.level
    runner.setLevel(logging.WARNING)
    try:
        yield
    finally:
        runner.setLevel(level)
