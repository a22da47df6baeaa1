"""The augmentation pipeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline

from potwright.pes import PESData
from potwright.pipelines.augmentation import nodes

PARAMETERS, SEED = "params:augmentation", "params:seed"


def create_pipeline(**_: Any) -> Pipeline:
    """Inputs → supercells → distorted copies, and what else is made → augmented structures."""
    return Pipeline(
        [
            _strategy(
                nodes.check_inputs,
                ["initial_structures", "initial_trajectories", "initial_labels"],
                "checked_inputs",
            ),
            _strategy(nodes.add_vacuum, ["checked_inputs"], "prepared_inputs"),
            _strategy(nodes.build_supercells, ["prepared_inputs"], "supercells"),
            _strategy(nodes.make_copies, ["supercells"], "copies"),
            _strategy(nodes.strain_copies, ["copies"], "strained_copies", SEED),
            _strategy(nodes.rattle_copies, ["strained_copies"], "rattled_copies", SEED),
            _strategy(nodes.remove_atoms, ["rattled_copies"], "distorted_copies", SEED),
            _strategy(nodes.grow_clusters, ["prepared_inputs"], "clusters", SEED),
            _strategy(nodes.cut_slabs, ["prepared_inputs"], "slabs"),
            _strategy(
                nodes.swap_atoms,
                ["supercells", "distorted_copies", "slabs"],
                "substitutions",
                SEED,
            ),
            _strategy(nodes.mix_alloys, ["supercells", "distorted_copies"], "alloys", SEED),
            _strategy(nodes.search_at_random, ["prepared_inputs"], "random_crystals", SEED),
            _strategy(nodes.choose_frames, ["initial_trajectories"], "trajectory_frames"),
            _strategy(
                nodes.add_isolated_atoms,
                ["prepared_inputs", "alloys", "random_crystals", "trajectory_frames"],
                "isolated_atoms",
            ),
            Node(
                nodes.collect_structures,
                [
                    "supercells",
                    "distorted_copies",
                    "clusters",
                    "slabs",
                    "substitutions",
                    "alloys",
                    "random_crystals",
                    "trajectory_frames",
                    "isolated_atoms",
                ],
                "augmented_structures",
                name="collect_structures",
            ),
        ],
        tags="augmentation",
    )


def _strategy(
    function: Callable[..., PESData], structures: list[str], output: str, *further: str
) -> Node:
    """A node named like its function, which takes structures and parameters."""
    return Node(function, [*structures, PARAMETERS, *further], output, name=function.__name__)
