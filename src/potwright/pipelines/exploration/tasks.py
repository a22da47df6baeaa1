"""One trajectory as a worker gets it, and how far such tasks are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ase import Atoms

from potwright.dynamics import (
    Conditions,
    Disagreement,
    Driver,
    MDEngine,
    Moves,
    Schedule,
    Watch,
    write_trajectory,
)
from potwright.pipelines.exploration.watching import StepCounter
from potwright.potentials.meeting import run_together

STEPS = "steps"


@dataclass(frozen=True)
class Task:
    """One trajectory.

    Attributes
    ----------
    folder
        Where it is kept; there when it is finished.
    checkpoint
        Where it goes on from; there while it is not.
    index
        Its place in the plan.
    start, potential, conditions, schedule, engine, moves, watches, seed, device
    checkpoint_interval_steps
        As in :meth:`potwright.dynamics.MDEngine.run_trajectory`.
    """

    folder: Path
    checkpoint: Path
    index: int
    start: Atoms
    potential: Driver
    conditions: Conditions
    schedule: Schedule
    engine: MDEngine
    moves: Moves
    watches: tuple[Watch, ...]
    seed: int
    device: str
    checkpoint_interval_steps: int


def run_tasks_together(tasks: Sequence[Task]) -> dict[int, str]:
    """Run trajectories, or what is left of them, and keep them; happens in a worker.

    Several share their evaluations of the potential.

    Returns
    -------
    dict
        Why there is none, by the trajectory's place in the plan.
    """
    device = tasks[0].device
    if device == "auto":
        from potwright.potentials.devices import resolve_device

        device = resolve_device(device, tasks[0].index)
    missing = [task for task in tasks if not task.folder.exists()]
    raised = run_together([partial(run_task, task, device) for task in missing])
    return {
        task.index: f"{type(error).__name__}: {error}"
        for task, error in zip(missing, raised, strict=True)
        if error is not None
    }


def run_task(task: Task, device: str) -> None:
    """Run one trajectory, or what is left of it, and keep it."""
    counter = StepCounter(task.checkpoint / STEPS)
    trajectory = task.engine.run_trajectory(
        task.start,
        task.potential,
        task.conditions,
        task.schedule,
        seed=task.seed,
        moves=task.moves,
        watches=(
            *(w.on(device) if isinstance(w, Disagreement) else w for w in task.watches),
            counter,
        ),
        device=device,
        checkpoint=task.checkpoint,
        checkpoint_interval_steps=task.checkpoint_interval_steps,
    )
    write_trajectory(trajectory, task.folder)
    shutil.rmtree(task.checkpoint, ignore_errors=True)


@dataclass(frozen=True)
class Gauge:
    """How far tasks are, in steps; those that end early are done."""

    tasks: Sequence[Task]
    unit: str = "steps"

    @property
    def total(self) -> int:
        """Steps in all."""
        return sum(task.schedule.steps for task in self.tasks)

    def done(self) -> int:
        """Steps done, as far as is known."""
        return sum(map(self._steps, self.tasks))

    @staticmethod
    def _steps(task: Task) -> int:
        if task.folder.exists():
            return task.schedule.steps
        try:
            return int((task.checkpoint / STEPS).read_text())
        except (OSError, ValueError):  # not begun, or being written
            return 0
