"""Many trajectories, each kept in the workspace under a name that says what it is."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms

from potwright.dynamics import (
    Bias,
    Conditions,
    Disagreement,
    Dispersed,
    Trajectory,
    Watch,
    read_trajectory,
)
from potwright.errors import InputError
from potwright.execution import run_tasks
from potwright.pes import PESData
from potwright.pipelines.exploration import biasing, watching
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.exploration.tasks import Gauge, Task, run_tasks_together
from potwright.potentials import Committee

logger = logging.getLogger(__name__)
FORMAT = 4  # changes when what is kept, or how it is computed, changes
RETRIES = 5
"""How often a trajectory whose worker was lost is gone on with: each time it comes further."""


@dataclass(frozen=True)
class Plan:
    """What is to be run in one iteration: n trajectories.

    Attributes
    ----------
    starts
        n labelled structures.
    conditions
        n temperatures and pressures.
    seeds
        n seeds, of momenta and thermostat.
    driver_draw
        In [0, 1): which member drives all of them.
    iteration
        Which iteration this is.
    """

    starts: PESData
    conditions: tuple[Conditions, ...]
    seeds: tuple[int, ...]
    driver_draw: float
    iteration: int

    def driver(self, members: int) -> int:
        """Index of the driving member."""
        return int(self.driver_draw * members)


@dataclass(frozen=True)
class Explored:
    """One entry of a plan and what came of it.

    Attributes
    ----------
    trajectory
        None if the potential failed on the start itself, or the worker was lost.
    failure
        Why there is none.
    driver
        Index of the driving member.
    """

    trajectory: Trajectory | None
    failure: str
    driver: int


class Guides(NamedTuple):
    """What the whole committee and the last calibration add: watches, and perhaps a bias."""

    watches: tuple[Watch, ...]
    bias: Bias | None


def run(
    plan: Plan,
    committee: Committee,
    workspace: Path,
    parameters: ExplorationParameters,
    calibration: Mapping[str, Any],
) -> list[Explored]:
    """Run what the workspace does not hold yet; results in the plan's order.

    What was interrupted goes on at its last checkpoint.

    Raises
    ------
    InputError
        If not one trajectory could be started.
    """
    driver = plan.driver(len(committee.members))
    guides = Guides(
        watching.watches(parameters.watch, committee, calibration),
        biasing.bias_of(parameters.bias, calibration),
    )
    tasks = _tasks(plan, committee, workspace, parameters, guides)
    missing = [task for task in tasks if not task.folder.exists()]
    for task in tasks:
        if task.folder.exists():  # killed between keeping the one and removing the other
            shutil.rmtree(task.checkpoint, ignore_errors=True)
    _announce(tasks, missing, driver)
    failures: dict[int, str] = {}
    size = parameters.trajectories_together
    groups = [missing[first : first + size] for first in range(0, len(missing), size)]
    for outcome in run_tasks(
        run_tasks_together,
        groups,
        parameters.executor,
        description="Molecular dynamics",
        retries=RETRIES,
        gauge=Gauge(missing),
    ):
        failures |= outcome.value or {}
        if outcome.error is not None:  # of the worker
            why = f"{outcome.error.kind}: {outcome.error.message}"
            failures |= {t.index: why for t in groups[outcome.index] if not t.folder.exists()}
    _report_failures(failures, len(tasks))
    return [
        Explored(
            None if task.index in failures else read_trajectory(task.folder),
            failures.get(task.index, ""),
            driver,
        )
        for task in tasks
    ]


def keys(
    plan: Plan, committee: Committee, parameters: ExplorationParameters, guides: Guides
) -> list[str]:
    """Names of the plan's trajectories, from all that decides what they are."""
    spread = [watch for watch in guides.watches if isinstance(watch, Disagreement)]
    members = committee.members
    common = {
        "format": FORMAT,
        "potential": _digest(members[plan.driver(len(members))].path),
        "schedule": asdict(parameters.schedule()),
        "engine": parameters.engine.model_dump(mode="json"),
        "dispersion": parameters.dispersion.model_dump(mode="json"),
        "moves": parameters.moves().model_dump(mode="json"),
        "watch": parameters.watch.model_dump(mode="json"),
        "ceilings": [dict(watch.ceilings) for watch in spread],
        "bias": asdict(guides.bias) if guides.bias else None,
        "members": [_digest(member.path) for member in members] if spread or guides.bias else [],
    }
    names = []
    for start, conditions, seed in zip(plan.starts.id, plan.conditions, plan.seeds, strict=True):
        content = {**common, "start": str(start), "conditions": asdict(conditions), "seed": seed}
        text = json.dumps(content, sort_keys=True)
        names.append(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
    return names


def _tasks(
    plan: Plan,
    committee: Committee,
    workspace: Path,
    parameters: ExplorationParameters,
    guides: Guides,
) -> list[Task]:
    """One for each trajectory of the plan."""
    driver = biasing.driver(committee, plan.driver(len(committee.members)), guides.bias)
    names = keys(plan, committee, parameters, guides)
    return [
        Task(
            folder=workspace / names[index],
            checkpoint=workspace / f".{names[index]}.checkpoint",
            index=index,
            start=Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
            potential=Dispersed(driver, parameters.dispersion),
            conditions=plan.conditions[index],
            schedule=parameters.schedule(),
            engine=parameters.engine,
            moves=parameters.moves(),
            watches=guides.watches,
            seed=plan.seeds[index],
            device=parameters.device,
            checkpoint_interval_steps=parameters.checkpoint_interval_steps,
        )
        for index, atoms in enumerate(plan.starts.to_atoms())
    ]


def _announce(tasks: Sequence[Task], missing: Sequence[Task], driver: int) -> None:
    interrupted = sum(task.checkpoint.exists() for task in missing)
    found = len(tasks) - len(missing)
    logger.info(
        "%d trajectories, driven by member %d%s%s",
        len(tasks),
        driver,
        f"; {found} found in the workspace" if found else "",
        f"; {interrupted} go on at their last checkpoint" if interrupted else "",
    )


def _digest(path: Path) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _report_failures(failures: dict[int, str], total: int) -> None:
    if not failures:
        return
    first = next(iter(failures.values()))
    if len(failures) == total:
        raise InputError(
            f"exploration: none of {total} trajectories could be started; the first says: {first}"
        )
    logger.warning("%d of %d trajectories failed; the first says: %s", len(failures), total, first)
