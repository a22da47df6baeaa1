"""Parameters of training by ``mace_run_train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from potwright.parameters import Parameters, unknown_key

if TYPE_CHECKING:
    from potwright.pipelines.training.trainer import MemberTask, Ran

LOSSES_WITH_STRESS = ("stress", "universal", "huber", "virials")


def refuse_no_stage_two(settings: Mapping[str, Any], epochs: int) -> None:
    """Refuse stage two (``swa``) where training ends before it begins.

    MACE then trains without it, and says so in its log only.

    Raises
    ------
    ValueError
        With both numbers.
    """
    if not settings.get("swa"):
        return
    given = settings.get("start_swa")
    begins = max(1, epochs // 4 * 3) if given is None else int(given)  # the first is MACE's default
    if begins >= epochs:
        raise ValueError(
            f"settings.swa: stage two begins after {begins} epochs (`start_swa`), and training "
            f"ends after {epochs}; train longer, or begin it earlier"
        )


class MACETrainer(Parameters):
    """Training by ``mace_run_train``; its own settings pass through ``settings``.

    Attributes
    ----------
    epochs, optimiser_steps
        How long: passes over the training structures, or instead a number of optimiser steps.
    learning_rate_decay
        Fraction of the learning rate that is left at the end; None: MACE's own schedule.
    settings
        Any option of ``mace_run_train``. With ``swa`` the member is the model of stage two.
    """

    packages: ClassVar[tuple[str, ...]] = ("mace-torch", "torch", "e3nn")
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

    @model_validator(mode="after")
    def _stage_two_begins(self) -> Self:
        if self.optimiser_steps is None:
            refuse_no_stage_two(self.settings, self.epochs)
        return self

    @property
    def model_file(self) -> str:
        """The model that MACE leaves: that of stage two if there is one."""
        return "member_stagetwo.model" if self.settings.get("swa") else "member.model"

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
