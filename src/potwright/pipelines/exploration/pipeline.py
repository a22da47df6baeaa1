"""The exploration pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.exploration import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Starts and conditions → trajectories → frames and a report."""
    parameters, plan = "params:exploration", "exploration_plan"
    return Pipeline(
        [
            Node(
                nodes.choose_starts,
                [
                    "augmented_structures",
                    "labelled_structures",
                    parameters,
                    "params:campaign",
                    "params:seed",
                ],
                plan,
                name="choose_starts",
            ),
            Node(
                nodes.run_dynamics,
                ["committee", plan, "exploration_workspace", parameters, "calibration_previous"],
                "trajectories",
                name="run_dynamics",
            ),
            Node(
                nodes.collect_frames,
                [plan, "trajectories", parameters],
                "explored_structures",
                name="collect_frames",
            ),
            Node(
                nodes.exploration_report,
                [plan, "trajectories", parameters],
                "exploration_report",
                name="exploration_report",
            ),
        ],
        tags="exploration",
    )
