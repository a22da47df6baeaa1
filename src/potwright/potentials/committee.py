"""A committee: potentials of one architecture trained on the same data from different seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from potwright.errors import InputError
from potwright.execution import ExecutorParameters
from potwright.files import complete_or_absent
from potwright.pes import PESData
from potwright.potentials import prediction
from potwright.potentials.backends import backend_of
from potwright.potentials.calculator import CommitteeCalculator, chosen_member
from potwright.potentials.content import checksum
from potwright.potentials.error_bars import error_bars, read_report
from potwright.potentials.meeting import attending
from potwright.potentials.metatomic import EXTENSIONS
from potwright.potentials.model_file import ModelFile, evaluator
from potwright.potentials.prediction import Pieces, Work
from potwright.potentials.protocol import Potential
from potwright.uncertainty import Predictions

RECORD = "committee.json"
CALIBRATION = "calibration.json"


@dataclass(frozen=True)
class Committee:
    """Members and a record of what they are.

    Attributes
    ----------
    members
        The potentials.
    record
        What is known of them: backend, settings, seeds, data, learning curves.
    calibration
        The calibration report that belongs to them, if it came with them.
    """

    members: tuple[Potential, ...]
    record: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self.members)

    @property
    def backend(self) -> str:
        """Name of what the members are made with."""
        return str(self.record.get("backend") or self.members[0].backend)

    @property
    def content(self) -> str:
        """A name for what decides predictions: the members' files and what evaluates them."""
        release = version(backend_of(self.backend).package)
        checksums = [checksum(member.path) for member in self.members]
        return prediction.content_of(checksums, self.backend, release)

    @property
    def species(self) -> frozenset[int]:
        """Atomic numbers that it was trained on; those that its models know, if no record says."""
        known = self.record.get("species")
        if known is None:
            return frozenset.intersection(*(member.species for member in self.members))
        return frozenset(map(int, known))

    # ---------------------------------------------------------------- many structures

    def predict(
        self,
        pes: PESData,
        executor: ExecutorParameters | None = None,
        device: str = "auto",
        *,
        atoms_per_batch: int | None = None,
    ) -> Predictions:
        """All members' energies, forces and stresses of all structures, in memory.

        Parameters
        ----------
        pes
            S structures with N atoms in all.
        executor
            Where pieces of the work run; in this process if it is not given.
        device
            ``auto``, ``cpu``, ``cuda``, …
        atoms_per_batch
            Atoms that a model sees at a time; by default what suits the device.

        Raises
        ------
        InputError
            If the members do not know a species, or a file is not one of their backend's models.
        """
        pieces = self._pieces(pes, device, atoms_per_batch)
        found = dict(
            prediction.computed(prediction.predict, pieces, executor, "committee evaluation")
        )
        parts = [found[i] for i in range(len(pieces))]
        return Predictions.concatenate(parts) if parts else Predictions.empty(len(self))

    def predict_stored(
        self,
        workspace: Path,
        structures: Sequence[PESData],
        executor: ExecutorParameters | None = None,
        device: str = "auto",
        *,
        atoms_per_batch: int | None = None,
    ) -> Predictions:
        """The same for any number of structures: what is predicted goes to disk at once.

        What ``workspace`` already holds is not evaluated again, whether a run was killed or has
        more structures than the one before.

        Parameters
        ----------
        workspace
            A folder that keeps the predictions of this committee, and forgets those of others.
        structures
            Containers of structures; one that occurs again counts where it occurs first. Those
            that come from a file are read piece by piece.
        executor, device, atoms_per_batch
            As in :meth:`predict`.

        Returns
        -------
        Predictions
            In that order; arrays are read from the file when they are used.
        """
        return prediction.predict_stored(
            self._work(device, atoms_per_batch), self.content, workspace, structures, executor
        )

    def descriptors(
        self, pes: PESData, executor: ExecutorParameters | None = None, device: str = "auto"
    ) -> np.ndarray:
        """What the first member sees of each atom, shape (N, F), in the order of ``pes``.

        The same in any orientation: the invariant features of all layers (MACE), or what the model
        offers as its features (metatomic).

        Parameters
        ----------
        pes, executor, device
            As in :meth:`predict`.
        """
        pieces = self._pieces(pes, device, None)
        found = dict(prediction.computed(prediction.describe, pieces, executor, "descriptors"))
        return np.concatenate([found[i] for i in range(len(pieces))] or [np.empty((0, 0))])

    def _work(self, device: str, atoms_per_batch: int | None) -> Work:
        paths = tuple(member.path for member in self.members)
        return Work(self.backend, paths, device, atoms_per_batch)

    def _pieces(self, pes: PESData, device: str, atoms_per_batch: int | None) -> Pieces:
        return Pieces(self._work(device, atoms_per_batch), [pes], [prediction.everything(pes)])

    # ---------------------------------------------------------------- one structure

    def calculator(
        self,
        calibration: str | Path | dict[str, Any] | None = None,
        device: str = "auto",
        *,
        member: int | None = None,
    ) -> CommitteeCalculator:
        """An ASE calculator of the committee mean or of one member.

        Parameters
        ----------
        calibration
            The ``calibration`` of an evaluation (the dictionary, or its JSON file); with it the
            results hold error bars, see :class:`CommitteeCalculator`. By default the one that came
            with the members; ``{}``: none.
        device
            ``auto``, ``cpu``, ``cuda``, …
        member
            Return this member's values, with their own error bars; by default those of the mean.

        Raises
        ------
        InputError
            If the calibration is that of another committee, or there is no such member.
        """
        if isinstance(calibration, str | Path):
            calibration = read_report(calibration)
        report = self.calibration if calibration is None else calibration
        paths = [one.path for one in self.members]
        return CommitteeCalculator(
            attending(evaluator(paths, self.backend, device)),
            error_bars(report, len(self)),
            chosen_member(member, len(self)),
        )

    # ---------------------------------------------------------------- on disk

    def save(self, folder: str | Path) -> None:
        """Copy the members and what is known of them into ``folder``, completely or not at all."""
        with complete_or_absent(folder) as temporary:
            temporary.mkdir()
            self.copy_into(temporary)

    def copy_into(self, folder: Path) -> list[str]:
        """Copy the members and what is known of them into a folder; the members' names there."""
        names = [f"member_{i}{member.path.suffix}" for i, member in enumerate(self.members)]
        for member, name in zip(self.members, names, strict=True):
            shutil.copyfile(member.path, folder / name)
            checkpoint = member.path.with_suffix(".ckpt")
            if checkpoint.is_file():  # from which its training can go on
                shutil.copyfile(checkpoint, (folder / name).with_suffix(".ckpt"))
            extensions = member.path.parent / EXTENSIONS
            if extensions.is_dir():  # the same compiled code for all members
                shutil.copytree(extensions, folder / EXTENSIONS, dirs_exist_ok=True)
        record = {**self.record, "backend": self.backend, "members": names}
        (folder / RECORD).write_text(json.dumps(record, indent=2))
        if self.calibration:
            (folder / CALIBRATION).write_text(json.dumps(self.calibration, indent=2))
        return names


def load_committee(path: str | Path) -> Committee:
    """Open a committee that was saved; a calibration that lies beside it belongs to it.

    Raises
    ------
    InputError
        If ``path`` is not such a folder, of a backend that is not known, or lacks a member.
    """
    folder = Path(path)
    if not (folder / RECORD).is_file():
        raise InputError(f"{folder}: not a committee (it holds no {RECORD})")
    record = json.loads((folder / RECORD).read_text())
    backend = record.get("backend", "mace")
    backend_of(backend)  # refuses what is not known
    members = tuple(ModelFile(folder / name, backend) for name in record["members"])
    for member in members:
        if not member.path.is_file():
            raise InputError(f"{folder}: not a complete committee: {member.path.name} is missing")
    calibration = folder / CALIBRATION
    return Committee(
        members,
        record,
        read_report(calibration) if calibration.is_file() else None,
    )
