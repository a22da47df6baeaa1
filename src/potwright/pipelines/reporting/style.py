"""How all figures look: colours, panels, thinned points, and figures of nothing.

Colours are those of Okabe and Ito (2008), which people with any common deficiency of colour vision
tell apart; where there are more kinds than colours, symbols differ, too. A figure is handed on in
plotly's JSON form. Its ``layout.meta`` names the axes of each panel, so that the report can put
panels below each other on a narrow screen, and says what is ``missing`` where nothing is shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

BLACK, GREY, LINE = "#222222", "#999999", "#777777"
GRID = "rgba(128, 128, 128, 0.2)"
"""Like all lines, to be seen on white and on the dark ground of Kedro-Viz."""
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
PANEL_HEIGHT, MARGIN_HEIGHT, LEGEND_ROW = 300, 105, 21
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
        rows=rows, cols=cols, horizontal_spacing=0.1, vertical_spacing=0.16 / max(rows - 1, 1)
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
        template="none",
        font={"family": "system-ui, sans-serif", "size": 13, "color": BLACK},
        height=rows * PANEL_HEIGHT + MARGIN_HEIGHT,
        margin={"l": 60, "r": 15, "t": 65, "b": 50},
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 1, "yanchor": "top"},
        meta={"panels": [names[k] for k in order.ravel().tolist()]},
    )
    axis = {"title_standoff": 6, "showline": True, "linecolor": GREY, "ticks": "outside"}
    axis |= {"gridcolor": GRID, "zerolinecolor": GRID}
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    return figure


def finished(figure: Any, remark: str = "") -> Figure:
    """The figure in its JSON form, with a remark on what it does not show."""
    titled = [t.legendgroup for t in figure.data if t.showlegend and t.legendgrouptitle.text]
    if titled:  # such groups stand side by side, each a column
        rows = 1 + max(map(titled.count, titled))
        grown = max(0, LEGEND_ROW * rows + 25 - figure.layout.margin.t)
        figure.update_layout(height=figure.layout.height + grown)
        figure.update_layout(margin={"t": figure.layout.margin.t + grown})
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


def three_digits(value: float) -> str:
    """Rounded so; larger numbers to whole ones, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def logarithmic(values: np.ndarray) -> tuple[dict[str, Any], int]:
    """A logarithmic axis for positive values, and how many lie below its beginning.

    A structure whose forces vanish by symmetry would squeeze all others into a corner.
    """
    found = values[np.isfinite(values) & (values > 0)]
    if not len(found):
        return {"type": "log"}, 0
    shown = found[found >= np.median(found) / 10**DECADES]
    low, high = float(shown.min()) / 1.2, float(shown.max()) * 1.2
    steps = (1, 2, 5) if high / low < 100 else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**power for power in powers for step in steps]
    axis = {
        "type": "log",
        "range": [math.log10(low), math.log10(high)],
        "tickvals": ticks,
        "ticktext": [f"{tick:g}" for tick in ticks],
    }
    return axis, len(found) - len(shown)


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

    lightest = min(0.9, 0.25 + 0.3 * (count - 1))
    places = np.linspace(0, lightest, count).tolist() if count > 1 else [0.0]
    return sample_colorscale("Viridis", places)
