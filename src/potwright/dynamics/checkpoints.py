"""Where a trajectory goes on after a kill: the state of the engine, and the frames so far.

A checkpoint is a folder. Frames are appended as files, each written once; the state, which says how
many frames belong to it, is replaced as a whole. A kill at any moment leaves the last complete one.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from potwright.files import complete_or_absent
from potwright.pes import PESData

logger = logging.getLogger(__name__)

STATE = "state.npz"
TREE = "tree"
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Checkpoint:
    """The checkpoint of one trajectory.

    Attributes
    ----------
    folder
        Where it is kept.
    interval_steps
        How often it is written.
    identity
        What is run; the checkpoint of anything else is not used.
    """

    folder: Path
    interval_steps: int
    identity: str

    def is_due(self, step: int) -> bool:
        """Whether it is written after this step."""
        return step > 0 and step % self.interval_steps == 0

    def save(self, state: dict[str, Any], frames: Sequence[Atoms]) -> None:
        """Replace the checkpoint.

        Parameters
        ----------
        state
            Nested dictionaries of arrays and of what JSON knows.
        frames
            All frames so far; those that are on disk are not written again.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        known = self._frames_on_disk()
        if len(frames) > known:
            new = PESData.from_atoms(list(frames[known:]), labels="none")
            with complete_or_absent(self._part(known)) as temporary:
                new.write(temporary)
        arrays: dict[str, np.ndarray] = {}
        tree = _without_arrays({**state, "identity": self.identity, "frames": len(frames)}, arrays)
        with complete_or_absent(self.folder / STATE) as temporary, temporary.open("wb") as file:
            np.savez(file, **{TREE: np.array(json.dumps(tree))}, **arrays)  # type: ignore[arg-type]

    def load(self) -> tuple[dict[str, Any], list[Atoms]] | None:
        """The state and the frames, or None if there is no checkpoint that can be used.

        Frames that belong to no state are removed: they would pass for frames of what follows.
        """
        found = self._usable()
        kept = len(found[1]) if found else 0
        for part in self.folder.glob("frames-*.h5"):
            if int(part.stem.partition("-")[2]) >= kept:
                part.unlink()
        return found

    def _usable(self) -> tuple[dict[str, Any], list[Atoms]] | None:
        if not (self.folder / STATE).is_file():
            return None
        try:
            state, frames = self._read()
        except UNREADABLE as error:
            logger.warning(
                "%s: this checkpoint cannot be read (%s); the trajectory starts again",
                self.folder,
                error,
            )
            return None
        if state.pop("identity") != self.identity:
            logger.warning(
                "%s: this checkpoint is of another trajectory, which starts again", self.folder
            )
            return None
        return state, frames

    def _read(self) -> tuple[dict[str, Any], list[Atoms]]:
        with np.load(self.folder / STATE) as file:
            state = _with_arrays(json.loads(str(file[TREE])), file)
        frames: list[Atoms] = []
        while len(frames) < state["frames"]:
            frames += PESData.read(self._part(len(frames))).to_atoms()
        return state, frames

    def _frames_on_disk(self) -> int:
        """How many frames the files hold that follow each other from the first."""
        known = 0
        while (part := self._part(known)).is_file():
            known += len(PESData.read(part))
        return known

    def _part(self, first: int) -> Path:
        return self.folder / f"frames-{first:08d}.h5"


def _without_arrays(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` with each array replaced by its name, and the array put into ``arrays``."""
    if isinstance(value, dict):
        return {key: _without_arrays(inner, arrays) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"__array__": name}
    return value


def _with_arrays(value: Any, arrays: Any) -> Any:
    if isinstance(value, dict):
        if "__array__" in value:
            return arrays[value["__array__"]]
        return {key: _with_arrays(inner, arrays) for key, inner in value.items()}
    return value
