"""A committee of potentials in the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from potwright.datasets.versioned import VersionedFile

if TYPE_CHECKING:
    from potwright.potentials import Committee


class CommitteeDataset(VersionedFile["Committee"]):
    """A folder with the members' model files and what they were trained on."""

    def read(self, path: Path) -> Committee:
        """Open the folder; models are loaded when they are used."""
        from potwright.potentials import load_committee

        return load_committee(path)

    def write(self, data: Committee, path: Path) -> None:
        """Copy the members into the folder."""
        data.save(path)

    def nothing(self) -> Committee:
        """A committee without members."""
        from potwright.potentials import Committee

        return Committee(())

    def preview(self) -> JSONPreview:
        """Backend, members and training."""
        return JSONPreview(json.dumps(self.load().record, default=str))


class PotentialsDataset(AbstractDataset["Committee", "Committee"]):
    """Potentials that the user has: a committee's folder, or model files; or none.

    Parameters
    ----------
    filepath
        The folder of a committee, a folder of model files, or a pattern that names them, such as
        ``models/*.model``. None: there are no potentials.
    metadata
        For Kedro-Viz.
    """

    def __init__(self, *, filepath: str | None, metadata: dict[str, Any] | None = None):
        self._filepath = filepath
        self.metadata = metadata

    @property
    def filepath(self) -> str:
        """Where the potentials are."""
        return self._filepath or ""

    def load(self) -> Committee:
        """Open them; models are loaded when they are used."""
        from potwright.potentials import Committee
        from potwright.potentials.files import open_potentials

        return Committee(()) if self._filepath is None else open_potentials(self._filepath)

    def save(self, data: Committee) -> None:
        """A user's input is never written."""
        raise DatasetError("The user's potentials are read-only.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
