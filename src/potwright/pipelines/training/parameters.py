"""Parameters of the training stage."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from potwright.errors import InputError
from potwright.execution import ExecutorParameters, LocalExecutor
from potwright.parameters import Device, Parameters
from potwright.pipelines.training.mace import MACETrainer
from potwright.pipelines.training.metatrain import MetatrainTrainer
from potwright.pipelines.training.starts import (
    FoundationStart,
    ScratchStart,
    StartParameters,
    WarmStart,
    refuse_unknown_species,
    replayable,
)
from potwright.potentials.files import refuse_other_kind

__all__ = ["MACETrainer", "MetatrainTrainer", "TrainerParameters", "TrainingParameters"]

TrainerParameters = Annotated[MACETrainer | MetatrainTrainer, Field(discriminator="type")]


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


class TrainingParameters(Parameters):
    """The committee, its data, and how it is trained."""

    members: int = Field(default=4, ge=2)
    split: SplitParameters = SplitParameters()
    trainer: TrainerParameters = MACETrainer()
    start: StartParameters = ScratchStart()
    executor: ExecutorParameters = LocalExecutor()
    device: Device = "auto"

    @field_validator("trainer", mode="before")
    @classmethod
    def _mace_by_default(cls, trainer: Any) -> Any:
        return {"type": "mace", **trainer} if isinstance(trainer, dict) else trainer

    @model_validator(mode="after")
    def _method_is_the_trainers(self) -> Self:
        start, trainer = self.start, self.trainer
        if isinstance(start, FoundationStart) and start.method not in trainer.methods:
            raise ValueError(
                f"start.method = {start.method!r}: with this trainer ({trainer.type}) it must be "
                f"{' or '.join(map(repr, trainer.methods))}"
            )
        if isinstance(start, FoundationStart) and start.head and trainer.type != "mace":
            raise ValueError("start.head: only models of MACE have several heads")
        return self

    @model_validator(mode="after")
    def _length_is_possible(self) -> Self:
        try:
            type(self.trainer).model_validate(self.trainer_after(self.start).model_dump())
        except InputError as error:
            raise ValueError(f"with the length that `start` gives, trainer.{error}") from error
        return self

    def trainer_after(self, start: ScratchStart | WarmStart | FoundationStart) -> TrainerParameters:
        """The trainer, with the length that such a start asks for."""
        if isinstance(start, ScratchStart):
            return self.trainer
        if start.optimiser_steps is not None:
            return self.trainer.model_copy(update={"optimiser_steps": start.optimiser_steps})
        if start.epochs is not None:
            length = {"epochs": start.epochs, "optimiser_steps": None}
            return self.trainer.model_copy(update=length)
        return self.trainer

    def verify(self) -> None:
        """Find a start that cannot be, before anything runs.

        That is a model or a file to replay that is not there, of another kind, or without labels,
        and a head that the model does not have.

        Raises
        ------
        InputError
            Naming the file. (A name that the backend knows is looked up when training begins.)
        """
        start = self.start
        if isinstance(start, FoundationStart) and start.replay is not None:
            replayable(start)
        path = self._foundation_file()
        if path is None:
            return
        if path.is_file():
            refuse_other_kind(path, self.trainer.start_kind, "training.start.model")
            if isinstance(start, FoundationStart) and start.head is not None:
                from potwright.pipelines.training.mace.start import load, refuse_unknown_head

                refuse_unknown_head(load(path), start.head)
        elif path.suffix or len(path.parts) > 1:
            raise InputError(f"training.start.model = '{path}': there is no such file")

    def refuse_species(self, species: list[int]) -> None:
        """Find that these cannot be trained, before they are labelled.

        Raises
        ------
        InputError
            If the model to start from does not know one of them, or too few structures to replay
            are of these alone. (A model that the backend fetches is asked when training begins.)
        """
        if isinstance(self.start, FoundationStart) and self.start.replay is not None:
            replayable(self.start, species)
        path = self._foundation_file()
        if path is not None and path.is_file():
            model = self.trainer.foundation(str(path), path.parent)
            refuse_unknown_species(self.trainer, model, species, f"the foundation model {path}")

    def _foundation_file(self) -> Path | None:
        """Where the model to start from should be, if a path says so."""
        if not isinstance(self.start, FoundationStart) or "://" in self.start.model:
            return None
        return Path(self.start.model).expanduser()
