"""Trajectories in folders: frames as HDF5, the rest as JSON; complete, or not there."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from potwright.dynamics.engine import Trajectory
from potwright.files import complete_or_absent
from potwright.pes import PESData

FRAMES = "frames.h5"
RECORD = "trajectory.json"


def write_trajectory(trajectory: Trajectory, folder: str | Path) -> None:
    """Write ``trajectory`` into ``folder``, which appears when it is complete."""
    record: dict[str, Any] = {}
    for entry in fields(trajectory):
        value = getattr(trajectory, entry.name)
        if entry.name != "frames":
            record[entry.name] = _json(value)
    with complete_or_absent(folder) as temporary:
        temporary.mkdir(parents=True, exist_ok=True)
        trajectory.frames.write(temporary / FRAMES)
        (temporary / RECORD).write_text(json.dumps(record, indent=1))


def read_trajectory(folder: str | Path) -> Trajectory:
    """Read what :func:`write_trajectory` wrote."""
    record = json.loads((Path(folder) / RECORD).read_text())
    record["remarks"] = tuple(record.get("remarks", ()))
    arrays = {
        name: np.array(value, dtype=float)
        for name, value in record.items()
        if isinstance(value, list)
    }
    return Trajectory(frames=PESData.read(Path(folder) / FRAMES), **{**record, **arrays})


def _json(value: Any) -> Any:
    """Arrays as lists; JSON has no NaN, None stands for it."""
    if not isinstance(value, np.ndarray):
        return value
    return [None if np.isnan(number) else number for number in value.tolist()]
