"""Reports in the catalog: dictionaries as JSON, tables as CSV."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
from kedro_datasets._typing import JSONPreview, TablePreview

from potwright.datasets.versioned import VersionedFile
from potwright.files import complete_or_absent


class JSONDataset(VersionedFile[dict[str, Any]]):
    """A dictionary in a JSON file."""

    def read(self, path: Path) -> dict[str, Any]:
        """Read the file."""
        return json.loads(path.read_text())

    def write(self, data: dict[str, Any], path: Path) -> None:
        """Write the file; NaN is written as null, which every reader of JSON knows."""
        with complete_or_absent(path) as temporary:
            temporary.write_text(json.dumps(_without_nan(data), indent=2))

    def nothing(self) -> dict[str, Any]:
        """An empty dictionary."""
        return {}

    def preview(self) -> JSONPreview:
        """The whole document."""
        return JSONPreview(json.dumps(self.load()))


class TableDataset(VersionedFile[pd.DataFrame]):
    """A table in a CSV file."""

    def read(self, path: Path) -> pd.DataFrame:
        """Read the file."""
        return pd.read_csv(path)

    def write(self, data: pd.DataFrame, path: Path) -> None:
        """Write the file."""
        with complete_or_absent(path) as temporary:
            data.to_csv(temporary, index=False)

    def nothing(self) -> pd.DataFrame:
        """A table without rows."""
        return pd.DataFrame()

    def preview(self, nrows: int = 50) -> TablePreview:
        """The first rows, as text; nothing where there is no value (Kedro-Viz wants no NaN)."""
        rows = self.load().head(nrows)
        return TablePreview(rows.astype(str).where(rows.notna(), "").to_dict(orient="split"))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return _without_nan(value.tolist())
    return None if isinstance(value, float) and math.isnan(value) else value
