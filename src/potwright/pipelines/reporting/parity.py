"""Predicted against reference values, and how errors are distributed (the paper's Fig. 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.reporting import style
from potwright.uncertainty import PROPERTIES, Predictions
from potwright.uncertainty.measurement import MILLI, WRITTEN_UNITS

SHOWN = ("training", "test")
BINS = 41
UNITS = {"energy": "eV/atom", "forces": "eV/Å", "stress": "eV/Å³"}


@dataclass(frozen=True, eq=False)
class Pairs:
    """Reference and committee mean of one property, shape (K,) each; no NaN."""

    reference: np.ndarray
    predicted: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Predicted minus reference, shape (K,)."""
        return self.predicted - self.reference


def draw_parity(predictions: Predictions, labelled: PESData, most_points: int) -> style.Figure:
    """The committee mean against the labels, above the histogram of its errors.

    Energies per atom, and all components of forces and stress, of the training and the test set.
    Isolated atoms, which are not learnt, are left out.
    """
    sets = {which: pairs_of(predictions, labelled, which) for which in SHOWN}
    if not any(len(pairs["energy"].error) for pairs in sets.values()):
        return style.nothing("There are no predictions of labelled structures yet.")
    heads = [f"{name}, {UNITS[name]}" for name in PROPERTIES]
    heads += [f"error of {name}, {WRITTEN_UNITS[name]}" for name in PROPERTIES]
    figure = style.panels(2, len(PROPERTIES), heads, by_column=True)
    shown = total = 0
    for col, name in enumerate(PROPERTIES, start=1):
        for which, pairs in sets.items():
            if not len(pairs[name].error):
                continue
            chosen = style.thinned(np.abs(pairs[name].error), most_points)
            shown, total = shown + len(chosen), total + len(pairs[name].error)
            figure.add_trace(_points(pairs[name], chosen, which, legend=col == 1), 1, col)
            figure.add_trace(_histogram(pairs[name], which), 2, col)
        _diagonal(figure, [pairs[name] for pairs in sets.values()], col)
        figure.update_yaxes(title_text="committee mean", row=1, col=col)
        figure.update_xaxes(title_text="reference", row=1, col=col)
        figure.update_yaxes(title_text="share of values", row=2, col=col)
    figure.update_layout(barmode="overlay", bargap=0)
    return style.finished(figure, style.thinning_remark(shown, total, "values"))


def pairs_of(predictions: Predictions, labelled: PESData, which: str) -> dict[str, Pairs]:
    """Reference and predicted values of the structures of one split."""
    known = (predictions.index_of(labelled.id) >= 0) & labelled.has_labels
    chosen = np.flatnonzero(
        known & (labelled.split == which) & (labelled.origin != "isolated_atom")
    )
    structures = labelled[chosen]
    if not len(structures):
        return {name: Pairs(np.empty(0), np.empty(0)) for name in PROPERTIES}
    found = predictions.select(structures.id)
    both = {
        "energy": (structures.energy / structures.n_atoms, found.energy / structures.n_atoms),
        "forces": (structures.forces, found.forces),
        "stress": (structures.stress, found.stress),
    }
    pairs = {}
    for name, (reference, members) in both.items():
        x, y = reference.ravel(), members.mean(axis=0).ravel()
        there = np.isfinite(x) & np.isfinite(y)
        pairs[name] = Pairs(x[there], y[there])
    return pairs


def _points(pairs: Pairs, chosen: np.ndarray, which: str, *, legend: bool) -> Any:
    from plotly import graph_objects as go

    return go.Scatter(
        x=style.numbers(pairs.reference[chosen]),
        y=style.numbers(pairs.predicted[chosen]),
        mode="markers",
        marker={"color": style.SETS[which], "size": 5, "opacity": 0.6},
        name=which,
        legendgroup=which,
        showlegend=legend,
    )


def _histogram(pairs: Pairs, which: str) -> Any:
    """Bars of all errors; the outermost ones hold what lies beyond."""
    from plotly import graph_objects as go

    error = MILLI * pairs.error
    reach = max(float(np.quantile(np.abs(error), 0.98)) * 1.2, 1e-9)
    edges = np.linspace(-reach, reach, BINS + 1)
    counts, _ = np.histogram(np.clip(error, -reach, reach), edges)
    rms = float(np.sqrt(np.mean(error**2)))
    return go.Bar(
        x=style.numbers((edges[1:] + edges[:-1]) / 2),
        y=style.numbers(counts / len(error)),
        width=float(edges[1] - edges[0]),
        marker={"color": style.SETS[which], "opacity": 0.6, "line": {"width": 0}},
        legendgroup=which,
        showlegend=False,
        name=f"{which}, RMS {style.three_digits(rms)}",
    )


def _diagonal(figure: Any, all_pairs: list[Pairs], col: int) -> None:
    values = np.concatenate([v for p in all_pairs for v in (p.reference, p.predicted)])
    if len(values):
        ends = style.numbers([values.min(), values.max()])
        line = {"x": ends, "y": ends, "mode": "lines", "showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(**line, line={"color": style.LINE, "width": 1}, row=1, col=col)
