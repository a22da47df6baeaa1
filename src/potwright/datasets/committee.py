"""A committee of potentials in the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.io import DatasetError
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
        """There is no empty committee."""
        raise DatasetError("No committee has been trained before this run.")

    def preview(self) -> JSONPreview:
        """Backend, members and training."""
        return JSONPreview(json.dumps(self.load().record, default=str))
