"""Nodes of the reporting pipeline.

Each makes one figure. What an iteration has not come to is empty, and the figure says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from potwright.descriptors import sorep
from potwright.descriptors.storage import kept
from potwright.iteration_reports import IterationReports
from potwright.pes import PESData
from potwright.pipelines.reporting import (
    counts,
    disagreement,
    learning_curves,
    page,
    parity,
    structures,
    style,
)
from potwright.pipelines.reporting import maps as mapping
from potwright.pipelines.reporting import threshold_maps as maps
from potwright.pipelines.reporting.parameters import ReportingParameters
from potwright.pipelines.reporting.style import Figure
from potwright.uncertainty import Predictions

History = Sequence[IterationReports]


class DescribedCommittee(Protocol):
    """What this stage asks of a committee."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What is known of it, such as what its members were trained on."""
        ...

    def __len__(self) -> int:
        """How many members it has."""
        ...

    def descriptors(self, pes: PESData) -> np.ndarray:
        """Invariant descriptors of all atoms of ``pes``, in its order."""
        ...


def draw_learning_curves(history: History) -> Figure:
    """Draw errors over iterations, with the spread of the members."""
    return learning_curves.draw_learning_curves(history)


def draw_parity(
    predictions: Predictions, labelled_structures: PESData, parameters: ReportingParameters
) -> Figure:
    """Draw predicted against reference values, and histograms of the errors."""
    return parity.draw_parity(predictions, labelled_structures, parameters.max_points)


def draw_disagreement(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled_structures: PESData,
    *,
    committee: DescribedCommittee,
    calibration: dict[str, Any],
    parameters: ReportingParameters,
) -> Figure:
    """Draw disagreement against error, with the lines and thresholds of the calibration."""
    return disagreement.draw_disagreement(
        predictions,
        predictions_previous,
        labelled_structures,
        calibration=calibration,
        record=committee.record,
        most_points=parameters.max_points,
    )


def draw_threshold_maps(threshold_maps: pd.DataFrame) -> Figure:
    """Draw what thresholds on disagreement find and miss."""
    return maps.draw_threshold_maps(threshold_maps)


def draw_structures(labelled_structures: PESData) -> Figure:
    """Draw the newest structure of each origin."""
    return structures.draw_structures(labelled_structures)


def draw_descriptor_map(
    committee: DescribedCommittee,
    labelled_structures: PESData,
    parameters: ReportingParameters,
    seed: int,
) -> Figure:
    """Map the labelled structures by the committee's own descriptors."""
    settings = parameters.descriptor_map
    if not settings.enabled:
        return style.nothing("Switched off (reporting.descriptor_map.enabled).")
    if not len(committee):
        return style.nothing("There is no committee yet.")

    def describe(pes: PESData) -> np.ndarray:
        return mapping.mean_over_atoms(committee.descriptors(pes), pes.offsets)

    return mapping.draw_map(labelled_structures, settings.max_structures, seed, describe)


def draw_sorep_map(
    labelled_structures: PESData, workspace: Path, parameters: ReportingParameters, seed: int
) -> Figure:
    """Map the labelled structures by the kinetic SOREP."""
    settings = parameters.sorep_map
    if not settings.enabled:
        return style.nothing("Switched off (reporting.sorep_map.enabled).")
    if find_spec("pyscf") is None:
        return style.nothing("It needs PySCF: pip install potwright[sorep].")
    length = sorep.Spectrum().points

    def describe(pes: PESData) -> np.ndarray:
        computed = partial(sorep.kinetic_sorep, executor=settings.executor)
        return kept(workspace / "kinetic_sorep.npz", pes, computed, length)

    return mapping.draw_map(labelled_structures, settings.max_structures, seed, describe)


def draw_selection(history: History, selected_structures: PESData) -> Figure:
    """Draw how many frames were explored, uncertain and selected, and why."""
    return counts.draw_selection(history, selected_structures)


def draw_labelling(history: History) -> Figure:
    """Draw what became of candidates for labels, and what they cost."""
    return counts.draw_labelling(history)


def draw_trajectories(history: History) -> Figure:
    """Draw how trajectories ended."""
    return counts.draw_trajectories(history)


def draw_timings(history: History) -> Figure:
    """Draw the wall time of stages and nodes."""
    return counts.draw_timings(history)


def write_report(history: History, **figures: Figure) -> str:
    """Put everything on one page of HTML that needs no network."""
    return page.write_page(history, figures)
