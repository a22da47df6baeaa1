"""What a trainer provides, and how one member is trained with it: once, and resumed if killed."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from potwright.pes import PESData

if TYPE_CHECKING:
    from potwright.pipelines.training.starts import MemberStart

logger = logging.getLogger(__name__)

RESULT = "result.json"
SECONDS_FOR_A_DYING_WORKER = 30


@dataclass(frozen=True)
class MemberTask:
    """Everything that decides what a member becomes, and the folder that it gets.

    Attributes
    ----------
    folder
        Named after the content of this task; it exists when the member is ready.
    training, validation
        Labelled structures. With a bootstrap, structures of ``training`` may be there twice.
    energies
        E0 of each species that the model shall know, eV.
    start
        Where the weights come from; None: from scratch.
    """

    folder: Path
    training: PESData
    validation: PESData
    energies: dict[int, float]
    trainer: Trainer
    seed: int
    device: str
    member: int
    start: MemberStart | None = None


@dataclass(frozen=True)
class Ran:
    """What really ran, as the backend's own log says.

    Attributes
    ----------
    optimiser_steps
        None where the backend does not tell, and they cannot be known otherwise.
    learning_curve
        One point per validation: ``epoch``, ``loss``, ``rmse_e_per_atom`` (eV), ``rmse_f`` (eV/Å),
        and what else the backend tells.
    resumed_after
        Epochs after whose checkpoint it went on.
    """

    epochs: int
    optimiser_steps: int | None
    learning_curve: list[dict[str, float]]
    resumed_after: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class MemberResult:
    """A trained member, and what its log says really ran."""

    model: Path
    seed: int
    epochs: int
    optimiser_steps: int | None
    seconds: float
    learning_curve: list[dict[str, float]]
    versions: dict[str, str]
    resumed_after: list[int] = field(default_factory=list)


class Trainer(Protocol):
    """A backend: its parameters from YAML. Frozen and picklable: it travels to the workers."""

    @property
    def type(self) -> str:
        """Its name in YAML, which is also the backend's name in a committee's record."""

    @property
    def packages(self) -> Sequence[str]:
        """Distributions whose releases decide what a member becomes."""

    @property
    def model_file(self) -> str:
        """Name of the model file that :meth:`run` leaves."""

    @property
    def start_kind(self) -> str:
        """Kind of file that training can start from, as ``potentials.files`` calls it."""

    @property
    def methods(self) -> Sequence[str]:
        """Ways to fine-tune a model that it has, of those a ``start`` can name."""

    @property
    def trains_stress(self) -> bool:
        """Whether the loss has a term for the stress."""

    def foundation(self, name: str, folder: Path) -> Path:
        """The file of a model to start from, given by its path, or by a name of the backend's.

        Raises
        ------
        InputError
            If there is none, or if it is of the wrong kind.
        """

    def restartable(self, model: Path) -> Path:
        """The file beside a member's model that another member can start from."""

    def species(self, model: Path) -> list[int]:
        """Atomic numbers that such a file knows."""

    def run(self, task: MemberTask, folder: Path) -> None:
        """Train in this folder; go on from a checkpoint that a killed run has left there."""

    def read_back(self, task: MemberTask, folder: Path) -> Ran:
        """What really ran; refused if it is not what was asked for.

        Raises
        ------
        RuntimeError
            Saying what is amiss.
        """


def train_member(task: MemberTask) -> MemberResult:
    """Train a member, go on where a killed run was, or find what was trained before.

    Raises
    ------
    RuntimeError
        If the run ended without a model, or did other than it was told to. Its folder is removed
        then: going on from its checkpoint would only repeat the failure.
    """
    record = task.folder / RESULT
    if not record.is_file():
        _train(task)
    return MemberResult(
        model=task.folder / task.trainer.model_file, **json.loads(record.read_text())
    )


def _train(task: MemberTask) -> None:
    unfinished = unfinished_folder(task.folder)
    unfinished.mkdir(parents=True, exist_ok=True)
    with _alone(unfinished):
        if (task.folder / RESULT).is_file():  # by another process, meanwhile
            return
        try:
            started = time.perf_counter()
            task.trainer.run(task, unfinished)
            ran = task.trainer.read_back(task, unfinished)
            result = {
                **asdict(ran),
                "seed": task.seed,
                "seconds": time.perf_counter() - started,
                "versions": {name: version(name) for name in task.trainer.packages},
            }
            (unfinished / RESULT).write_text(json.dumps(result))
            if task.folder.is_dir():
                shutil.rmtree(task.folder)
            unfinished.rename(task.folder)
        except Exception:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise


def unfinished_folder(folder: Path) -> Path:
    """Where a member is trained; what a killed run leaves there is gone on with."""
    return folder.with_name(f".{folder.name}.unfinished")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else writes to this folder, as a worker might that was given up for lost."""
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=SECONDS_FOR_A_DYING_WORKER)
    except Timeout:
        raise RuntimeError(f"{folder.name} is still being trained by another process") from None
    try:
        yield
    finally:
        lock.release()


def epochs_for(epochs: int, optimiser_steps: int | None, steps_per_epoch: int) -> int:
    """Epochs that come nearest to that number of optimiser steps, if one is given."""
    if optimiser_steps is None:
        return epochs
    return max(round(optimiser_steps / steps_per_epoch), 1)
