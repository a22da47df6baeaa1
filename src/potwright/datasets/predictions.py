"""Predictions of a committee in the catalog."""

from __future__ import annotations

from pathlib import Path

from potwright.datasets.versioned import VersionedFile
from potwright.uncertainty import Predictions


class PredictionsDataset(VersionedFile[Predictions]):
    """Member-wise :class:`~potwright.uncertainty.Predictions` in one HDF5 file."""

    def read(self, path: Path) -> Predictions:
        """Read the file."""
        return Predictions.read(path)

    def write(self, data: Predictions, path: Path) -> None:
        """Write the file."""
        data.write(path)

    def nothing(self) -> Predictions:
        """Predictions of no structures."""
        return Predictions.empty()
