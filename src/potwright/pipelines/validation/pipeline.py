"""The validation pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.validation import nodes

TESTS = {
    "equations_of_state": nodes.measure_equations_of_state,
    "elastic_constants": nodes.measure_elastic_constants,
    "phonons": nodes.measure_phonons,
    "defects": nodes.measure_defects,
    "interlayer_binding": nodes.measure_interlayer_binding,
    "generalisation": nodes.measure_generalisation,
    "melt_quench": nodes.measure_melt_quench,
    "alloys": nodes.measure_alloys,
}
FURTHER_INPUTS = {
    "generalisation": ["unseen_structures"],
    "melt_quench": ["params:seed"],
    "alloys": ["params:seed"],
}


def create_pipeline(**_: Any) -> Pipeline:
    """Potentials and reference → tests → a table and curves."""
    parameters, opened, surfaces = "params:validation", "opened_surfaces", "compared_surfaces"
    return Pipeline(
        [
            Node(
                nodes.open_surfaces,
                ["committee", "label_store", "params:labelling.engine", parameters],
                opened,
                name="open_surfaces",
            ),
            Node(
                nodes.verify_tests,
                [opened, "unseen_structures", "params:seed", parameters],
                surfaces,
                name="verify_tests",
            ),
            *(
                Node(
                    function,
                    [surfaces, *FURTHER_INPUTS.get(name, []), parameters],
                    f"measured_{name}",
                    name=function.__name__,
                )
                for name, function in TESTS.items()
            ),
            Node(
                nodes.collect_validation,
                [f"measured_{name}" for name in TESTS],
                ["validation_report", "validation_results"],
                name="collect_validation",
            ),
        ],
        tags="validation",
    )
