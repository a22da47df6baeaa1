"""A committee: potentials of one architecture trained on the same data from different seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from potwright.errors import InputError
from potwright.execution import ExecutorParameters, run_tasks
from potwright.files import complete_or_absent
from potwright.pes import PESData
from potwright.potentials.calculator import CommitteeCalculator
from potwright.potentials.mace import MACEPotential, evaluator
from potwright.potentials.protocol import Potential
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
        tasks = list(self._tasks(pes, device))
        if executor is None or len(tasks) < 2:
            parts = [_predict(task) for task in tasks]
        else:
            parts = _in_order(tasks, executor)
        return Predictions.concatenate(parts) if parts else Predictions.empty(len(self))

    def _tasks(self, pes: PESData, device: str) -> Iterator[_Task]:
        paths = tuple(member.path for member in self.members)
        for index, chunk in enumerate(pes.chunks(STRUCTURES_PER_TASK)):
            yield _Task(paths, chunk, device, index)

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
        return CommitteeCalculator(
            evaluator([member.path for member in self.members], device), factors
        )

    def save(self, folder: str | Path) -> None:
        """Copy the members and the record into ``folder``, completely or not at all."""
        names = [f"member_{i}{member.path.suffix}" for i, member in enumerate(self.members)]
        with complete_or_absent(folder) as temporary:
            temporary.mkdir()
            for member, name in zip(self.members, names, strict=True):
                shutil.copyfile(member.path, temporary / name)
            record = {"backend": "mace", **self.record, "members": names}
            (temporary / RECORD).write_text(json.dumps(record, indent=2))


def load_committee(path: str | Path) -> Committee:
    """Open a committee that was saved.

    Raises
    ------
    InputError
        If ``path`` is not such a folder.
    """
    folder = Path(path)
    if not (folder / RECORD).is_file():
        raise InputError(f"{folder}: not a committee (it holds no {RECORD})")
    record = json.loads((folder / RECORD).read_text())
    return Committee(tuple(MACEPotential(folder / name) for name in record["members"]), record)


def calibrated_factors(calibration: dict[str, Any]) -> dict[str, float]:
    """The factor c of each property that could be calibrated (forces: per atom)."""
    keys = {"energy": "c", "forces": "c_per_atom", "stress": "c"}
    factors = {name: calibration["properties"][name][key] for name, key in keys.items()}
    return {name: float(factor) for name, factor in factors.items() if factor is not None}


@dataclass(frozen=True)
class _Task:
    paths: tuple[Path, ...]
    pes: PESData
    device: str
    index: int


def _predict(task: _Task) -> Predictions:
    from potwright.potentials.devices import resolve_device

    device = resolve_device(task.device, task.index)
    values = evaluator(task.paths, device)(task.pes.to_atoms(engine_pbc=True))
    return Predictions(task.pes.id, task.pes.offsets, *values)


def _in_order(tasks: Sequence[_Task], executor: ExecutorParameters) -> list[Predictions]:
    parts: dict[int, Predictions] = {}
    for outcome in run_tasks(_predict, tasks, executor, description="committee evaluation"):
        if outcome.error is not None:
            raise RuntimeError(f"committee evaluation failed: {outcome.error.message}")
        parts[outcome.index] = cast(Predictions, outcome.value)
    return [parts[i] for i in range(len(tasks))]
