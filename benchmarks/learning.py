"""Does an iteration of active learning help, and more than random frames do?

For each seed: the demo's first iteration, then its second twice, once with the frames that were
selected and once with as many random ones (and the same audit sample). Committees are trained from
scratch for the same number of optimiser steps; errors are those on the test set of the first
iteration. Other than in the demo, training is long enough that what limits it is data and not the
number of steps, and the first structures are strained no more than dynamics strains them: what it
finds can then help them.

Run: python benchmarks/learning.py [--seeds 1 2 3] [--set training.trainer.optimiser_steps=1800]
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from omegaconf import OmegaConf

from potwright.datasets import StructuresDataset
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipeline_registry import register_pipelines
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.potentials import Committee
from potwright.quantum import LabelStore
from potwright.uncertainty import Predictions

PROJECT = Path(__file__).parents[1]
MODELS = {
    "augmentation": AugmentationParameters,
    "labelling": LabellingParameters,
    "training": TrainingParameters,
    "exploration": ExplorationParameters,
    "evaluation": EvaluationParameters,
}
# of the demo's parameters
CHANGES = [
    "augmentation.strain.max_compressive_strain=0.02",
    "augmentation.strain.max_tensile_strain=0.03",
    "training.trainer.settings.lr=0.02",
    "training.trainer.optimiser_steps=4000",
    "evaluation.error_thresholds.energy_mev_per_atom=10",
    "evaluation.error_thresholds.forces_mev_per_angstrom=100",
    "evaluation.error_thresholds.stress_mev_per_angstrom3=5",
]
FIRST_TEST = "test of first iteration"
ERRORS = {
    "members": "rmse_{}_members_mean_{}",
    "±": "rmse_{}_members_std_{}",
    "mean": "rmse_{}_committee_{}",
}
UNITS = {"energy": "mev_per_atom", "forces": "mev_per_angstrom", "stress": "mev_per_angstrom3"}


class Kept(MemoryDataset):
    """Stays in memory after the last node that needs it."""

    def _release(self) -> None:
        pass


class Loop:
    """The demo's pipelines on data in memory."""

    def __init__(self, seed: int, scratch: Path, store: Path, changes: list[str]):
        conf = OmegaConfigLoader(
            str(PROJECT / "conf"),
            base_env="base",
            default_run_env="demo",
            merge_strategy={"parameters": "soft"},
        )
        given = OmegaConf.merge(conf["parameters"], OmegaConf.from_dotlist([*CHANGES, *changes]))
        given = OmegaConf.to_container(given)
        structures = StructuresDataset(filepath=str(PROJECT / "data/01_raw/structures"))
        self.parameters = {
            name: model.model_validate(given[name]) for name, model in MODELS.items()
        }
        self.data: dict[str, Any] = {
            "initial_structures": structures.load(),
            "initial_trajectories": PESData.empty(),
            "initial_labels": PESData.empty(),
            "label_store": LabelStore(store),
            "training_workspace": scratch / "training",
            "exploration_workspace": scratch / "exploration",
            "evaluation_workspace": scratch / "evaluation" / "0",
            "labelled_structures_previous": PESData.empty(),
            "selected_structures_previous": PESData.empty(),
            "committee_previous": Committee(()),
            "initial_committee": Committee(()),
            "predictions_previous": Predictions.empty(),
            "calibration_previous": {},
            "verdict_previous": {},
            "params:seed": seed,
        }
        self._runs = 0

    def run(self, stages: list[str], iteration: int, **changes: Any) -> dict[str, Any]:
        """Everything that the stages leave, given what is there and ``changes``."""
        pipelines = register_pipelines()
        pipeline = sum((pipelines[name] for name in stages[1:]), start=pipelines[stages[0]])
        campaign = CampaignParameters(iteration=iteration, max_iterations=2)
        given = self.data | {f"params:{k}": v for k, v in self.parameters.items()}
        given |= {"params:campaign": campaign} | changes
        # a workspace forgets predictions of other committees, which stay in use here
        self._runs += 1
        given["evaluation_workspace"] = given["evaluation_workspace"].with_name(str(self._runs))
        for stage in ("training", "exploration", "evaluation"):
            given[f"{stage}_workspace"].mkdir(parents=True, exist_ok=True)
        kept = {name: Kept(copy_mode="assign") for name in pipeline.all_outputs()}
        inputs = {n: MemoryDataset(given[n], copy_mode="assign") for n in pipeline.inputs()}
        SequentialRunner().run(pipeline, DataCatalog(inputs | kept))
        return {name: dataset.load() for name, dataset in kept.items()}


def errors(metrics: pd.DataFrame) -> dict[str, float]:
    """Errors on the test set of the first iteration."""
    rows = metrics[(metrics["set"] == FIRST_TEST) & (metrics["origin"] == "all")]
    row = rows.iloc[0]
    return {
        f"{name} {kind}": row[key.format(name, unit)]
        for name, unit in UNITS.items()
        for kind, key in ERRORS.items()
    }


def one_seed(seed: int, scratch: Path, store: Path, changes: list[str]) -> list[dict[str, Any]]:
    """The first iteration, and the second with selected and with random frames."""
    loop = Loop(seed, scratch / str(seed), store, changes)
    stages = list(MODELS)
    first = loop.run(stages, 1)
    steps = first["committee"].record["training"][0]["optimiser_steps"]
    labels = int(first["labelled_structures"].has_labels.sum())
    start = {"seed": seed, "labels": labels, "steps": steps, **errors(first["metrics"])}
    rows = [{"arm": "iteration 1", **start}]
    print(pd.DataFrame(rows).round(1).to_string(index=False), flush=True)
    evaluation = loop.parameters["evaluation"]
    control = evaluation.model_copy(
        update={
            "selection": type(evaluation)
            .model_validate(
                {
                    "selection": {
                        "type": "random_control",
                        "max_selected": evaluation.selection.max_selected,
                    }
                }
            )
            .selection
        }
    )
    # stages' names for what the previous iteration left
    before = {
        f"{name}_previous": first[name]
        for name in ("labelled_structures", "predictions", "calibration", "verdict")
    }
    for arm, parameters in (("selected", evaluation), ("random", control)):
        again = {
            name: first[name]
            for name in ("committee", "labelled_structures", "explored_structures")
        }
        chosen = loop.run(["evaluation"], 1, **again, **{"params:evaluation": parameters})[
            "selected_structures"
        ]
        second = loop.run(
            ["labelling", "training"],
            2,
            **before,
            augmented_structures=first["augmented_structures"],
            selected_structures_previous=chosen,
        )
        measured = loop.run(
            ["evaluation"],
            2,
            **before,
            explored_structures=PESData.empty(),
            committee=second["committee"],
            labelled_structures=second["labelled_structures"],
        )
        steps = second["committee"].record["training"][0]["optimiser_steps"]
        labels = int(second["labelled_structures"].has_labels.sum())
        end = {"seed": seed, "labels": labels, "steps": steps, **errors(measured["metrics"])}
        rows.append({"arm": arm, **end})
        print(pd.DataFrame(rows[-1:]).round(1).to_string(index=False), flush=True)
    uncertain = first["verdict"]["uncertain_fraction"]
    print(f"seed {seed}: uncertain after iteration 1: {uncertain}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--store", type=Path, default=PROJECT / "data/03_primary/labels.db")
    parser.add_argument("--scratch", type=Path, help="keep members and trajectories there")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        scratch = arguments.scratch or Path(folder)
        seeds = arguments.seeds
        store, changes = arguments.store, arguments.changes
        rows = [row for seed in seeds for row in one_seed(seed, scratch, store, changes)]
    table = pd.DataFrame(rows)
    print(table.round(1).to_string(index=False))
    forces = table.pivot(index="seed", columns="arm", values="forces members")
    for arm in ("selected", "random"):
        change = (forces[arm] / forces["iteration 1"] - 1) * 100
        told = ", ".join(f"{value:+.0f} %" for value in change)
        print(f"forces, first test set, members' mean, {arm} frames: {told}")


if __name__ == "__main__":
    main()
