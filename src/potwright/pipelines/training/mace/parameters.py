"""Parameters of training by ``mace_run_train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from potwright.parameters import Parameters, unknown_key

if TYPE_CHECKING:
    from potwright.pipelines.training.trainer import MemberTask, Ran

LOSSES_WITH_STRESS = ("stress", "universal", "huber", "virials")


class MACETrainer(Parameters):
    """Training by ``mace_run_train``; its own settings pass through ``settings``.

    Attributes
    ----------
    epochs, optimiser_steps
        How long: passes over the training structures, or instead a number of optimiser steps.
    learning_rate_decay
        Fraction of the learning rate that is left at the end; None: MACE's own schedule.
    settings
        Any option of ``mace_run_train``.
    """

    packages: ClassVar[tuple[str, ...]] = ("mace-torch", "torch", "e3nn")
    model_file: ClassVar[str] = "member.model"
    start_kind: ClassVar[str] = "mace"
    methods: ClassVar[tuple[str, ...]] = ("naive", "multihead")

    type: Literal["mace"] = "mace"
    epochs: int = Field(default=500, ge=1)
    optimiser_steps: int | None = Field(default=None, ge=1)
    learning_rate_decay: float | None = Field(default=None, gt=0, le=1)
    settings: dict[str, Any] = Field(default_factory=dict)

    @field_validator("settings")
    @classmethod
    def _known(cls, settings: dict[str, Any]) -> dict[str, Any]:
        from potwright.pipelines.training.mace.settings import (
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

    @property
    def trains_stress(self) -> bool:
        """Whether the loss has a term for the stress; MACE's default, ``weighted``, has none."""
        return self.settings.get("loss", "weighted") in LOSSES_WITH_STRESS

    def foundation(self, name: str, folder: Path) -> Path:
        """A model file, or one of the models that MACE knows by name, which it fetches."""
        from potwright.pipelines.training.mace.start import foundation_file

        return foundation_file(name)

    def restartable(self, model: Path) -> Path:
        """A model file itself."""
        return model

    def species(self, model: Path) -> list[int]:
        """Atomic numbers that the model knows."""
        from potwright.pipelines.training.mace.start import known_species

        return known_species(model)

    def run(self, task: MemberTask, folder: Path) -> None:
        """Train in this folder, or go on from its checkpoint."""
        from potwright.pipelines.training.mace.run import run

        run(self, task, folder)

    def read_back(self, task: MemberTask, folder: Path) -> Ran:
        """What really ran, from MACE's own log and the model."""
        from potwright.pipelines.training.mace.log import read_back

        return read_back(self, task, folder)
