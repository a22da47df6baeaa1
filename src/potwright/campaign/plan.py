"""What the next iteration would label and how long it would take, before anything begins.

The stages' own nodes run, from augmentation to screening, with every result kept in memory. Nothing
is saved: no version, no run record. Only labels that are timed enter the label store, where the
campaign finds them again.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from potwright.campaign.table import NOTHING, plain_table, wide_console
from potwright.logs import quiet_nodes
from potwright.pes import PESData
from potwright.pipeline_registry import register_pipelines
from potwright.pipelines.labelling import cost
from potwright.pipelines.labelling.nodes import compute_labels
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import Label, LabelFailure

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


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
    parameters
        Of the labelling stage.
    """

    iteration: int
    screened: PESData
    screened_out: pd.DataFrame
    in_store: frozenset[str]
    failed_before: frozenset[str]
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
        with quiet_nodes():
            catalog, pipeline = _in_memory(campaign, session)
            SequentialRunner().run(pipeline, catalog)
        plan = _read(campaign, catalog)
        if not len(plan.screened) and plan.screened_out.empty:
            console.print(
                f"Iteration {plan.iteration} of campaign {campaign.name}: nothing to label."
            )
            return
        _print_structures(console, campaign, plan)
        law, remaining = _time(plan, catalog, timed_labels)
    _print_time(console, plan, law, remaining)


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
    parameters = catalog["params:labelling"].load()
    results: dict[str, Label | LabelFailure] = {}
    if catalog["label_store"].exists():  # loading would make it
        level = parameters.engine.level_of_theory()
        stored = catalog["label_store"].load().look(screened.id.tolist(), level)
        results = {id: known.result for id, known in stored.items()}
    failures = {id: r.reason for id, r in results.items() if isinstance(r, LabelFailure)}
    return Plan(
        campaign.next_iteration()[0],
        screened,
        catalog["screened_out"].load(),
        in_store=frozenset(results.keys() - failures.keys()),
        failed_before=frozenset(i for i, r in failures.items() if r not in parameters.retry),
        parameters=parameters,
    )


def _time(plan: Plan, catalog: DataCatalog, count: int) -> tuple[cost.CostLaw | None, PESData]:
    """The law that timings follow, ``count`` further labels among them; what is left to compute."""
    todo = plan.to_compute
    rows = cost.choose_to_time(todo, count)
    if len(rows):
        compute_labels(todo[rows], catalog["label_store"].load(), plan.parameters)
    remaining = todo[np.setdiff1d(np.arange(len(todo)), rows)]
    if not catalog["label_store"].exists():
        return None, remaining
    store = catalog["label_store"].load()
    level, species = plan.parameters.engine.level_of_theory(), plan.screened.species
    return cost.fit_cost(*store.wall_times(level, species)), remaining


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


def _print_time(console: Console, plan: Plan, law: cost.CostLaw | None, remaining: PESData) -> None:
    if not len(remaining):
        console.print("Nothing is left to compute.")
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
        f"theory and of these elements: {law.prefactor:.2g} s × atoms^{law.exponent:.2f}{assumed}. "
        "What vacuum or a hard case costs beyond that is not in it."
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
