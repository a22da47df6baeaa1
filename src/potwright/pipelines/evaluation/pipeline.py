"""The evaluation pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.evaluation import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Predictions → errors and calibration → selection and verdict."""
    labelled, explored, evaluation = (
        "labelled_structures",
        "explored_structures",
        "params:evaluation",
    )
    configured = {"parameters": evaluation, "campaign": "params:campaign"}
    return Pipeline(
        [
            Node(
                nodes.predict,
                ["committee", labelled, explored, "evaluation_workspace", evaluation],
                "predictions",
                name="predict",
            ),
            Node(
                nodes.compute_metrics,
                ["predictions", "predictions_previous", labelled, "committee", "params:campaign"],
                "metrics",
                name="compute_metrics",
            ),
            Node(
                nodes.calibrate,
                {
                    "predictions": "predictions",
                    "predictions_previous": "predictions_previous",
                    "labelled_structures": labelled,
                    "committee": "committee",
                    "calibration_previous": "calibration_previous",
                    "seed": "params:seed",
                    **configured,
                },
                "calibration",
                name="calibrate",
            ),
            Node(
                nodes.map_thresholds,
                {
                    "predictions": "predictions",
                    "predictions_previous": "predictions_previous",
                    "labelled_structures": labelled,
                    "committee": "committee",
                    **configured,
                },
                "threshold_maps",
                name="map_thresholds",
            ),
            Node(
                nodes.judge,
                ["predictions", explored, labelled, "calibration", evaluation],
                "judged_frames",
                name="judge",
            ),
            Node(
                nodes.select,
                {
                    "committee": "committee",
                    "predictions": "predictions",
                    "explored_structures": explored,
                    "judged_frames": "judged_frames",
                    "labelled_structures": labelled,
                    "calibration": "calibration",
                    "seed": "params:seed",
                    **configured,
                },
                "selected_structures",
                name="select",
            ),
            Node(
                nodes.decide,
                {
                    "judged_frames": "judged_frames",
                    "selected_structures": "selected_structures",
                    "labelled_structures": labelled,
                    "calibration": "calibration",
                    "verdict_previous": "verdict_previous",
                    **configured,
                },
                "verdict",
                name="decide",
            ),
        ],
        tags="evaluation",
    )
