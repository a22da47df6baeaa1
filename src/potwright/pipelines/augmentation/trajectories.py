"""Frames of the user's own trajectories: some of each, as they are."""

from __future__ import annotations

import logging
import math
import re

import numpy as np

from potwright.geometry import complete_cell
from potwright.pes import PESData
from potwright.pipelines.augmentation.derivation import (
    LABEL_KEYS,
    Geometry,
    geometries,
    without_labels,
)
from potwright.pipelines.augmentation.inputs import check_inputs
from potwright.pipelines.augmentation.parameters import (
    AugmentationParameters,
    TrajectoryParameters,
)
from potwright.pipelines.augmentation.vacuum import INPUT_ID, add_vacuum

logger = logging.getLogger(__name__)

NOT_KEPT = (*LABEL_KEYS, "arrays", INPUT_ID)
"""Metadata that a frame leaves behind: labels, and velocities and other arrays of the run."""


def choose_frames(trajectories: PESData, augmentation: AugmentationParameters) -> PESData:
    """Some frames of each trajectory, with vacuum where it belongs, and otherwise as they are.

    Parameters
    ----------
    trajectories
        All frames, those of one file in order; ``source`` is the file, ``#`` and the frame.
    augmentation
        Which frames (``trajectories``), and the vacuum.

    Returns
    -------
    PESData
        Frames of origin ``trajectory``. All of one file are one group, so that a split never parts
        them. Labels are not taken over, since one dataset holds one level of theory.

    Raises
    ------
    InputError
        If the cell of a frame has no volume.
    """
    if not len(trajectories):
        return trajectories
    files = np.array([file_of(source) for source in trajectories.source.tolist()], dtype=str)
    chosen: list[int] = []
    for file in dict.fromkeys(files.tolist()):
        rows = np.flatnonzero(files == file)
        kept = _chosen(list(geometries(trajectories[rows])), augmentation.trajectories)
        logger.info("Trajectory %s: %d of %d frames", file, len(kept), len(rows))
        chosen += rows[kept].tolist()
    frames = trajectories[chosen]
    _report_labels(frames)
    group = [f"trajectory {file}" for file in files[chosen].tolist()]
    padded = _padded(frames, files[chosen], augmentation)
    info = [{k: v for k, v in info.items() if k not in NOT_KEPT} for info in padded.info]
    unlabelled = without_labels(len(padded.numbers)) | {"group": group}
    return padded.replace(origin="trajectory", info=info, **unlabelled)


def file_of(source: str) -> str:
    """The file that a frame is from; one with a single frame has no ``#`` and number."""
    return re.sub(r"#\d+$", "", source)


def _chosen(frames: list[Geometry], parameters: TrajectoryParameters) -> np.ndarray:
    """Which frames of one trajectory are taken, ascending."""
    kept = list(range(0, len(frames), parameters.every))
    if parameters.min_rms_displacement_angstrom is not None:
        distinct = kept[:1]
        for i in kept[1:]:
            moved = rms_displacement(frames[distinct[-1]], frames[i])
            if moved >= parameters.min_rms_displacement_angstrom:
                distinct.append(i)
        if len(distinct) < len(kept):
            logger.info("%d near-duplicates left out", len(kept) - len(distinct))
        kept = distinct
    if parameters.max_frames is not None and len(kept) > parameters.max_frames:
        spread = np.linspace(0, len(kept) - 1, parameters.max_frames)
        kept = [kept[i] for i in np.rint(spread).astype(int)]
    return np.array(kept)


def rms_displacement(before: Geometry, after: Geometry) -> float:
    """How far atoms have moved from one frame to the next, root mean square, Å.

    Displacements are differences of fractional coordinates in the new cell, along periodic axes to
    the nearest image, less their mean, so that a drift of the whole structure does not count. A
    change Δh of periodic lattice vectors adds Σ|Δh|²/12 to the mean square, which is what it does
    to atoms that fill the cell evenly. Infinity where the atoms or periodic axes are not the same.
    """
    same_atoms = np.array_equal(before.numbers, after.numbers)
    if not (same_atoms and np.array_equal(before.pbc, after.pbc)):
        return math.inf
    periodic = after.pbc
    old, new = (complete_cell(frame.cell * periodic[:, None]) for frame in (before, after))
    moved = after.positions @ np.linalg.inv(new) - before.positions @ np.linalg.inv(old)
    moved[:, periodic] -= np.rint(moved[:, periodic])
    moved = (moved - moved.mean(axis=0)) @ new
    return math.sqrt((moved**2).sum(axis=1).mean() + ((new - old)[periodic] ** 2).sum() / 12)


def _report_labels(frames: PESData) -> None:
    labelled = int(frames.has_labels.sum())
    if labelled:
        logger.info(
            "Trajectories: %d of %d frames bring labels, which are not taken over: labelling has "
            "one level of theory, and computes them",
            labelled,
            len(frames),
        )


def _padded(frames: PESData, files: np.ndarray, augmentation: AugmentationParameters) -> PESData:
    """With vacuum; a warning about an empty gap comes once a file rather than once a frame."""
    first = np.sort(np.unique(files, return_index=True)[1])
    crystals = frames[first[frames.pbc[first].all(axis=1)]]
    if len(crystals):
        check_inputs(crystals, augmentation)
    silent = augmentation.model_copy(update={"suspicious_gap_angstrom": math.inf})
    checked = check_inputs(frames, silent)
    if not augmentation.vacuum.enabled:
        return checked
    return add_vacuum(checked, augmentation.vacuum)
