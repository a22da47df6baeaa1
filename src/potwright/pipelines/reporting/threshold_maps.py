"""What thresholds on disagreement find and miss (the paper's Fig. 5, insets)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from potwright.pipelines.reporting import style
from potwright.uncertainty.measurement import WRITTEN_UNITS

COLOURBAR = {"thickness": 12, "lenmode": "pixels", "len": 250, "y": 1, "yanchor": "top"}
RATES = {"true_positive_rate": "TPR", "positive_predictive_value": "PPV"}


def draw_threshold_maps(maps: pd.DataFrame) -> style.Figure:
    """TPR and PPV of the newest iteration as heat maps, one column a property.

    The audit sample is shown where there is one, else the test set; the cross is the calibrated
    threshold. A menu chooses the number of members.
    """
    if not len(maps):
        return style.nothing("There are no labels to count on yet.")
    maps = maps[maps["iteration"] == maps["iteration"].max()]
    kinds = maps["evidence"].unique().tolist()
    kind = "audit" if "audit" in kinds else kinds[0]
    maps = maps[maps["evidence"] == kind]
    properties, sizes = maps["property"].unique().tolist(), sorted(maps["members"].unique())
    titles = [
        f"{short}, {name}, {WRITTEN_UNITS[name]}" for short in RATES.values() for name in properties
    ]
    figure = style.panels(len(RATES), len(properties), titles)
    for size in sizes:
        for row, rate in enumerate(RATES, start=1):
            for col, name in enumerate(properties, start=1):
                part = maps[(maps["members"] == size) & (maps["property"] == name)]
                for trace in _traces(part, rate, visible=bool(size == sizes[-1])):
                    figure.add_trace(trace, row=row, col=col)
    for col, name in enumerate(properties, start=1):
        part = maps[maps["property"] == name]
        x, _ = style.logarithmic(part["disagreement_threshold"].to_numpy())
        y, _ = style.logarithmic(part["error_threshold"].to_numpy())
        figure.update_xaxes(title_text="τ, threshold on D", **x, col=col)
        figure.update_yaxes(title_text="ε_thr, tolerated error", **y, col=col)
    colours = {"colorscale": "Viridis", "cmin": 0, "cmax": 1, "colorbar": COLOURBAR}
    figure.update_layout(coloraxis=colours, updatemenus=[_menu(sizes, len(figure.data))])
    return style.finished(
        figure, f"D > τ against ε > ε_thr, counted on the structures of the {kind} set."
    )


def _menu(sizes: list[int], traces: int) -> dict[str, Any]:
    """Shows the maps of one number of members."""
    per_size = traces // len(sizes)
    buttons = [
        {
            "label": f"{size} members",
            "method": "update",
            "args": [{"visible": [i // per_size == k for i in range(traces)]}],
        }
        for k, size in enumerate(sizes)
    ]
    place = {"x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left", "pad": {"b": 24}}
    return {"buttons": buttons, "active": len(sizes) - 1, **place}


def _traces(part: pd.DataFrame, rate: str, *, visible: bool) -> list[Any]:
    """A heat map, and a cross at the calibrated threshold."""
    from plotly import graph_objects as go

    table = part[~part["calibrated"]].pivot(
        index="error_threshold", columns="disagreement_threshold", values=rate
    )
    at = part[part["calibrated"]]
    return [
        go.Heatmap(
            x=style.numbers(table.columns),
            y=style.numbers(table.index),
            z=[style.numbers(row) for row in table.to_numpy()],
            coloraxis="coloraxis",
            hovertemplate="τ %{x}, ε_thr %{y}: %{z}<extra></extra>",
            visible=visible,
        ),
        go.Scatter(
            x=style.numbers(at["disagreement_threshold"]),
            y=style.numbers(at["error_threshold"]),
            text=["" if pd.isna(value) else f"{value:.2f}" for value in at[rate]],
            mode="markers+text",
            marker={"symbol": "x", "color": style.VERMILION, "size": 10},
            textfont={"color": style.VERMILION},
            textposition="top center",
            showlegend=False,
            visible=visible,
        ),
    ]
