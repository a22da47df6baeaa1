"""Structures in the catalog."""

from __future__ import annotations

import math
from pathlib import Path

from kedro_datasets._typing import TablePreview

from potwright.datasets.versioned import VersionedFile
from potwright.pes import PESData


class PESDataset(VersionedFile[PESData]):
    """A :class:`~potwright.pes.PESData` in one HDF5 file; columns are read when they are used."""

    def read(self, path: Path) -> PESData:
        """Open the file."""
        return PESData.read(path)

    def write(self, data: PESData, path: Path) -> None:
        """Write the file."""
        data.write(path)

    def nothing(self) -> PESData:
        """No structures."""
        return PESData.empty()

    def preview(self, nrows: int = 20) -> TablePreview:
        """The first structures as a table."""
        return structure_table(self.load(), nrows)


def structure_table(pes: PESData, nrows: int) -> TablePreview:
    """The first ``nrows`` structures as Kedro-Viz shows them."""
    pes = pes[:nrows]
    formulas = [atoms.get_chemical_formula() for atoms in pes.to_atoms()]
    periodic = ["".join("T" if axis else "F" for axis in pbc) for pbc in pes.pbc]
    per_atom = ["" if math.isnan(e) else f"{e:.4f}" for e in (pes.energy / pes.n_atoms).tolist()]
    columns = {
        "formula": formulas,
        "pbc": periodic,
        "origin": pes.origin.tolist(),
        "split": pes.split.tolist(),
        "iteration": pes.iteration.tolist(),
        "energy (eV/atom)": per_atom,
        "source": pes.source.tolist(),
        "id": pes.id.tolist(),
    }
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return TablePreview({"index": list(range(len(pes))), "columns": list(columns), "data": rows})
