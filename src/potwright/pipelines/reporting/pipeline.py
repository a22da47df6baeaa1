"""The reporting pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.reporting import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """What the stages left → figures → one page."""
    history, labelled, reporting = (
        "iteration_reports",
        "labelled_structures",
        "params:reporting",
    )
    drawn = {
        "learning_curves": Node(
            nodes.draw_learning_curves,
            history,
            "learning_curves_figure",
            name="draw_learning_curves",
        ),
        "parity": Node(
            nodes.draw_parity,
            ["predictions", labelled, reporting],
            "parity_figure",
            name="draw_parity",
        ),
        "disagreement": Node(
            nodes.draw_disagreement,
            {
                "predictions": "predictions",
                "predictions_previous": "predictions_previous",
                "labelled_structures": labelled,
                "committee": "committee",
                "calibration": "calibration",
                "parameters": reporting,
            },
            "disagreement_figure",
            name="draw_disagreement",
        ),
        "threshold_rates": Node(
            nodes.draw_threshold_maps,
            "threshold_maps",
            "threshold_rates_figure",
            name="draw_threshold_maps",
        ),
        "structures": Node(
            nodes.draw_structures, labelled, "structures_figure", name="draw_structures"
        ),
        "descriptor_map": Node(
            nodes.draw_descriptor_map,
            ["committee", labelled, reporting, "params:seed"],
            "descriptor_map_figure",
            name="draw_descriptor_map",
        ),
        "sorep_map": Node(
            nodes.draw_sorep_map,
            [labelled, "reporting_workspace", reporting, "params:seed"],
            "sorep_map_figure",
            name="draw_sorep_map",
        ),
        "selection": Node(
            nodes.draw_selection,
            [history, "selected_structures"],
            "selection_figure",
            name="draw_selection",
        ),
        "labelling": Node(nodes.draw_labelling, history, "labelling_figure", name="draw_labelling"),
        "trajectories": Node(
            nodes.draw_trajectories, history, "trajectories_figure", name="draw_trajectories"
        ),
        "timings": Node(nodes.draw_timings, history, "timings_figure", name="draw_timings"),
    }
    page = Node(
        nodes.write_report,
        {"history": history} | {name: f"{name}_figure" for name in drawn},
        "report",
        name="write_report",
    )
    return Pipeline([*drawn.values(), page], tags="reporting")
