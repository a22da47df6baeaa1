"""The labelling pipeline, and that of labelling again at another level of theory."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.labelling import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Candidates → screening → calculations → labels and a report."""
    parameters = "params:labelling"
    augmented, labelled = "augmented_structures", "labelled_structures_previous"
    brought, known = "brought_labels", "known_labels"
    return Pipeline(
        [
            Node(
                nodes.take_initial_labels,
                ["initial_labels", labelled, parameters, "params:campaign"],
                [brought, known],
                name="take_initial_labels",
            ),
            Node(
                nodes.choose_candidates,
                [
                    augmented,
                    "selected_structures_previous",
                    known,
                    parameters,
                    "params:campaign",
                ],
                "labelling_candidates",
                name="choose_candidates",
            ),
            Node(
                nodes.screen_candidates,
                ["labelling_candidates", augmented, known, parameters],
                ["screened_candidates", "screened_out"],
                name="screen_candidates",
            ),
            Node(
                nodes.compute_labels,
                ["screened_candidates", "label_store", parameters],
                "labelling_outcomes",
                name="compute_labels",
            ),
            Node(
                nodes.collect_labels,
                ["screened_candidates", "labelling_outcomes", brought],
                "labels",
                name="collect_labels",
            ),
            Node(
                nodes.report_labelling,
                ["screened_candidates", "screened_out", "labelling_outcomes"],
                "labelling_report",
                name="report_labelling",
            ),
            Node(
                nodes.summarise_labelling,
                "labelling_report",
                "labelling_summary",
                name="summarise_labelling",
            ),
        ],
        tags="labelling",
    )


def create_relabelling_pipeline(**_: Any) -> Pipeline:
    """Labelled structures → calculations at another level → a dataset of its own."""
    parameters, candidates = "params:labelling", "relabelling_candidates"
    outcomes = "relabelling_outcomes"
    return Pipeline(
        [
            Node(
                nodes.choose_to_relabel,
                ["labelled_structures", parameters],
                candidates,
                name="choose_to_relabel",
            ),
            Node(
                nodes.relabel,
                [candidates, "label_store", parameters],
                outcomes,
                name="relabel",
            ),
            Node(
                nodes.collect_relabelled,
                [candidates, outcomes],
                "relabelled_structures",
                name="collect_relabelled",
            ),
            Node(
                nodes.report_relabelling,
                [candidates, outcomes],
                "relabelling_report",
                name="report_relabelling",
            ),
        ],
        tags="relabelling",
    )
