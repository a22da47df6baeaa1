"""Predictions of a committee in the catalog."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from kedro_datasets._typing import TablePreview

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

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first structures: mean energy of the members, and their spread in meV per atom."""
        all_of_them = self.load()
        predictions = all_of_them.take(np.arange(min(nrows, len(all_of_them))))
        energy = predictions.energy / predictions.n_atoms
        columns = {
            "id": predictions.id.tolist(),
            "atoms": predictions.n_atoms.tolist(),
            "members": [predictions.members] * len(predictions),
            "mean energy (eV/atom)": [f"{value:.4f}" for value in energy.mean(axis=0)],
            "spread (meV/atom)": [f"{1000 * value:.1f}" for value in energy.std(axis=0)],
        }
        rows = [list(row) for row in zip(*columns.values(), strict=True)]
        index = list(range(len(rows)))
        return TablePreview({"index": index, "columns": list(columns), "data": rows})
