"""Maps of the data: structures by descriptors in two dimensions (the paper's Fig. 5, left)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from potwright.pes import PESData
from potwright.pipelines.reporting import style

PERPLEXITY = 30.0
FEWEST = 5
"""With fewer structures there is nothing to map."""
WAYS = ("principal components", "t-SNE")
MOST_SHADES = 12
"""Where there are more iterations, several of them share a colour."""


@dataclass(frozen=True, eq=False)
class Places:
    """Where S structures lie on both maps; each of shape (S, 2)."""

    components: np.ndarray
    neighbours: np.ndarray


def draw_map(
    labelled: PESData, most: int, seed: int, describe: Callable[[PESData], np.ndarray]
) -> style.Figure:
    """Structures in two dimensions, by principal components and t-SNE, coloured in two ways.

    Parameters
    ----------
    labelled
        All labelled structures; isolated atoms, far from all others, are left out.
    most
        Of larger sets so many are drawn, in the order of their ids.
    seed
        For t-SNE.
    describe
        Gives a vector for each structure, shape (S, F).
    """
    pool = np.flatnonzero(labelled.origin != "isolated_atom")
    # ids are as good as random, and the first of them stay on the map when it grows
    chosen = np.sort(pool[np.argsort(labelled.id[pool])[:most]])
    structures = labelled[chosen]
    if len(structures) < FEWEST:
        return style.nothing(f"There are fewer than {FEWEST} labelled structures.")
    places = place(describe(structures), seed)
    titles = [f"{way}, by {what}" for way in WAYS for what in ("iteration", "origin")]
    figure = style.panels(len(WAYS), 2, titles)
    for row, points in enumerate((places.components, places.neighbours), start=1):
        for col, groups in enumerate((_iterations(structures), _origins(structures)), start=1):
            for group in groups:
                figure.add_trace(_points(points, structures.id, group, (row, col)), row, col)
    figure.update_xaxes(showticklabels=False, ticks="")
    figure.update_yaxes(showticklabels=False, ticks="")
    remark = ""
    if len(chosen) < len(pool):
        remark = f"{len(chosen):,} of {len(pool):,} structures, drawn in the order of ids."
    return style.finished(figure, remark)


def place(vectors: np.ndarray, seed: int) -> Places:
    """Vectors of S structures, shape (S, F), in two dimensions.

    Each number of a vector is brought to unit variance first; t-SNE starts from the components.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    spread = vectors.std(axis=0)
    varies = spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-300)
    scaled = (vectors[:, varies] - vectors[:, varies].mean(axis=0)) / spread[varies]
    if scaled.shape[1] < 2:
        scaled = np.pad(scaled, ((0, 0), (0, 2 - scaled.shape[1])))
    most = min(50, *scaled.shape)
    components = PCA(most, svd_solver="full").fit_transform(scaled)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed % 2**31)
    return Places(components[:, :2], model.fit_transform(components))


def mean_over_atoms(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mean over the atoms of each structure, shape (S, F)."""
    return np.add.reduceat(values, offsets[:-1], axis=0) / np.diff(offsets)[:, None]


Group = tuple[str, str, str, np.ndarray]


def _iterations(structures: PESData) -> Iterator[Group]:
    """Name, colour, symbol and members of each iteration, or of a few that follow each other."""
    blocks = np.array_split(np.unique(structures.iteration), MOST_SHADES)
    blocks = [block for block in blocks if len(block)]
    for block, colour in zip(blocks, style.shades(len(blocks)), strict=True):
        name = str(block[0]) if len(block) == 1 else f"{block[0]} to {block[-1]}"
        members = np.flatnonzero(np.isin(structures.iteration, block))
        yield name, colour, "circle", members


def _origins(structures: PESData) -> Iterator[Group]:
    """Name, colour, symbol and members of each origin."""
    for k, origin in enumerate(np.unique(structures.origin).tolist()):
        colour = style.KINDS[k % len(style.KINDS)]
        symbol = style.SYMBOLS[k % len(style.SYMBOLS)]
        yield origin, colour, symbol, np.flatnonzero(structures.origin == origin)


def _points(points: np.ndarray, ids: np.ndarray, group: Group, panel: tuple[int, int]) -> Any:
    from plotly import graph_objects as go

    name, colour, symbol, members = group
    row, col = panel
    what = "iteration" if col == 1 else "origin"
    return go.Scatter(
        x=style.numbers(points[members, 0]),
        y=style.numbers(points[members, 1]),
        text=[id_[:8] for id_ in ids[members].tolist()],
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 7, "opacity": 0.8},
        hovertemplate="%{text}",
        name=name,
        legendgroup=what,
        legendgrouptitle={"text": what},
        showlegend=row == 1,
    )
