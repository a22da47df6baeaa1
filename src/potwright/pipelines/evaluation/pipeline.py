"""The evaluation stage as a Kedro pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Pipeline, node

from potwright.pipelines.evaluation import nodes


def create_pipeline(**kwargs: Any) -> Pipeline:
    """Predict, measure, calibrate, select, decide."""
    evaluation, campaign, seed = "params:evaluation", "params:campaign", "params:seed"
    return Pipeline(
        [
            node(
                nodes.predict,
                ["committee", "labelled_structures", "explored_structures", evaluation],
                "predictions",
                name="predict",
            ),
            node(
                nodes.compute_metrics,
                ["predictions", "predictions_previous", "labelled_structures", campaign],
                "metrics",
                name="compute_metrics",
            ),
            node(
                nodes.calibrate,
                [
                    "predictions",
                    "predictions_previous",
                    "labelled_structures",
                    "calibration_previous",
                    evaluation,
                    campaign,
                    seed,
                ],
                "calibration",
                name="calibrate",
            ),
            node(
                nodes.judge,
                [
                    "predictions",
                    "explored_structures",
                    "labelled_structures",
                    "calibration",
                    evaluation,
                ],
                "judged_frames",
                name="judge",
            ),
            node(
                nodes.select,
                [
                    "explored_structures",
                    "judged_frames",
                    "labelled_structures",
                    "calibration",
                    evaluation,
                    campaign,
                    seed,
                ],
                "selected_structures",
                name="select",
            ),
            node(
                nodes.decide,
                [
                    "judged_frames",
                    "selected_structures",
                    "labelled_structures",
                    "calibration",
                    "verdict_previous",
                    evaluation,
                    campaign,
                ],
                "verdict",
                name="decide",
            ),
        ]
    )
