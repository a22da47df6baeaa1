"""Errors over iterations, with the spread of the committee (the paper's Fig. 4, top)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from potwright.iteration_reports import IterationReports
from potwright.pipelines.reporting import style
from potwright.uncertainty import PROPERTIES
from potwright.uncertainty.measurement import UNITS, WRITTEN_UNITS

WIDE_RANGE = 30.0
"""Where the largest error is more than this times the smallest, the axis is logarithmic."""


def draw_learning_curves(history: Sequence[IterationReports]) -> style.Figure:
    """Root mean square errors of each iteration on each set, one panel a property.

    Points are the mean over the members, bars their standard deviation; the dotted line is the
    committee mean on the test set, the dashed one the tolerated error.
    """
    tables = [reports.metrics for reports in history if not reports.metrics.empty]
    if not tables:
        return style.nothing("No iteration has come to errors yet.")
    metrics = pd.concat(tables, ignore_index=True)
    metrics = metrics[metrics["origin"] == "all"]
    titles = [f"{name}, {WRITTEN_UNITS[name]}" for name in PROPERTIES]
    figure = style.panels(1, len(PROPERTIES), titles)
    for col, name in enumerate(PROPERTIES, start=1):
        for which, colour in style.SETS.items():
            for line in _lines(metrics[metrics["set"] == which], which, name, colour):
                figure.add_trace(line.update(showlegend=line.showlegend and col == 1), 1, col)
        threshold = _threshold(history, name)
        if threshold:
            figure.add_hline(threshold, line={"dash": "dash", "color": style.LINE}, row=1, col=col)
        wide = _is_wide(metrics, name)
        scale: dict[str, Any] = {"type": "log", "dtick": "D2"} if wide else {"rangemode": "tozero"}
        figure.update_yaxes(**scale, row=1, col=col)
    ticks = {number: _tick(number, metrics) for number in sorted(set(metrics["iteration"]))}
    ends = [min(ticks) - 0.5, max(ticks) + 0.5]  # room for the labels below the ends
    figure.update_xaxes(tickvals=list(ticks), ticktext=list(ticks.values()), range=ends)
    figure.update_xaxes(title_text="iteration, structures labelled", automargin=True)
    return style.finished(figure)


def _lines(rows: pd.DataFrame, which: str, name: str, colour: str) -> list[Any]:
    """The members' mean with its bars, and on the test set the committee's."""
    from plotly import graph_objects as go

    members, committee = (
        f"rmse_{name}_{kind}_{UNITS[name]}" for kind in ("members_mean", "committee")
    )
    rows = rows[rows[members].notna()]
    if rows.empty:
        return []
    common = {"x": rows["iteration"].tolist(), "legendgroup": which}
    spread = style.numbers(rows[f"rmse_{name}_members_std_{UNITS[name]}"].fillna(0.0))
    counts = rows["structures"].tolist()
    lines = [
        go.Scatter(
            y=style.numbers(rows[members]),
            error_y={"type": "data", "array": spread, "thickness": 1.5},
            mode="lines+markers",
            name=which,
            line={"color": colour},
            marker={"symbol": style.SYMBOLS[list(style.SETS).index(which)], "size": 8},
            customdata=[[number, at] for number, at in zip(counts, spread, strict=True)],
            hovertemplate="%{y} ± %{customdata[1]} on %{customdata[0]} structures",
            showlegend=True,
            **common,
        )
    ]
    if which == "test":
        lines.append(
            go.Scatter(
                y=style.numbers(rows[committee]),
                mode="lines",
                name="test, committee mean",
                line={"color": colour, "dash": "dot"},
                showlegend=True,
                **common,
            )
        )
    return lines


def _threshold(history: Sequence[IterationReports], name: str) -> float | None:
    """The tolerated error of the last iteration that has one."""
    known = [r.calibration["properties"][name] for r in history if r.calibration]
    return float(known[-1]["error_threshold"]) if known else None


def _is_wide(metrics: pd.DataFrame, name: str) -> bool:
    values = metrics[f"rmse_{name}_members_mean_{UNITS[name]}"]
    values = values[values > 0]
    return bool(len(values)) and bool(values.max() > WIDE_RANGE * values.min())


def _tick(number: int, metrics: pd.DataFrame) -> str:
    """The iteration, and how many structures were labelled."""
    rows = metrics[metrics["iteration"] == number]
    rows = rows[rows["set"].isin(["training", "validation", "test"])]
    counted = rows["structures"].sum() + rows.get("left_out", pd.Series(dtype=int)).sum()
    return f"{number}<br>{int(counted):,}"
