"""A committee: potentials of one architecture trained on the same data from different seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.execution import ExecutorParameters, run_tasks
from potwright.files import complete_or_absent
from potwright.pes import PESData
from potwright.potentials.backends import BACKENDS, backend_of
from potwright.potentials.calculator import CommitteeCalculator
from potwright.potentials.devices import resolve_device
from potwright.potentials.metatomic import EXTENSIONS
from potwright.potentials.protocol import Evaluator, Potential
from potwright.uncertainty import Predictions

RECORD = "committee.json"
STRUCTURES_PER_TASK = 32


@dataclass(frozen=True)
class Committee:
    """Members and a record of what they are.

    Attributes
    ----------
    members
        The potentials.
    record
        What is known of them: backend, settings, seeds, data, learning curves.
    """

    members: tuple[Potential, ...]
    record: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.members)

    def predict(
        self, pes: PESData, executor: ExecutorParameters | None = None, device: str = "auto"
    ) -> Predictions:
        """All members' energies, forces and stresses of all structures.

        Parameters
        ----------
        pes
            S structures with N atoms in all.
        executor
            Where pieces of the work run; in this process if it is not given.
        device
            ``auto``, ``cpu``, ``cuda``, …
        """
        parts = _computed(_predict, self._tasks(pes, device), executor, "committee evaluation")
        return Predictions.concatenate(parts) if parts else Predictions.empty(len(self))

    def descriptors(
        self, pes: PESData, executor: ExecutorParameters | None = None, device: str = "auto"
    ) -> np.ndarray:
        """What the first member sees of each atom, shape (N, F), in the order of ``pes``.

        The same in any orientation: the invariant features of all layers (MACE), or what the model
        offers as its features (metatomic).

        Parameters
        ----------
        pes
            S structures with N atoms in all.
        executor
            Where pieces of the work run; in this process if it is not given.
        device
            ``auto``, ``cpu``, ``cuda``, …
        """
        parts = _computed(_describe, self._tasks(pes, device), executor, "descriptors")
        return np.concatenate(parts) if parts else np.empty((0, 0))

    @property
    def backend(self) -> str:
        """Name of what the members are made with."""
        return str(self.record.get("backend") or self.members[0].backend)

    def _tasks(self, pes: PESData, device: str) -> Iterator[_Task]:
        paths = tuple(member.path for member in self.members)
        for index, chunk in enumerate(pes.chunks(STRUCTURES_PER_TASK)):
            yield _Task(self.backend, paths, chunk, device, index)

    def calculator(
        self, calibration: str | Path | dict[str, Any] | None = None, device: str = "auto"
    ) -> CommitteeCalculator:
        """An ASE calculator of the committee mean.

        Parameters
        ----------
        calibration
            The ``calibration`` of an evaluation (the dictionary, or its JSON file); with it the
            results hold calibrated uncertainties, see :class:`CommitteeCalculator`.
        device
            ``auto``, ``cpu``, ``cuda``, …
        """
        if isinstance(calibration, str | Path):
            calibration = dict(json.loads(Path(calibration).read_text()))
        factors = calibrated_factors(calibration) if calibration else {}
        paths = [member.path for member in self.members]
        return CommitteeCalculator(BACKENDS[self.backend].evaluator(paths, device), factors)

    def save(self, folder: str | Path) -> None:
        """Copy the members and the record into ``folder``, completely or not at all."""
        names = [f"member_{i}{member.path.suffix}" for i, member in enumerate(self.members)]
        with complete_or_absent(folder) as temporary:
            temporary.mkdir()
            for member, name in zip(self.members, names, strict=True):
                shutil.copyfile(member.path, temporary / name)
                extensions = member.path.parent / EXTENSIONS
                if extensions.is_dir():  # the same compiled code for all members
                    shutil.copytree(extensions, temporary / EXTENSIONS, dirs_exist_ok=True)
            record = {**self.record, "backend": self.backend, "members": names}
            (temporary / RECORD).write_text(json.dumps(record, indent=2))


def load_committee(path: str | Path) -> Committee:
    """Open a committee that was saved.

    Raises
    ------
    InputError
        If ``path`` is not such a folder, or of a backend that is not known.
    """
    folder = Path(path)
    if not (folder / RECORD).is_file():
        raise InputError(f"{folder}: not a committee (it holds no {RECORD})")
    record = json.loads((folder / RECORD).read_text())
    potential = backend_of(record).potential
    return Committee(tuple(potential(folder / name) for name in record["members"]), record)


def calibrated_factors(calibration: dict[str, Any]) -> dict[str, float]:
    """The factor c of each property that could be calibrated (forces: per atom)."""
    keys = {"energy": "c", "forces": "c_per_atom", "stress": "c"}
    factors = {name: calibration["properties"][name][key] for name, key in keys.items()}
    return {name: float(factor) for name, factor in factors.items() if factor is not None}


@dataclass(frozen=True)
class _Task:
    backend: str
    paths: tuple[Path, ...]
    pes: PESData
    device: str
    index: int

    def evaluator(self) -> Evaluator:
        device = resolve_device(self.device, self.index)
        return BACKENDS[self.backend].evaluator(self.paths, device)


def _predict(task: _Task) -> Predictions:
    values = task.evaluator()(task.pes.to_atoms(engine_pbc=True))
    return Predictions(task.pes.id, task.pes.offsets, *values)


def _describe(task: _Task) -> np.ndarray:
    return task.evaluator().descriptors(task.pes.to_atoms(engine_pbc=True))


def _computed(
    function: Callable[[_Task], Any],
    tasks: Iterator[_Task],
    executor: ExecutorParameters | None,
    description: str,
) -> list[Any]:
    """What becomes of all tasks, in their order."""
    waiting = list(tasks)
    if executor is None or len(waiting) < 2:
        return [function(task) for task in waiting]
    parts: dict[int, Any] = {}
    for outcome in run_tasks(function, waiting, executor, description=description):
        if outcome.error is not None:
            raise RuntimeError(f"{description} failed: {outcome.error.message}")
        parts[outcome.index] = outcome.value
    return [parts[i] for i in range(len(waiting))]
