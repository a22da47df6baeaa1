"""Parameters of the training stage."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Parameters, unknown_key


class SplitParameters(Parameters):
    """Which fractions of the labelled structures train, validate and test."""

    training: float = Field(default=0.8, gt=0, lt=1)
    validation: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        total = self.training + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the three fractions must add up to 1, not to {total:g}")
        return self


class MACETrainer(Parameters):
    """Training by ``mace_run_train``; its own settings pass through ``settings``."""

    type: Literal["mace"] = "mace"
    epochs: int = Field(default=500, ge=1)
    optimiser_steps: int | None = Field(default=None, ge=1)
    learning_rate_decay: float | None = Field(default=None, gt=0, le=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("settings")
    @classmethod
    def _known(cls, settings: dict[str, Any]) -> dict[str, Any]:
        from potwright.pipelines.training.mace_settings import (
            OWN_SETTINGS,
            check_values,
            known_settings,
        )

        own = sorted(set(settings) & set(OWN_SETTINGS))
        if own:
            raise ValueError(f"{own[0]!r} is set by Potwright itself ({OWN_SETTINGS[own[0]]})")
        if settings:
            known = known_settings()
            unknown = [name for name in settings if name not in known]
            if unknown:
                nearest = unknown_key(unknown[0], known).partition(" (allowed")[0]
                raise ValueError(f"{nearest} (allowed: the options of mace_run_train)")
            check_values(settings)
        return settings


class TrainingParameters(Parameters):
    """The committee, its data, and how it is trained."""

    members: int = Field(default=4, ge=2)
    split: SplitParameters = SplitParameters()
    trainer: MACETrainer = MACETrainer()
    executor: ExecutorParameters = LocalExecutor()
    device: str = "auto"
