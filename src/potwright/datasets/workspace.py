"""Places rather than data: where work in progress and labels are kept between runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import TablePreview

from potwright.urls import without_password

if TYPE_CHECKING:
    from potwright.quantum import LabelStore


class _Place(AbstractDataset):
    """Loads as an object that stands for a place on disk; a node writes there by itself."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        self._filepath = filepath
        self.metadata = metadata

    @property
    def filepath(self) -> str:
        """Where the place is."""
        return self._filepath

    def save(self, data: Any) -> None:
        """A place cannot be saved."""
        raise DatasetError(
            f"{self._filepath} is a place that nodes write to; it cannot be an output."
        )

    def _exists(self) -> bool:
        return Path(self._filepath).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


class WorkspaceDataset(_Place):
    """A folder for work in progress: what is finished there is found again after a kill.

    It may be deleted at any time; at worst work is repeated.
    """

    def load(self) -> Path:
        """Create the folder if need be."""
        folder = Path(self._filepath)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class LabelStoreDataset(_Place):
    """The label store of the project, shared by all iterations and campaigns.

    Parameters
    ----------
    filepath
        An SQLite file.
    url
        Instead of a file the address of a PostgreSQL server, ``postgresql://user@host/database``.
        (A ``filepath`` that is such an address is taken for one, so that one global can be either.)
    campaign
        Who buys the labels that are added.
    metadata
        For Kedro-Viz.
    """

    def __init__(
        self,
        *,
        filepath: str | None = None,
        url: str | None = None,
        campaign: str = "",
        metadata: dict[str, Any] | None = None,
    ):
        if (filepath is None) == (url is None):
            raise DatasetError("a label store is given by 'filepath' or by 'url': by one of them")
        self._url = str(filepath or url)
        super().__init__(filepath=without_password(self._url), metadata=metadata)
        self._campaign = campaign

    def load(self) -> LabelStore:
        """Open the store, creating it if need be."""
        from potwright.quantum import LabelStore

        return LabelStore(self._url, self._campaign)

    def preview(self, nrows: int = 20) -> TablePreview:
        """The latest calculations, whoever bought them; none where there is no store yet."""
        from potwright.quantum import inventory

        if not self._exists():
            return TablePreview({"index": [], "columns": inventory.COLUMNS, "data": []})
        store = self.load()
        rows = inventory.latest(store, nrows)
        store.close()
        return TablePreview(rows.astype(str).where(rows.notna(), "").to_dict(orient="split"))

    def _exists(self) -> bool:
        return "://" in self._url or Path(self._url).exists()
