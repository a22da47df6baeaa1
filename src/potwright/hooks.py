"""What happens around every Kedro run."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset

from potwright.configuration import ProjectParameters
from potwright.datasets.versioned import supply_missing
from potwright.errors import in_words
from potwright.execution.progress import keep_progress
from potwright.files import sha256
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.potentials.species import refuse_unknown
from potwright.run_records import PROGRESS, git_commit, merge_record, package_versions, runs_folder

logger = logging.getLogger(__name__)


class ParameterHooks:
    """Refuse wrong parameters before anything runs, all of them at once."""

    def __init__(self) -> None:
        self._parameters: ProjectParameters | None = None

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Validate everything; Kedro hands each stage its own block."""
        self._parameters = ProjectParameters.model_validate(context.config_loader["parameters"])

    @hook_impl
    def before_pipeline_run(self, pipeline: Any) -> None:
        """Refuse what is out of reach of the stages that are to run, at no cost.

        That is executors, a model that training shall start from, and programs that exploration
        needs.
        """
        stages = sorted(set().union(*(node.tags for node in pipeline.nodes)))
        blocks = [getattr(self._parameters, stage, None) for stage in stages]
        for executor in dict.fromkeys(getattr(block, "executor", None) for block in blocks):
            if executor is not None:
                executor.verify()
        if self._parameters is not None and "training" in stages:
            self._parameters.training.verify()
        if self._parameters is not None and "exploration" in stages:
            self._parameters.exploration.verify()


class SpeciesHooks:
    """Refuse species that the potentials to begin with do not know, before labels are paid for."""

    def __init__(self) -> None:
        self._training: TrainingParameters | None = None

    @hook_impl
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Find out whether what is labelled is to be trained, too."""
        trains = any("training" in node.tags for node in pipeline.nodes)
        self._training = catalog["params:training"].load() if trains else None

    @hook_impl
    def before_node_run(self, node: Any, catalog: Any, inputs: dict[str, Any]) -> None:
        """Ask the model to fine-tune, or the potentials that a campaign begins with."""
        candidates = inputs.get("screened_candidates")
        if self._training is None or node.name != "compute_labels" or candidates is None:
            return
        initial = catalog["initial_committee"].load()
        labelled = catalog["labelled_structures_previous"].load()
        species = sorted({*candidates.species, *labelled.species})
        if not initial:
            self._training.refuse_species(species)
        elif not catalog["committee_previous"].load():
            refuse_unknown(species, initial.species, "initial_committee")


class StartHooks:
    """Refuse starts of the exploration that cannot be, before labels are paid for."""

    def __init__(self) -> None:
        self._exploration: ExplorationParameters | None = None

    @hook_impl
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Find out whether anything is explored."""
        explores = any("exploration" in node.tags for node in pipeline.nodes)
        self._exploration = catalog["params:exploration"].load() if explores else None

    @hook_impl
    def before_node_run(self, node: Any, inputs: dict[str, Any]) -> None:
        """Look at the augmented set when it is about to be labelled."""
        augmented = inputs.get("augmented_structures")
        if self._exploration is not None and node.name == "choose_candidates" and augmented:
            self._exploration.refuse_augmented(augmented)


class MissingDataHooks:
    """Let the reporting pipeline run on what there is."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Supply what is not there as empty, unless a stage is to make it."""
        if {"reporting"} == set().union(*(node.tags for node in pipeline.nodes)):
            supply_missing(catalog, pipeline)


class LabelStoreHooks:
    """Refuse a label store that cannot be opened before anything runs, let alone is paid for."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Any, catalog: Any) -> None:
        """Open and close it, if the run will need it."""
        if "label_store" in pipeline.inputs():
            catalog["label_store"].load().close()


class RunRecordHooks:
    """Keep a record of every run."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._run = ""
        self._catalog: Any = None
        self._project = Path()
        self._campaign = ""
        self._parameters: dict[str, Any] = {}
        self._started: dict[str, float] = {}

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Remember where records go."""
        self._project = Path(context.project_path)
        self._campaign = context.config_loader["globals"]["campaign"]
        self._parameters = context.config_loader["parameters"]

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: Any) -> None:
        """Open the record."""
        self._catalog = catalog
        self._run = run_params.get("run_id") or run_params["session_id"]
        self._folder = runs_folder(self._project, self._campaign)
        keep_progress(self._folder.parent / PROGRESS, run=self._run)
        self._note(
            {
                "status": "running",
                "started": _now(),
                "env": run_params.get("env"),
                "pipelines": run_params.get("pipeline_names") or ["__default__"],
                "parameters": self._parameters,
                "runtime_parameters": run_params.get("runtime_params") or {},
                "git_commit": git_commit(self._project),
                "packages": package_versions(),
            }
        )

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        """Start the clock, and say what is running."""
        self._started[node.name] = time.perf_counter()
        self._note({"running": node.name, "running_since": _now()})

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        """Stop the clock."""
        seconds = round(time.perf_counter() - self._started[node.name], 3)
        stage = min(node.tags, default="")
        ran = {"stage": stage, "seconds": seconds, "inputs": node.inputs, "outputs": node.outputs}
        self._note({"nodes": {node.name: ran}, "running": None})

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str) -> None:
        """Note the version that was read; of the user's files the checksums."""
        from potwright.datasets.structures import StructuresDataset

        self._note_version("loaded", dataset_name)
        dataset = self._catalog[dataset_name] if self._catalog is not None else None
        if isinstance(dataset, StructuresDataset):
            files = {_below(self._project, file): sha256(file) for file in dataset.files()}
            self._note({"inputs": {dataset_name: files}})

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Note the version that was written."""
        self._note_version("saved", dataset_name)

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Close the record."""
        keep_progress(None)
        self._note({"status": "completed", "running": None, "ended": _now(), "error": None})

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Close the record with the reason."""
        keep_progress(None)
        self._note({"status": "failed", "running": None, "ended": _now(), "error": in_words(error)})

    def _note_version(self, what: str, name: str) -> None:
        dataset = self._catalog[name] if self._catalog is not None else None
        if isinstance(dataset, AbstractVersionedDataset) and dataset._exists():
            version = (
                dataset.resolve_load_version()
                if what == "loaded"
                else dataset.resolve_save_version()
            )
            self._note({what: {name: version}})

    def _note(self, news: dict[str, Any]) -> None:
        if self._folder is not None:
            merge_record(self._folder, self._run, news)


def _below(project: Path, file: Path) -> str:
    path = file.absolute()
    return str(path.relative_to(project) if path.is_relative_to(project) else path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
