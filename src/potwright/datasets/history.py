"""The reports of all iterations up to the run, as one entry of the catalog."""

from __future__ import annotations

from pathlib import Path

from kedro.io import DatasetError

from potwright.datasets.versioned import VersionedFile
from potwright.iteration_reports import IterationReports, read_reports

Reports = list[IterationReports]


class HistoryDataset(VersionedFile[Reports]):
    """A campaign's folder of reports; loads those of iterations that are not newer than the run."""

    def load(self) -> Reports:
        """Read what there is."""
        until = self._version.load if self._version and self._version.load else None
        return self.read_until(until or str(self.resolve_save_version()))

    def read_until(self, version: str) -> Reports:
        """The reports of iterations up to a version."""
        return read_reports(Path(self._filepath), until=version)

    def read(self, path: Path) -> Reports:
        """Read all that lies in a folder."""
        return read_reports(path)

    def write(self, data: Reports, path: Path) -> None:
        """Stages write reports; their history is never written."""
        raise DatasetError("The history of a campaign is what its stages have saved: read-only.")

    def nothing(self) -> Reports:
        """No iteration."""
        return []

    def is_there(self) -> bool:
        """Always: a history may be empty."""
        return True

    @property
    def filepath(self) -> str:
        """The folder."""
        return str(self._filepath)

    def _exists(self) -> bool:
        return False  # as a version of its own, which a run record would note
