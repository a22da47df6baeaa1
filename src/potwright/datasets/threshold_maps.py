"""The maps of TPR and PPV in the catalog: a table that Kedro-Viz shows as a figure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kedro_datasets._typing import PlotlyPreview

from potwright.datasets.documents import TableDataset

if TYPE_CHECKING:
    import pandas as pd

RATES = {"true_positive_rate": "TPR", "positive_predictive_value": "PPV"}


class ThresholdMapsDataset(TableDataset):
    """A table as :mod:`potwright.pipelines.evaluation.threshold_maps` makes it."""

    def preview(self) -> PlotlyPreview:  # type: ignore[override]
        """TPR and PPV of each property; a menu for the number of members."""
        return PlotlyPreview(figure(self.load()))


def figure(maps: pd.DataFrame) -> dict[str, Any]:
    """A plotly figure of the newest iteration: heat maps, one row a rate, one column a property.

    The audit sample is shown where there is one, else the test set; the cross is the calibrated
    threshold.
    """
    from plotly.subplots import make_subplots

    if not len(maps):
        return {"data": [], "layout": {"title": {"text": "no labels to count on yet"}}}
    maps = maps[maps["iteration"] == maps["iteration"].max()]
    kinds = maps["evidence"].unique().tolist()
    kind = "audit" if "audit" in kinds else kinds[0]
    maps = maps[maps["evidence"] == kind]
    properties, sizes = maps["property"].unique().tolist(), sorted(maps["members"].unique())
    titles = [f"{short}, {name}" for short in RATES.values() for name in properties]
    plot = make_subplots(rows=len(RATES), cols=len(properties), subplot_titles=titles)
    for size in sizes:
        for row, rate in enumerate(RATES, start=1):
            for col, name in enumerate(properties, start=1):
                part = maps[(maps["members"] == size) & (maps["property"] == name)]
                for trace in _traces(part, rate, visible=bool(size == sizes[-1])):
                    plot.add_trace(trace, row=row, col=col)
                unit = part["unit"].iloc[0]
                plot.update_xaxes(title_text=f"τ, {unit}", type="log", row=row, col=col)
                plot.update_yaxes(title_text=f"ε_thr, {unit}", type="log", row=row, col=col)
    per_size = len(plot.data) // len(sizes)
    buttons = [
        {
            "label": f"{size} members",
            "method": "update",
            "args": [{"visible": [i // per_size == k for i in range(len(plot.data))]}],
        }
        for k, size in enumerate(sizes)
    ]
    plot.update_layout(
        title=f"D > τ against ε > ε_thr on the {kind} set, iteration {maps['iteration'].iloc[0]}",
        updatemenus=[{"buttons": buttons, "active": len(sizes) - 1, "x": 1.0, "y": 1.2}],
    )
    return json.loads(plot.to_json())


def _traces(part: pd.DataFrame, rate: str, *, visible: bool) -> list[Any]:
    """A heat map, and a cross at the calibrated threshold."""
    from plotly import graph_objects as go

    table = part[~part["calibrated"]].pivot(
        index="error_threshold", columns="disagreement_threshold", values=rate
    )
    at = part[part["calibrated"]]
    return [
        go.Heatmap(
            x=table.columns.tolist(),
            y=table.index.tolist(),
            z=table.to_numpy().tolist(),
            zmin=0,
            zmax=1,
            coloraxis=None,
            showscale=False,
            visible=visible,
        ),
        go.Scatter(
            x=at["disagreement_threshold"].tolist(),
            y=at["error_threshold"].tolist(),
            text=[f"{value:.2f}" for value in at[rate]],
            mode="markers+text",
            marker={"symbol": "x", "color": "red", "size": 10},
            textposition="top center",
            showlegend=False,
            visible=visible,
        ),
    ]
