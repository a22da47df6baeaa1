"""How the YAML files become parameters: merged block by block, and checked as a whole."""

from __future__ import annotations

from collections.abc import MutableMapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

from kedro.config import OmegaConfigLoader
from pydantic import model_validator

from potwright.parameters import Parameters
from potwright.parameters_campaign import CampaignParameters
from potwright.pipelines.augmentation.parameters import AugmentationParameters
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.pipelines.reporting.parameters import ReportingParameters
from potwright.pipelines.training.parameters import TrainingParameters
from potwright.pipelines.validation.parameters import ValidationParameters


class ProjectParameters(Parameters):
    """All parameters of a project: its one validation names every mistake by its whole key."""

    seed: int
    campaign: CampaignParameters = CampaignParameters()
    augmentation: AugmentationParameters = AugmentationParameters()
    labelling: LabellingParameters = LabellingParameters()
    training: TrainingParameters = TrainingParameters()
    exploration: ExplorationParameters = ExplorationParameters()
    evaluation: EvaluationParameters = EvaluationParameters()
    reporting: ReportingParameters = ReportingParameters()
    validation: ValidationParameters = ValidationParameters()

    @model_validator(mode="after")
    def _dispersion_counts_once(self) -> Self:
        added, labels = self.exploration.dispersion.type, self.labelling.engine
        if added != "none" and labels.includes_dispersion:
            raise ValueError(
                f"exploration.dispersion.type = {added!r}: labels of labelling.engine.type = "
                f"{labels.type!r} contain dispersion, which the potentials learn; added again it "
                "would count twice. Use none, or an engine whose labels lack it"
            )
        return self


class ConfigLoader(OmegaConfigLoader):
    """Kedro's loader, for blocks that have a ``type``.

    An overlay that sets one key of a block keeps the others. An overlay that names another type
    begins the block anew: the keys of the first type mean nothing to the second. Files are read
    once: Kedro asks a dozen times in a run, which takes longer than all else at its start.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        self._read: dict[tuple[str, str, str], dict[str, Any]] = {}
        super().__init__(*args, **kwargs)

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The configuration of a kind, a copy of one's own."""
        if key in self:  # set from outside
            return super().__getitem__(key)
        place = (key, repr(self.env), repr(self.runtime_params))
        if place not in self._read:
            self._read[place] = super().__getitem__(key)
        return deepcopy(self._read[place])

    @staticmethod
    def _soft_merge(
        config: dict[str, Any], env_config: dict[str, Any], env_path: str | None = None
    ) -> Any:
        _forget_other_types(config, env_config)
        return OmegaConfigLoader._soft_merge(config, env_config, env_path)

    def _merge_and_resolve(self, key: str, config_per_file: dict[Path, Any]) -> dict[str, Any]:
        if key == "parameters":  # which --params are merged into, file by file
            for config in config_per_file.values():
                _forget_other_types(config, self.runtime_params or {})
        return super()._merge_and_resolve(key, config_per_file)


def _forget_other_types(
    config: MutableMapping[Any, Any], overlay: MutableMapping[Any, Any]
) -> None:
    """Empty the blocks of ``config`` for which ``overlay`` names another type."""
    for key, new in overlay.items():
        old = config.get(key)
        if not (isinstance(new, MutableMapping) and isinstance(old, MutableMapping)):
            continue
        if "type" in new and "type" in old and new["type"] != old["type"]:
            old.clear()
        else:
            _forget_other_types(old, new)
