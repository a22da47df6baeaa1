"""Many trajectories, each kept in the workspace under a name that says what it is."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ase import Atoms

from potwright.dynamics import (
    Conditions,
    Driver,
    MDEngine,
    Schedule,
    Trajectory,
    Watch,
    read_trajectory,
    write_trajectory,
)
from potwright.errors import InputError
from potwright.execution import run_tasks
from potwright.pes import PESData
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.potentials import Committee, Potential

logger = logging.getLogger(__name__)
FORMAT = 1  # changes when what is kept, or how it is computed, changes


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


@dataclass(frozen=True)
class Task:
    """One trajectory, as a worker gets it."""

    folder: Path
    index: int
    start: Atoms
    potential: Driver
    conditions: Conditions
    schedule: Schedule
    engine: MDEngine
    watches: tuple[Watch, ...]
    seed: int
    device: str


def run(
    plan: Plan, committee: Committee, workspace: Path, parameters: ExplorationParameters
) -> list[Explored]:
    """Run what the workspace does not hold yet; results in the plan's order.

    Raises
    ------
    InputError
        If not one trajectory could be started.
    """
    driver = plan.driver(len(committee.members))
    potential = committee.members[driver]
    folders = [workspace / key for key in keys(plan, potential, parameters)]
    tasks = [
        task for task in _tasks(plan, potential, folders, parameters) if not task.folder.exists()
    ]
    logger.info(
        "%d trajectories, driven by member %d%s",
        len(folders),
        driver,
        f"; {len(folders) - len(tasks)} found in the workspace"
        if len(tasks) < len(folders)
        else "",
    )
    failures: dict[int, str] = {}
    for outcome in run_tasks(
        run_task, tasks, parameters.executor, description="Molecular dynamics"
    ):
        if outcome.error is not None:
            failures[tasks[outcome.index].index] = f"{outcome.error.kind}: {outcome.error.message}"
    _report_failures(failures, len(folders))
    return [
        Explored(None if i in failures else read_trajectory(folder), failures.get(i, ""), driver)
        for i, folder in enumerate(folders)
    ]


def run_task(task: Task) -> None:
    """Run one trajectory and keep it; happens in a worker."""
    device = task.device
    if device == "auto":
        from potwright.potentials.devices import resolve_device

        device = resolve_device(device, task.index)
    trajectory = task.engine.run_trajectory(
        task.start,
        task.potential,
        task.conditions,
        task.schedule,
        seed=task.seed,
        watches=task.watches,
        device=device,
    )
    write_trajectory(trajectory, task.folder)


def keys(plan: Plan, potential: Potential, parameters: ExplorationParameters) -> list[str]:
    """Names of the plan's trajectories, from all that decides what they are."""
    common = {
        "format": FORMAT,
        "potential": _digest(potential.path),
        "schedule": asdict(parameters.schedule()),
        "engine": parameters.engine.model_dump(mode="json"),
        "watch": parameters.watch.model_dump(mode="json"),
    }
    names = []
    for start, conditions, seed in zip(plan.starts.id, plan.conditions, plan.seeds, strict=True):
        content = {**common, "start": str(start), "conditions": asdict(conditions), "seed": seed}
        text = json.dumps(content, sort_keys=True)
        names.append(hashlib.blake2b(text.encode(), digest_size=16).hexdigest())
    return names


def _tasks(
    plan: Plan, potential: Driver, folders: Sequence[Path], parameters: ExplorationParameters
) -> Iterable[Task]:
    for index, atoms in enumerate(plan.starts.to_atoms()):
        yield Task(
            folder=folders[index],
            index=index,
            start=Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
            potential=potential,
            conditions=plan.conditions[index],
            schedule=parameters.schedule(),
            engine=parameters.engine,
            watches=parameters.watch.watches(),
            seed=plan.seeds[index],
            device=parameters.device,
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
