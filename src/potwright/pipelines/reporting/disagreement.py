"""Disagreement against error, with the lines that calibration fits (the paper's Fig. 5, right)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from potwright.pes import PESData
from potwright.pipelines.reporting import style
from potwright.uncertainty import PROPERTIES, Predictions
from potwright.uncertainty.evidence import evidence_sources, held_out_source, structure_evidence
from potwright.uncertainty.measurement import WRITTEN_UNITS, column

ROWS = {
    "member_error": ("ε, error of a member", "D = a·ε"),
    "mean_error": ("b, error of the mean", "D = b/factor"),
}


def draw_disagreement(
    predictions: Predictions,
    predictions_previous: Predictions,
    labelled: PESData,
    *,
    calibration: Mapping[str, Any],
    record: Mapping[str, Any],
    most_points: int,
) -> style.Figure:
    """D against ε and against b, of structures that no member has trained on; a column a property.

    The solid lines are those of the calibration, dashed ones its thresholds. The upper row rises
    even for a worthless disagreement, since ε² = D² + b²; whether D can be believed is seen in the
    lower one.

    Parameters
    ----------
    predictions, predictions_previous
        Of the current committee, and of the one that drew the audit sample.
    labelled
        All labelled structures.
    calibration, record
        The calibration report, and what is known of the current committee.
    most_points
        In each panel.
    """
    if not calibration or not len(predictions):
        return style.nothing("The committee has not been calibrated yet.")
    iteration = int(calibration["iteration"])
    sources = evidence_sources(predictions, predictions_previous, labelled, iteration, record)
    evidence = structure_evidence(sources | held_out_source(predictions, labelled, record))
    heads = [f"{name}, {WRITTEN_UNITS[name]}" for name in PROPERTIES] * len(ROWS)
    figure = style.panels(len(ROWS), len(PROPERTIES), heads)
    shown = total = outside = 0
    for col, name in enumerate(PROPERTIES, start=1):
        entry = calibration["properties"][name]
        for row, kind in enumerate(ROWS, start=1):
            table = _table(evidence, name, kind)
            chosen = table.iloc[style.thinned(table["x"].to_numpy(), most_points)]
            shown, total = shown + len(chosen), total + len(table)
            for trace in _points(chosen, legend=row == col == 1):
                figure.add_trace(trace, row, col)
            _lines(figure, table, entry, kind, (row, col))
            (x, left), (y, below) = (style.logarithmic(table[axis].to_numpy()) for axis in "xy")
            outside += max(left, below)
            figure.update_xaxes(title_text=ROWS[kind][0], **x, row=row, col=col)
            figure.update_yaxes(title_text="D, disagreement", **y, row=row, col=col)
    remarks = [style.thinning_remark(shown, total, "points")]
    if outside:
        remarks.append(f"At least {outside} points are too small for the axes, and not to be seen.")
    return style.finished(figure, " ".join(filter(None, remarks)))


def _table(evidence: pd.DataFrame, name: str, kind: str) -> pd.DataFrame:
    """The points of a panel; those without a logarithm are none."""
    table = pd.DataFrame(
        {
            "x": evidence[column(kind, name)].astype(float),
            "y": evidence[column("disagreement", name)].astype(float),
            "kind": evidence["evidence"],
            "id": evidence["id"],
        }
    )
    return table[(table["x"] > 0) & (table["y"] > 0)]


def _points(table: pd.DataFrame, *, legend: bool) -> list[Any]:
    from plotly import graph_objects as go

    traces = []
    for number, kind in enumerate(("validation", "audit", "test")):
        part = table[table["kind"] == kind]
        traces.append(
            go.Scatter(
                x=style.numbers(part["x"]) or [None],
                y=style.numbers(part["y"]) or [None],
                text=part["id"].str[:8].tolist(),
                mode="markers",
                marker={
                    "color": style.SETS[kind],
                    "symbol": style.SYMBOLS[number],
                    "size": 7,
                    "opacity": 0.8,
                },
                name=kind,
                legendgroup=kind,
                showlegend=legend,
            )
        )
    return traces


def _lines(
    figure: Any, table: pd.DataFrame, entry: Mapping[str, Any], kind: str, place: tuple[int, int]
) -> None:
    """The fitted line through the origin, and ε_thr with τ."""
    row, col = place
    ends = np.array([table["x"].min(), table["x"].max()]) if len(table) else np.empty(0)
    factor = entry["factor"]
    slope = entry["a"] if kind == "member_error" else (1 / factor if factor else None)
    name = ROWS[kind][1]
    if slope and len(ends):
        figure.add_scatter(
            x=style.numbers(ends),
            y=style.numbers(slope * ends),
            mode="lines",
            line={"color": style.VERMILION, "width": 2, "dash": "solid" if row == 1 else "dashdot"},
            name=name,
            legendgroup=name,
            showlegend=col == 1,
            row=row,
            col=col,
        )
    if kind != "member_error":
        return
    dashed = {"line": {"dash": "dash", "color": style.LINE, "width": 1}, "row": row, "col": col}
    figure.add_vline(entry["error_threshold"], **dashed)
    if entry["tau"]:
        figure.add_hline(entry["tau"], **dashed)
