"""What validation measured, in the catalog: a document that Kedro-Viz shows as a figure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro_datasets._typing import PlotlyPreview

from potwright.datasets.documents import JSONDataset

if TYPE_CHECKING:
    from collections.abc import Iterator

COLOURS = ("#d95f02", "#1b6ca8", "#2a9d4a", "#7b3fa0", "#b8860b", "#c2185b")
GREY = "#808080"  # seen on light and on dark pages
AXIS = {
    "showline": True,
    "linecolor": GREY,
    "gridcolor": "rgba(128, 128, 128, 0.2)",
    "zeroline": False,
}


class ValidationResultsDataset(JSONDataset):
    """A document as :func:`potwright.pipelines.validation.results.document` makes it."""

    def preview(self) -> PlotlyPreview:
        """All curves; a menu chooses among them."""
        return PlotlyPreview(figure(self.load()))


def figure(results: dict[str, Any]) -> dict[str, Any]:
    """A plotly figure: one curve of one structure at a time.

    The reference is grey, each potential has a colour; its members are thin lines.
    """
    from plotly import graph_objects as go

    curves = [one for test in results.values() for one in test["curves"]]
    if not curves:
        return {"data": [], "layout": {"title": {"text": "no test with a curve was enabled"}}}
    plot, owners = go.Figure(), []
    for number, curve in enumerate(curves):
        for trace in _traces(curve):
            plot.add_trace(trace | {"visible": number == 0})
            owners.append(number)
    titles = [f"{one['structure']}: {one['quantity']}" for one in curves]
    buttons = [
        {
            "label": title,
            "method": "update",
            "args": [
                {"visible": [owner == number for owner in owners]},
                _axes(curve, title),
            ],
        }
        for number, (curve, title) in enumerate(zip(curves, titles, strict=True))
    ]
    plot.update_layout(
        **_axes(curves[0], titles[0]),
        template="none",
        updatemenus=[{"buttons": buttons, "active": 0, "x": 1.0, "y": 1.2}],
    )
    return dict(json.loads(plot.to_json()))


def _axes(curve: dict[str, Any], title: str) -> dict[str, Any]:
    marks = curve.get("marks") or {}
    ticks = {"tickvals": list(marks.values()), "ticktext": [name.split()[0] for name in marks]}
    nothing = {"tickvals": None, "ticktext": None}
    return {
        "title": {"text": title},
        "xaxis": AXIS | {"title": {"text": curve["x_label"]}, **(ticks if marks else nothing)},
        "yaxis": AXIS | {"title": {"text": curve["y_label"]}},
    }


def _traces(curve: dict[str, Any]) -> Iterator[dict[str, Any]]:
    x, points = curve["x"], "parity" in curve["quantity"]
    mode = "markers" if points else "lines"
    if points:
        ends = [min(x), max(x)]
        yield _trace(ends, ends, "reference", {"color": GREY, "width": 1.0}, "lines")
    elif curve["y"]["reference"] is not None:
        yield _trace(x, curve["y"]["reference"], "reference", {"color": GREY, "width": 2.5}, mode)
    for colour, (name, values) in zip(
        COLOURS * len(curve["y"]["potentials"]), curve["y"]["potentials"].items(), strict=False
    ):
        for k, member in enumerate([] if points else values["members"]):
            line = {"color": colour, "width": 0.7}
            member_line = _trace(x, member, f"{name}, member {k}", line, mode)
            yield member_line | {"opacity": 0.5, "legendgroup": name, "showlegend": False}
        if values["mean"] is not None:
            mean = _trace(x, values["mean"], name, {"color": colour, "width": 2.0}, mode)
            yield mean | {"legendgroup": name}


def _trace(x: Any, y: Any, name: str, line: dict[str, Any], mode: str) -> dict[str, Any]:
    """One line; of several branches, one after the other with gaps between."""
    branches = np.atleast_2d(np.array(y, dtype=float).T)
    gap = np.full((len(branches), 1), np.nan)
    along = np.hstack([np.tile(np.array(x, dtype=float), (len(branches), 1)), gap])
    values = np.hstack([branches, gap])
    style = {"marker": {"color": line["color"], "size": 4}, "line": line}
    plain = [[None if np.isnan(v) else v for v in a.ravel().tolist()] for a in (along, values)]
    return {"type": "scatter", "x": plain[0], "y": plain[1], "name": name, "mode": mode, **style}
