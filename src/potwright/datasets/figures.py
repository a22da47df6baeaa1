"""Figures and the report in the catalog: views of what lies there, made anew on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from kedro_datasets._typing import PlotlyPreview

from potwright.datasets.versioned import VersionedFile
from potwright.files import complete_or_absent

T = TypeVar("T")


class _View(VersionedFile[T]):
    """Other than data, a view of an iteration that went on since is replaced."""

    def save(self, data: T) -> None:
        """Save under the version of this run, also where there is an older view of it."""
        self.write(data, Path(self._get_versioned_path(self.resolve_save_version())))


class FigureDataset(_View[dict[str, Any]]):
    """A figure of plotly's in its JSON form, a dictionary of ``data`` and ``layout``."""

    def read(self, path: Path) -> dict[str, Any]:
        """Read the file."""
        return json.loads(path.read_text())

    def write(self, data: dict[str, Any], path: Path) -> None:
        """Write the file."""
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(data, ensure_ascii=False))

    def nothing(self) -> dict[str, Any]:
        """A figure without anything."""
        return {"data": [], "layout": {}}

    def preview(self) -> PlotlyPreview:
        """The figure."""
        return PlotlyPreview(self.load())


class PageDataset(_View[str]):
    """An HTML page that needs nothing but itself."""

    def read(self, path: Path) -> str:
        """Read the file."""
        return path.read_text()

    def write(self, data: str, path: Path) -> None:
        """Write the file."""
        with complete_or_absent(path) as temporary:
            temporary.write_text(data)

    def nothing(self) -> str:
        """An empty page."""
        return ""
