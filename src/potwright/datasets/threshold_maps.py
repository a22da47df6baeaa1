"""The maps of TPR and PPV in the catalog: a table that Kedro-Viz shows as a figure."""

from __future__ import annotations

from kedro_datasets._typing import PlotlyPreview

from potwright.datasets.documents import TableDataset
from potwright.pipelines.reporting.threshold_maps import draw_threshold_maps


class ThresholdMapsDataset(TableDataset):
    """A table as :mod:`potwright.pipelines.evaluation.threshold_maps` makes it."""

    def preview(self) -> PlotlyPreview:  # type: ignore[override]
        """TPR and PPV of each property; a menu for the number of members."""
        return PlotlyPreview(draw_threshold_maps(self.load()))
