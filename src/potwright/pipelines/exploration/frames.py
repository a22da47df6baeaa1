"""Frames of all trajectories as one dataset, and a table of the trajectories."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms

from potwright.dynamics import Collision, State, Trajectory, Volume, strain_of
from potwright.dynamics.watching import first_complaint
from potwright.pes import PESData
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.exploration.trajectories import Explored, Plan

logger = logging.getLogger(__name__)
UNPHYSICAL = (Collision(), Volume())
"""What no frame may be, whatever a trajectory was watched for."""


def collect(plan: Plan, explored: Sequence[Explored], parameters: ExplorationParameters) -> PESData:
    """All frames, unlabelled, each with its start as parent and the start's group and split.

    ``info`` of each frame holds ``trajectory`` (its index), ``temperature_kelvin`` and
    ``pressure_kbar`` (targets at its time; None for a pressure that nothing holds), ``time_fs``,
    ``ensemble``, ``engine``, ``dispersion``, ``driver`` (index of the member), ``seed``, the
    ``end_reason`` of its trajectory, and ``watch``, why it was kept out of turn, if it was. Frames
    that are unphysical, which happens where nobody watched, are marked ``sane: false``, and are
    never selected.
    """
    parts = [
        _frames(plan, index, outcome, outcome.trajectory, parameters)
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
    return _marked(different, plan.starts)


def table(
    plan: Plan, explored: Sequence[Explored], parameters: ExplorationParameters
) -> pd.DataFrame:
    """One row per trajectory: its start, its conditions, how far it came and why it ended."""
    starts = plan.starts
    rows: list[dict[str, Any]] = []
    for index, (atoms, outcome) in enumerate(zip(starts.to_atoms(), explored, strict=True)):
        first, last = (_targets(plan, index, progress, parameters) for progress in (0.0, 1.0))
        rows.append(
            {
                "trajectory": index,
                "start": starts.id[index],
                "origin": starts.origin[index],
                "split": starts.split[index],
                "formula": atoms.get_chemical_formula(),
                "n_atoms": len(atoms),
                "pbc": _periodicity(atoms),
                **first,
                **{f"final_{name}": value for name, value in last.items()},
                "driver": outcome.driver,
                "engine": parameters.engine.type,
                "dispersion": parameters.dispersion.type,
                "seed": plan.seeds[index],
                **_course(outcome),
            }
        )
    counts = Counter("completed" if r["completed"] else r["end_reason"].split(":")[0] for r in rows)
    logger.info("trajectories: %s", ", ".join(f"{n} {why}" for why, n in counts.most_common()))
    tried, accepted = (sum(r[f"moves_{what}"] for r in rows) for what in ("tried", "accepted"))
    if tried:
        logger.info(
            "%d of %d moves were accepted (%.0f %%)", accepted, tried, 100 * accepted / tried
        )
    return pd.DataFrame(rows)


def _frames(
    plan: Plan,
    index: int,
    outcome: Explored,
    trajectory: Trajectory,
    parameters: ExplorationParameters,
) -> PESData:
    start, schedule = plan.starts[index : index + 1], parameters.schedule()
    common = {
        "ensemble": trajectory.ensemble,
        "engine": parameters.engine.type,
        "dispersion": parameters.dispersion.type,
        "driver": outcome.driver,
        "seed": plan.seeds[index],
        "end_reason": trajectory.end_reason,
    }
    info = []
    for time, remark in zip(trajectory.times_fs.tolist(), trajectory.remarks, strict=True):
        progress = schedule.progress(round(time / schedule.timestep_fs))
        targets = _targets(plan, index, progress, parameters)
        known = {"trajectory": index, **targets, "time_fs": time, **common}
        info.append(known | ({"watch": remark} if remark else {}))
    return trajectory.frames.replace(
        origin="md",
        parent=start.id[0],
        group=start.group[0],
        split=start.split[0],
        source=start.source[0],
        iteration=plan.iteration,
        info=info,
    )


def _targets(
    plan: Plan, index: int, progress: float, parameters: ExplorationParameters
) -> dict[str, float | None]:
    """Temperature and pressure aimed at; None for a pressure that nothing holds."""
    targets = plan.conditions[index].at(progress)
    held = strain_of(parameters.engine.ensemble, plan.starts.pbc[index]) != "none"
    return {
        "temperature_kelvin": targets.temperature_kelvin,
        "pressure_kbar": targets.pressure_kbar if held else None,
    }


def _marked(frames: PESData, starts: PESData) -> PESData:
    """Frames, with ``sane: false`` in the info of those that are unphysical, and why."""
    info, first = list(frames.info), starts.to_atoms(engine_pbc=True)
    start_of = starts.index_of(frames.parent)
    for i, atoms in enumerate(frames.to_atoms(engine_pbc=True)):
        state = State(atoms, first[start_of[i]], 0, 0.0, 0.0, 0.0)
        complaint = first_complaint(UNPHYSICAL, state, frame=True)
        if complaint:
            info[i] = {**info[i], "sane": False, "unphysical": complaint.reason}
    count = sum("unphysical" in one for one in info)
    if count:
        logger.warning(
            "%d of %d frames are unphysical and will not be selected", count, len(frames)
        )
    return frames.replace(info=info)


def _course(outcome: Explored) -> dict[str, Any]:
    trajectory = outcome.trajectory
    if trajectory is None:
        return {
            "ensemble": "",
            "steps": 0,
            "frames": 0,
            "completed": False,
            "end_reason": f"failed: {outcome.failure}",
            "watch": "",
            "moves_tried": 0,
            "moves_accepted": 0,
            "seconds": np.nan,
            "steps_per_second": np.nan,
        }
    return {
        "ensemble": trajectory.ensemble,
        "steps": trajectory.steps,
        "frames": len(trajectory.frames),
        "completed": trajectory.completed,
        "end_reason": trajectory.end_reason,
        "watch": next(filter(None, trajectory.remarks), ""),
        "moves_tried": trajectory.moves_tried,
        "moves_accepted": trajectory.moves_accepted,
        "seconds": round(trajectory.seconds, 3),
        "steps_per_second": round(trajectory.steps_per_second, 2),
    }


def _periodicity(atoms: Atoms) -> str:
    return "".join("T" if periodic else "F" for periodic in atoms.pbc)
