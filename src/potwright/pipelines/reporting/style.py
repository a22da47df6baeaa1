"""How all figures look: colours, panels, thinned points, and figures of nothing.

Colours are those of Okabe and Ito (2008), which people with any common deficiency of colour vision
tell apart; where there are more kinds than colours, symbols differ, too. A figure is handed on in
plotly's JSON form. Its ``layout.meta`` names the axes of each panel, so that the report can put
panels below each other on a narrow screen, and says what is ``missing`` where nothing is shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

BLACK, GREY = "#222222", "#999999"
ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
KINDS = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, BLACK, GREY)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
SETS = {
    "training": GREY,
    "validation": ORANGE,
    "test": BLUE,
    "test of first iteration": SKY,
    "audit": PURPLE,
}
SIGNIFICANT_DIGITS = 5
PANEL_HEIGHT, MARGIN_HEIGHT = 300, 105
DECADES = 2.5
"""A logarithmic axis reaches so far below what is typical."""
Figure = dict[str, Any]


def panels(rows: int, cols: int, titles: Sequence[str], *, by_column: bool = False) -> Any:
    """An empty figure of panels with titles, as one of plotly's.

    Parameters
    ----------
    rows, cols
        Of panels.
    titles
        One for each panel, row by row.
    by_column
        Whether panels of one column follow each other where all are below each other.
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=rows, cols=cols, horizontal_spacing=0.1, vertical_spacing=0.2 / max(rows - 1, 1)
    )
    axes = [["" if k == 0 else str(k + 1)] * 2 for k in range(rows * cols)]
    names = [[f"x{x}", f"y{y}"] for x, y in axes]
    for (x, y), title in zip(names, titles, strict=True):
        figure.add_annotation(
            {"text": f"<b>{title}</b>", "xref": f"{x} domain", "yref": f"{y} domain", "x": 0}
            | {"y": 1, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
        )
    order = np.arange(rows * cols).reshape(rows, cols)
    order = order.T if by_column else order
    figure.update_layout(
        template="plotly_white",
        font={"family": "system-ui, sans-serif", "size": 13, "color": BLACK},
        height=rows * PANEL_HEIGHT + MARGIN_HEIGHT,
        margin={"l": 60, "r": 15, "t": 65, "b": 50},
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 1, "yanchor": "top"},
        meta={"panels": [names[k] for k in order.ravel().tolist()]},
    )
    figure.update_xaxes(title_standoff=6, showline=True, linecolor=GREY, ticks="outside")
    figure.update_yaxes(title_standoff=6, showline=True, linecolor=GREY, ticks="outside")
    return figure


def finished(figure: Any, remark: str = "") -> Figure:
    """The figure in its JSON form, with a remark on what it does not show."""
    if remark:
        figure.update_layout(meta={**figure.layout.meta, "remark": remark})
    return json.loads(figure.to_json())


def nothing(missing: str) -> Figure:
    """A figure that says why there is nothing to show."""
    note = {"text": missing, "showarrow": False, "xref": "paper", "yref": "paper"}
    axis = {"visible": False}
    layout = {"annotations": [note], "xaxis": axis, "yaxis": axis, "meta": {"missing": missing}}
    return {"data": [], "layout": layout}


def numbers(values: Any) -> list[float | None]:
    """Values as a list, with as many digits as a figure shows; None where there is none."""
    return [
        float(f"{value:.{SIGNIFICANT_DIGITS}g}") if np.isfinite(value) else None
        for value in np.asarray(values, dtype=float).ravel().tolist()
    ]


def logarithmic(values: np.ndarray) -> tuple[dict[str, Any], int]:
    """A logarithmic axis for positive values, and how many lie below its beginning.

    A structure whose forces vanish by symmetry would squeeze all others into a corner.
    """
    found = values[np.isfinite(values) & (values > 0)]
    if not len(found):
        return {"type": "log"}, 0
    low = max(float(found.min()), float(np.median(found)) / 10**DECADES)
    high = float(found.max())
    ends = [float(np.log10(low / 1.3)), float(np.log10(high * 1.3))]
    ticks = "D2" if ends[1] - ends[0] < 2 else 1
    return {"type": "log", "range": ends, "dtick": ticks}, int((found < low).sum())


def named_bars(figure: Any, names: Sequence[str], values: Sequence[float], **settings: Any) -> None:
    """Horizontal bars with their names and values written into or beside them."""
    place = {key: settings.pop(key) for key in ("row", "col")}
    texts = [f"{name}: {value:.4g}" for name, value in zip(names, values, strict=True)]
    figure.add_bar(
        y=list(names),
        x=list(values),
        text=texts,
        textposition="auto",
        insidetextanchor="start",
        textangle=0,
        orientation="h",
        showlegend=False,
        cliponaxis=False,
        hoverinfo="skip",
        **settings,
        **place,
    )
    figure.update_yaxes(showticklabels=False, ticks="", **place)


def thinned(importance: np.ndarray, most: int) -> np.ndarray:
    """Which points to show, ascending: at most ``most``, a tenth of them the most important.

    The others are drawn at random, always the same. A point that is not finite is no point.

    Parameters
    ----------
    importance
        Of each point, such as its error, shape (N,).
    most
        How many points at most.
    """
    points = np.flatnonzero(np.isfinite(importance))
    if len(points) <= most:
        return points
    outstanding = points[np.argsort(-importance[points], kind="stable")[: most // 10]]
    rest = np.setdiff1d(points, outstanding)
    drawn = np.random.default_rng(0).choice(rest, most - len(outstanding), replace=False)
    return np.sort(np.concatenate([outstanding, drawn]))


def thinning_remark(shown: int, all_: int, what: str) -> str:
    """What a figure says of points that it leaves out; nothing if it shows all."""
    if shown >= all_:
        return ""
    return (
        f"{shown:,} of {all_:,} {what} are drawn: a tenth are those that are farthest off, the "
        "others are drawn at random. Lines, histograms and numbers are of all."
    )


def shades(count: int) -> list[str]:
    """Colours of an ordered series, dark to light (viridis, without its lightest end)."""
    from plotly.colors import sample_colorscale

    places = np.linspace(0, 0.92, count).tolist() if count > 1 else [0.0]
    return sample_colorscale("Viridis", places)
