"""What all versioned catalog types share: which version a run sees."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from kedro.io import (
    AbstractVersionedDataset,
    DataCatalog,
    DatasetError,
    MemoryDataset,
    Version,
)
from kedro.io.core import VersionNotFoundError
from kedro.pipeline import Pipeline

T = TypeVar("T")

AS_OF = "POTWRIGHT_AS_OF"
"""Environment variable: a version. Where it is set, nothing newer is seen."""


class VersionedFile(AbstractVersionedDataset[T, T]):
    """A versioned file or folder that loads *as of the run*.

    Kedro's own types load the newest version on disk. A run that repeats an older iteration, or a
    resumed one, must see the newest version that is not newer than itself. Who only looks can go
    back by the environment variable ``POTWRIGHT_AS_OF``, which holds a version.

    Parameters
    ----------
    filepath
        Where the data lies: ``<filepath>/<version>/<name>``.
    version
        Set by Kedro.
    previous
        If true, load the newest version strictly older than the run: what the previous iteration
        left. Nothing can be saved; where there is no such version, an empty value is loaded.
    metadata
        For Kedro-Viz.
    """

    versioned: ClassVar[bool] = True

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        previous: bool = False,
        metadata: dict[str, Any] | None = None,
    ):
        super().__init__(PurePosixPath(filepath), version)
        self._previous = previous
        self.metadata = metadata

    @abstractmethod
    def read(self, path: Path) -> T:
        """The value that lies at ``path``."""

    @abstractmethod
    def write(self, data: T, path: Path) -> None:
        """Write ``data`` to ``path``, completely or not at all."""

    @abstractmethod
    def nothing(self) -> T:
        """What stands for the previous value in the first iteration."""

    @property
    def filepath(self) -> str:
        """Where the data of the current version lies; Kedro-Viz reads its size."""
        try:
            return str(self._get_load_path())
        except VersionNotFoundError:
            return str(self._filepath)

    def load(self) -> T:
        """Load the version that this run sees."""
        if self._previous and not self._exists():
            return self.nothing()
        return self.read(Path(self._get_load_path()))

    def save(self, data: T) -> None:
        """Save under the version of this run; what was saved before is never replaced."""
        if self._previous:
            raise DatasetError("What the previous iteration left is read-only.")
        self.write(data, Path(self._get_save_path()))

    def _fetch_latest_load_version(self) -> str:
        eligible = [v for v in self.list_versions(full_path=False) if self._sees(v)]
        if not eligible:
            raise VersionNotFoundError(f"Did not find any version for {self}")
        return eligible[0]

    def _sees(self, version: str) -> bool:
        own = str(self.resolve_save_version())
        own = min(own, os.environ.get(AS_OF) or own)
        return version < own if self._previous else version <= own

    def is_there(self) -> bool:
        """Whether there is something to load."""
        return self._previous or self._exists()

    def _exists(self) -> bool:
        try:
            return Path(self._get_load_path()).exists()
        except VersionNotFoundError:
            return False

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "version": self._version, "previous": self._previous}


def supply_missing(catalog: DataCatalog, pipeline: Pipeline) -> list[str]:
    """Put empty values into the catalog for inputs of a pipeline that no run has saved; which."""
    missing = []
    for name in sorted(pipeline.inputs()):
        dataset = catalog[name]
        if isinstance(dataset, VersionedFile) and not dataset.is_there():
            catalog[name] = MemoryDataset(dataset.nothing(), copy_mode="assign")
            missing.append(name)
    return missing
