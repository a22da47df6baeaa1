"""Frames of all trajectories as one dataset, and a table of the trajectories."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from potwright.dynamics import Trajectory
from potwright.pes import PESData
from potwright.pipelines.exploration.trajectories import Explored, Plan

logger = logging.getLogger(__name__)


def collect(plan: Plan, explored: Sequence[Explored], engine: str) -> PESData:
    """All frames, unlabelled, each with its start as parent and the start's group and split.

    ``info`` of each frame holds ``trajectory`` (its index), ``temperature_kelvin`` and
    ``pressure_kbar`` (targets), ``time_fs``, ``ensemble``, ``engine``, ``driver`` (index of the
    member), ``seed``, and the ``end_reason`` of its trajectory.
    """
    parts = [
        _frames(plan, index, outcome, outcome.trajectory, engine)
        for index, outcome in enumerate(explored)
        if outcome.trajectory is not None and len(outcome.trajectory.frames)
    ]
    if not parts:
        logger.warning("no trajectory has left a frame")
        return PESData.empty()
    frames = PESData.concatenate(parts)
    different = frames.drop_duplicates()
    if len(different) < len(frames):
        logger.info("%d frames equal others and are dropped", len(frames) - len(different))
    return different


def table(plan: Plan, explored: Sequence[Explored]) -> pd.DataFrame:
    """One row per trajectory: its start, its conditions, how far it came and why it ended."""
    starts = plan.starts
    rows: list[dict[str, Any]] = []
    for index, (atoms, outcome) in enumerate(zip(starts.to_atoms(), explored, strict=True)):
        rows.append(
            {
                "trajectory": index,
                "start": starts.id[index],
                "origin": starts.origin[index],
                "split": starts.split[index],
                "formula": atoms.get_chemical_formula(),
                "n_atoms": len(atoms),
                "pbc": _periodicity(atoms),
                "temperature_kelvin": plan.conditions[index].temperature_kelvin,
                "pressure_kbar": plan.conditions[index].pressure_kbar,
                "driver": outcome.driver,
                **_course(outcome),
            }
        )
    counts = Counter("completed" if r["completed"] else r["end_reason"].split(":")[0] for r in rows)
    logger.info("trajectories: %s", ", ".join(f"{n} {why}" for why, n in counts.most_common()))
    return pd.DataFrame(rows)


def _frames(
    plan: Plan, index: int, outcome: Explored, trajectory: Trajectory, engine: str
) -> PESData:
    start = plan.starts[index : index + 1]
    common = {
        "trajectory": index,
        "temperature_kelvin": plan.conditions[index].temperature_kelvin,
        "pressure_kbar": plan.conditions[index].pressure_kbar,
        "ensemble": trajectory.ensemble,
        "engine": engine,
        "driver": outcome.driver,
        "seed": plan.seeds[index],
        "end_reason": trajectory.end_reason,
    }
    return trajectory.frames.replace(
        origin="md",
        parent=start.id[0],
        group=start.group[0],
        split=start.split[0],
        source=start.source[0],
        iteration=plan.iteration,
        info=[{**common, "time_fs": float(time)} for time in trajectory.times_fs],
    )


def _course(outcome: Explored) -> dict[str, Any]:
    trajectory = outcome.trajectory
    if trajectory is None:
        return {
            "ensemble": "",
            "steps": 0,
            "frames": 0,
            "completed": False,
            "end_reason": f"failed: {outcome.failure}",
            "seconds": np.nan,
            "steps_per_second": np.nan,
        }
    return {
        "ensemble": trajectory.ensemble,
        "steps": trajectory.steps,
        "frames": len(trajectory.frames),
        "completed": trajectory.completed,
        "end_reason": trajectory.end_reason,
        "seconds": round(trajectory.seconds, 3),
        "steps_per_second": round(trajectory.steps_per_second, 2),
    }


def _periodicity(atoms: Atoms) -> str:
    return "".join("T" if periodic else "F" for periodic in atoms.pbc)
