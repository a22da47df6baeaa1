"""Nodes of the evaluation stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from potwright.execution import ExecutorParameters
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation import calibration as calibrating
from potwright.pipelines.evaluation import selection as selecting
from potwright.pipelines.evaluation import verdict as deciding
from potwright.pipelines.evaluation.metrics import metrics_table
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.evaluation.threshold_maps import threshold_maps
from potwright.uncertainty import Predictions


class PredictingCommittee(Protocol):
    """What this stage asks of a committee."""

    @property
    def record(self) -> Mapping[str, Any]:
        """What is known of it, such as what its members were trained on."""
        ...

    def predict_stored(
        self,
        workspace: Path,
        structures: Sequence[PESData],
        executor: ExecutorParameters | None = None,
        device: str = "auto",
        *,
        atoms_per_batch: int | None = None,
    ) -> Predictions:
        """Member-wise predictions for all structures, each once; found again after a kill."""
        ...

    def descriptors(
        self, pes: PESData, executor: ExecutorParameters | None = None, device: str = "auto"
    ) -> np.ndarray:
        """Invariant descriptors of all atoms of ``pes``, in its order."""
        ...


def predict(
    committee: PredictingCommittee,
    labelled_structures: PESData,
    explored_structures: PESData,
    workspace: Path,
    parameters: EvaluationParameters,
) -> Predictions:
    """Let every member predict all labelled structures and explored frames, each once."""
    return committee.predict_stored(
        workspace,
        [labelled_structures, explored_structures],
        parameters.executor,
        parameters.device,
        atoms_per_batch=parameters.atoms_per_batch,
    )


def compute_metrics(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled_structures: PESData,
    committee: PredictingCommittee,
    campaign: CampaignParameters,
) -> pd.DataFrame:
    """Root mean square errors of the members and of their mean, by set and origin."""
    iteration = campaign.iteration_of(labelled_structures.iteration)
    return metrics_table(
        predictions, predictions_previous, labelled_structures, iteration, committee.record
    )


def calibrate(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled_structures: PESData,
    *,
    committee: PredictingCommittee,
    calibration_previous: dict[str, Any],
    parameters: EvaluationParameters,
    campaign: CampaignParameters,
    seed: int,
) -> dict[str, Any]:
    """Relate disagreement to the errors on labels that the committee has not been trained on."""
    return calibrating.calibrate(
        predictions,
        predictions_previous,
        labelled_structures,
        previous=calibration_previous,
        parameters=parameters,
        iteration=campaign.iteration_of(labelled_structures.iteration),
        seed=seed,
        record=committee.record,
    )


def map_thresholds(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled_structures: PESData,
    *,
    committee: PredictingCommittee,
    parameters: EvaluationParameters,
    campaign: CampaignParameters,
) -> pd.DataFrame:
    """Count what thresholds on disagreement find and miss, for committees of 2 to all members."""
    return threshold_maps(
        predictions,
        predictions_previous,
        labelled_structures,
        parameters=parameters,
        iteration=campaign.iteration_of(labelled_structures.iteration),
        record=committee.record,
    )


def judge(
    predictions: Predictions,
    explored_structures: PESData,
    labelled_structures: PESData,
    calibration: dict[str, Any],
    parameters: EvaluationParameters,
) -> pd.DataFrame:
    """Find the explored frames whose disagreement exceeds a calibrated threshold."""
    return selecting.judge(
        predictions, explored_structures, labelled_structures, calibration, parameters
    )


def select(
    explored_structures: PESData,
    judged_frames: pd.DataFrame,
    labelled_structures: PESData,
    calibration: dict[str, Any],
    *,
    committee: PredictingCommittee,
    predictions: Predictions,
    parameters: EvaluationParameters,
    campaign: CampaignParameters,
    seed: int,
) -> PESData:
    """Choose what to label next: an audit sample, then uncertain frames by the selection rule."""
    return selecting.select(
        explored_structures,
        judged_frames,
        labelled_structures,
        calibration,
        committee=committee,
        predictions=predictions,
        parameters=parameters,
        label_budget=campaign.label_budget,
        seed=seed,
    )


def decide(
    judged_frames: pd.DataFrame,
    selected_structures: PESData,
    labelled_structures: PESData,
    calibration: dict[str, Any],
    *,
    verdict_previous: dict[str, Any],
    parameters: EvaluationParameters,
    campaign: CampaignParameters,
) -> dict[str, Any]:
    """Say whether the campaign goes on, has converged, has nothing to label, or is stopped."""
    return deciding.decide(
        judged_frames,
        selected_structures,
        labelled_structures,
        calibration,
        previous=verdict_previous,
        parameters=parameters,
        campaign=campaign,
    )
