"""Parameters of training by ``mtt train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from potwright.parameters import Parameters

if TYPE_CHECKING:
    from potwright.pipelines.training.trainer import MemberTask, Ran


class MetatrainTrainer(Parameters):
    """Training by ``mtt train``; the architecture's own settings pass through ``settings``.

    Attributes
    ----------
    architecture
        The kind of model.
    epochs, optimiser_steps
        How long: passes over the training structures, or instead a number of optimiser steps.
    stress
        Whether stress is trained, beside energies and forces.
    base_precision
        Bits of weights and data.
    settings
        Blocks ``model`` and ``training``: any setting of the architecture.
    llpr
        Blocks ``model`` and ``training`` of the wrapper ``llpr``, which gives each member an
        uncertainty of its own (Bigi et al., Mach. Learn.: Sci. Technol. 5, 045018, 2024); null: no
        wrapper.
    """

    packages: ClassVar[tuple[str, ...]] = ("metatrain", "metatomic-torch", "torch")
    model_file: ClassVar[str] = "model.pt"
    start_kind: ClassVar[str] = "metatrain checkpoint"

    type: Literal["metatrain"]
    architecture: Literal["soap_bpnn", "pet"]
    epochs: int = Field(default=100, ge=1)
    optimiser_steps: int | None = Field(default=None, ge=1)
    stress: bool = True
    base_precision: Literal[32, 64] = 32
    settings: dict[str, Any] = Field(default_factory=dict)
    llpr: dict[str, Any] | None = None

    @field_validator("settings", "llpr")
    @classmethod
    def _known(cls, settings: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        from potwright.pipelines.training.metatrain.schema import check_settings

        architecture = "llpr" if info.field_name == "llpr" else info.data.get("architecture")
        if architecture:  # else that is what is wrong
            check_settings(architecture, settings or {})
        return settings

    @model_validator(mode="after")
    def _steps_can_be_counted(self) -> Self:
        if self.optimiser_steps is not None and self.given("max_atoms_per_batch"):
            raise ValueError(
                "with `max_atoms_per_batch` batches differ in number from epoch to epoch, and "
                "`optimiser_steps` cannot be counted beforehand; give `epochs`"
            )
        return self

    def given(self, name: str) -> Any:
        """A setting of the training, metatrain's own default where there is none."""
        from potwright.pipelines.training.metatrain.schema import default

        given = self.settings.get("training", {})
        return given[name] if name in given else default(self.architecture, "training", name)

    @property
    def methods(self) -> tuple[str, ...]:
        """Ways to fine-tune: soap_bpnn goes on with all weights, pet has further ways."""
        return ("naive", "heads", "lora") if self.architecture == "pet" else ("naive",)

    @property
    def trains_stress(self) -> bool:
        """Whether the loss has a term for the stress."""
        return self.stress

    def foundation(self, name: str, folder: Path) -> Path:
        """A checkpoint of metatrain, or an address that it is fetched from."""
        from potwright.pipelines.training.metatrain.start import foundation_file

        return foundation_file(name, folder, self.architecture)

    def restartable(self, model: Path) -> Path:
        """The checkpoint beside an exported model."""
        return model.with_suffix(".ckpt")

    def species(self, model: Path) -> list[int]:
        """Atomic numbers that the model knows."""
        from potwright.pipelines.training.metatrain.start import known_species

        return known_species(model)

    def run(self, task: MemberTask, folder: Path) -> None:
        """Train in this folder, or go on from its checkpoint."""
        from potwright.pipelines.training.metatrain.run import run

        run(self, task, folder)

    def read_back(self, task: MemberTask, folder: Path) -> Ran:
        """What really ran, from metatrain's own logs and the checkpoint."""
        from potwright.pipelines.training.metatrain.log import read_back

        return read_back(self, task, folder)
