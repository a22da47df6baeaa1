"""Committees at work on many structures: pieces of work, and predictions that grow on disk.

What is predicted is kept by the content of the members and the ids of the structures. A run that
was killed, or has more structures than the last one, evaluates what is missing and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np

from potwright.errors import InputError
from potwright.execution import ExecutorParameters, run_tasks
from potwright.pes import PESData
from potwright.potentials.devices import resolve_device
from potwright.potentials.model_file import evaluator
from potwright.potentials.protocol import Evaluator
from potwright.uncertainty import Predictions
from potwright.uncertainty.prediction_files import write_pieces

logger = logging.getLogger(__name__)

# large enough for several full batches and for the cost of sending it, small enough for several
# workers to end at about the same time
ATOMS_PER_PIECE = 8000
STRUCTURES_PER_PIECE = 1000
WHOLE, PART = "predictions", "part"


class Work(NamedTuple):
    """Who evaluates, and how."""

    backend: str
    paths: tuple[Path, ...]
    device: str = "auto"
    atoms_per_batch: int | None = None


@dataclass(frozen=True)
class Piece:
    """Some structures, to be evaluated by one worker at once."""

    work: Work
    pes: PESData
    index: int

    def evaluator(self) -> Evaluator:
        """The members, loaded where this process works."""
        device = _own_device(self.work.device, self.index)
        work = self.work
        return evaluator(work.paths, work.backend, device, work.atoms_per_batch)


class Pieces(Sequence[Piece]):
    """Pieces that are made when they are asked for: not all structures are in memory at once.

    Parameters
    ----------
    work
        Who evaluates.
    sources
        Where structures are; those from files are read piece by piece.
    wanted
        Which structures of each source, an ascending integer array each.
    """

    def __init__(self, work: Work, sources: Sequence[PESData], wanted: Sequence[np.ndarray]):
        self._work = work
        self._sources = sources
        self._rows = [
            (source, rows)
            for source, (pes, chosen) in enumerate(zip(sources, wanted, strict=True))
            for rows in _pieces(chosen, pes.n_atoms[chosen])
        ]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Piece: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Piece]: ...
    def __getitem__(self, index: int | slice) -> Piece | Sequence[Piece]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        source, rows = self._rows[index]
        within = self._sources[source][int(rows[0]) : int(rows[-1]) + 1]
        whole = len(within) == len(rows)
        return Piece(self._work, within if whole else within[rows - rows[0]], index)


def predict(piece: Piece) -> Predictions:
    """What all members predict for a piece."""
    values = piece.evaluator()(piece.pes.to_atoms(engine_pbc=True))
    return Predictions(piece.pes.id, piece.pes.offsets, *values)


def describe(piece: Piece) -> np.ndarray:
    """Descriptors of the atoms of a piece by the first member."""
    return piece.evaluator().descriptors(piece.pes.to_atoms(engine_pbc=True))


def everything(pes: PESData) -> np.ndarray:
    """All structures of ``pes``, as :class:`Pieces` want them."""
    return np.arange(len(pes))


def computed(
    function: Callable[[Piece], Any],
    pieces: Pieces,
    executor: ExecutorParameters | None,
    description: str,
) -> Iterator[tuple[int, Any]]:
    """Number and value of each piece, as they complete.

    Raises
    ------
    InputError
        If the structures or the members are at fault.
    RuntimeError
        If a piece failed otherwise.
    """
    if executor is None or len(pieces) < 2:
        for index, piece in enumerate(pieces):
            yield index, function(piece)
        return
    for outcome in run_tasks(function, pieces, executor, description=description):
        if outcome.error is not None and outcome.error.kind == InputError.__name__:
            raise InputError(outcome.error.message)
        if outcome.error is not None:
            raise RuntimeError(f"{description} failed: {outcome.error.message}")
        yield outcome.index, outcome.value


def predict_stored(
    work: Work,
    content: str,
    workspace: Path,
    sources: Sequence[PESData],
    executor: ExecutorParameters | None = None,
) -> Predictions:
    """All members' predictions for all structures, each structure once, on disk.

    Parameters
    ----------
    work
        Who evaluates.
    content
        What the members hold, see :func:`content_of`; what other members predicted is removed.
    workspace
        A folder, which keeps what is predicted.
    sources
        Structures; one that occurs again counts where it occurs first.
    executor
        Where pieces of the work run; in this process if it is not given.

    Returns
    -------
    Predictions
        In the order of the structures, read from the file when they are used.
    """
    folder = workspace / content
    folder.mkdir(parents=True, exist_ok=True)
    for other in workspace.iterdir():
        if other.is_dir() and other != folder:
            shutil.rmtree(other)
    wanted = _first_occurrences(sources)
    ids = [pes.id[rows] for pes, rows in zip(sources, wanted, strict=True)]
    kept = _Kept(folder)
    missing = [rows[kept.lacks(i)] for rows, i in zip(wanted, ids, strict=True)]
    pieces = Pieces(work, sources, missing)
    count = sum(map(len, missing))
    known = sum(map(len, wanted)) - count
    if known:
        logger.info("%d structures are predicted, %d are missing", known, count)
    for _, found in computed(predict, pieces, executor, "committee evaluation"):
        found.write(folder / f"{PART}-{_name(found.id)}.h5")
    sizes = [pes.n_atoms[rows] for pes, rows in zip(sources, wanted, strict=True)]
    _Kept(folder).gather(np.concatenate(ids), np.concatenate(sizes), len(work.paths))
    return Predictions.read(folder / f"{WHOLE}-{_name(np.concatenate(ids))}.h5")


def content_of(checksums: Sequence[str], backend: str, release: str) -> str:
    """A name for what decides predictions: the members, in their order, and what evaluates them."""
    text = "\n".join([backend, release, *checksums])
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


class _Kept:
    """What a folder holds: the file of the last complete run, and parts of one that is not."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._paths = [
            path for kind in (WHOLE, PART) for path in sorted(folder.glob(f"{kind}-*.h5"))
        ]
        self._files = [Predictions.read(path) for path in self._paths]
        ids = [file.id for file in self._files]
        self._id = np.concatenate(ids) if ids else np.empty(0, dtype="<U32")
        self._file = np.repeat(np.arange(len(ids)), [len(i) for i in ids])
        self._row = np.concatenate([np.arange(len(i)) for i in ids] or [np.empty(0, dtype=int)])
        self._order = np.argsort(self._id, kind="stable")

    def lacks(self, ids: np.ndarray) -> np.ndarray:
        """Which of these structures are not predicted."""
        return self._find(ids) < 0

    def gather(self, ids: np.ndarray, sizes: np.ndarray, members: int) -> None:
        """Make one file of these structures in this order, and remove the others.

        Its name says what it holds: no file is ever replaced, since somebody may still read it.
        """
        whole = self._folder / f"{WHOLE}-{_name(ids)}.h5"
        found = self._find(ids)
        if not whole.is_file():
            offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            cuts = np.arange(0, len(ids), STRUCTURES_PER_PIECE)
            pieces = (self._taken(found[cut : cut + STRUCTURES_PER_PIECE]) for cut in cuts)
            write_pieces(whole, ids, offsets, members, pieces)
        for path in self._paths:
            if path != whole:
                path.unlink()

    def _taken(self, places: np.ndarray) -> Predictions:
        files = self._file[places]
        parts = [
            self._files[file].take(self._row[places[files == file]]) for file in np.unique(files)
        ]
        return Predictions.concatenate(parts).select(self._id[places])

    def _find(self, ids: np.ndarray) -> np.ndarray:
        """Where each of ``ids`` is among all that is kept; −1 where it is not."""
        if not len(self._id):
            return np.full(len(ids), -1)
        at = np.searchsorted(self._id, ids, sorter=self._order)
        place = self._order[np.minimum(at, len(self._id) - 1)]
        return np.where(self._id[place] == ids, place, -1)


def _first_occurrences(sources: Sequence[PESData]) -> list[np.ndarray]:
    """Which structures of each source occur nowhere before, ascending."""
    ids = [pes.id for pes in sources]
    _, first = np.unique(np.concatenate(ids) if ids else np.empty(0), return_index=True)
    starts = np.concatenate([[0], np.cumsum([len(i) for i in ids])]).astype(np.int64)
    first = np.sort(first)
    cuts = np.searchsorted(first, starts)
    return [
        first[a:b] - start for a, b, start in zip(cuts[:-1], cuts[1:], starts[:-1], strict=True)
    ]


def _pieces(chosen: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """``chosen`` in stretches of limited atoms and span."""
    found, start, atoms = [], 0, 0
    for place, (row, size) in enumerate(zip(chosen.tolist(), sizes.tolist(), strict=True)):
        full = atoms + size > ATOMS_PER_PIECE or row - chosen[start] >= STRUCTURES_PER_PIECE
        if place > start and full:
            found.append(chosen[start:place])
            start, atoms = place, 0
        atoms += size
    return [*found, chosen[start:]] if len(chosen) else []


def _name(ids: np.ndarray) -> str:
    return hashlib.blake2b("".join(ids.tolist()).encode(), digest_size=12).hexdigest()


_devices: dict[str, str] = {}


def _own_device(device: str, index: int) -> str:
    """A process stays on the GPU that its first piece was given: its models are loaded once."""
    return _devices.setdefault(device, resolve_device(device, index))
