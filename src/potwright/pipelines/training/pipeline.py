"""The training pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.training import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Labels → labelled structures with their split → committee."""
    return Pipeline(
        [
            Node(
                nodes.merge_labels,
                [
                    "labelled_structures_previous",
                    "labels",
                    "params:training",
                    "params:campaign",
                    "params:seed",
                ],
                "labelled_structures",
                name="merge_labels",
            ),
            Node(
                nodes.train_committee,
                {
                    "labelled": "labelled_structures",
                    "workspace": "training_workspace",
                    "parameters": "params:training",
                    "campaign": "params:campaign",
                    "seed": "params:seed",
                    "committee_previous": "committee_previous",
                    "initial_committee": "initial_committee",
                },
                "committee",
                name="train_committee",
            ),
            Node(nodes.training_report, "committee", "training_report", name="training_report"),
        ],
        tags="training",
    )
