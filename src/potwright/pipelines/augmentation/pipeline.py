"""The augmentation pipeline."""

from __future__ import annotations

from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pipelines.augmentation import nodes


def create_pipeline(**_: Any) -> Pipeline:
    """Inputs → supercells → distorted copies, and what is added to them → augmented structures."""
    parameters, seed = "params:augmentation", "params:seed"
    return Pipeline(
        [
            Node(
                nodes.prepare_inputs,
                ["initial_structures", parameters],
                "prepared_inputs",
                name="prepare_inputs",
            ),
            Node(
                nodes.build_supercells,
                ["prepared_inputs", parameters],
                "supercells",
                name="build_supercells",
            ),
            Node(nodes.make_copies, ["supercells", parameters], "copies", name="make_copies"),
            Node(
                nodes.strain_copies,
                ["copies", parameters, seed],
                "strained_copies",
                name="strain_copies",
            ),
            Node(
                nodes.rattle_copies,
                ["strained_copies", parameters, seed],
                "rattled_copies",
                name="rattle_copies",
            ),
            Node(
                nodes.remove_atoms,
                ["rattled_copies", parameters, seed],
                "distorted_copies",
                name="remove_atoms",
            ),
            Node(
                nodes.search_at_random,
                ["prepared_inputs", parameters, seed],
                "random_crystals",
                name="search_at_random",
            ),
            Node(
                nodes.choose_frames,
                ["initial_trajectories", parameters],
                "trajectory_frames",
                name="choose_frames",
            ),
            Node(
                nodes.add_isolated_atoms,
                ["prepared_inputs", "random_crystals", "trajectory_frames", parameters],
                "isolated_atoms",
                name="add_isolated_atoms",
            ),
            Node(
                nodes.collect_structures,
                [
                    "supercells",
                    "distorted_copies",
                    "isolated_atoms",
                    "random_crystals",
                    "trajectory_frames",
                ],
                "augmented_structures",
                name="collect_structures",
            ),
        ],
        tags="augmentation",
    )
