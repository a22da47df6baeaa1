"""Pictures of labelled structures, one of each origin."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from ase.utils import rotate

from potwright.pes import PESData
from potwright.pipelines.reporting import style

COLUMNS, MOST = 4, 8
VIEW = "20z,-60x"
"""From the front, from above and from the side a little, as ``ase.utils.rotate`` has it."""
PANEL_PIXELS, GAP_PIXELS = 190, 60
RADIUS = 0.7
"""Drawn share of the covalent radius, so that atoms behind are seen."""
OUTLINE = {"color": style.BLACK, "width": 0.5}


def draw_structures(labelled: PESData) -> style.Figure:
    """The newest structure of each origin: atoms as they lie in the cell, and its periodic edges.

    Of one iteration it is that whose id comes first. Isolated atoms are left out. Circles have
    Jmol's colours, and are to scale with covalent radii (Cordero et al., Dalton Trans. 2832, 2008)
    where panels are as wide as on a desk.
    """
    examples = choose_examples(labelled)
    if not len(examples):
        return style.nothing("There are no labelled structures yet.")
    shown = labelled[examples[:MOST]]
    counts = zip(shown.origin.tolist(), shown.n_atoms.tolist(), strict=True)
    rows = -(-len(shown) // COLUMNS)
    titles = [f"{origin}, {count} atoms" for origin, count in counts]
    titles += [""] * (rows * COLUMNS - len(shown))
    figure = style.panels(rows, COLUMNS, titles)
    for k, atoms in enumerate(shown.to_atoms()):
        _draw(figure, atoms, shown.id[k], row=k // COLUMNS + 1, col=k % COLUMNS + 1)
    _explain(figure, shown.species)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    for k in range(rows * COLUMNS):
        figure.layout[f"yaxis{k + 1 if k else ''}"].scaleanchor = f"x{k + 1 if k else ''}"
    figure.update_layout(
        meta={"panels": figure.layout.meta["panels"][: len(shown)]},
        height=rows * (PANEL_PIXELS + GAP_PIXELS) + style.MARGIN_HEIGHT,
    )
    left_out = len(examples) - len(shown)
    return style.finished(figure, f"{left_out} more origins are not drawn." if left_out else "")


def choose_examples(labelled: PESData) -> np.ndarray:
    """Rows of the newest structure of each origin, older iterations first, no isolated atoms."""
    pool = np.flatnonzero(labelled.origin != "isolated_atom")
    newest_first = pool[np.lexsort((labelled.id[pool], -labelled.iteration[pool]))]
    _, firsts = np.unique(labelled.origin[newest_first], return_index=True)
    chosen = newest_first[firsts]
    return chosen[np.lexsort((labelled.origin[chosen], labelled.iteration[chosen]))]


def periodic_edges(cell: np.ndarray, pbc: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Edges of the cell along its periodic axes, shape (E, 2, 3), in Å.

    A sheet has a parallelogram, a wire a line, each at the height of its atoms.
    """
    axes, others = np.flatnonzero(pbc), np.flatnonzero(~np.asarray(pbc))
    fractional = np.linalg.lstsq(cell.T, positions.mean(axis=0), rcond=None)[0]
    corner = fractional[others] @ cell[others]
    edges = []
    for axis in axes:
        rest = axes[axes != axis]
        for steps in product((0, 1), repeat=len(rest)):
            start = corner + np.array(steps) @ cell[rest]
            edges.append([start, start + cell[axis]])
    return np.array(edges).reshape(-1, 2, 3)


def _draw(figure: Any, atoms: Any, id_: str, **panel: int) -> None:
    atoms.wrap()
    turn = rotate(VIEW)
    edges = periodic_edges(atoms.cell.array, atoms.pbc, atoms.positions) @ turn
    lines = np.concatenate([edges, np.full((len(edges), 1, 3), np.nan)], axis=1).reshape(-1, 3)
    figure.add_scatter(
        x=style.numbers(lines[:, 0]),
        y=style.numbers(lines[:, 1]),
        mode="lines",
        line={"color": style.LINE, "width": 1},
        hoverinfo="skip",
        showlegend=False,
        **panel,
    )
    seen = atoms.positions @ turn
    nearest_last = np.argsort(seen[:, 2], kind="stable")
    numbers, seen = atoms.numbers[nearest_last], seen[nearest_last]
    radii = RADIUS * covalent_radii[numbers]
    drawn = np.concatenate([seen, edges.reshape(-1, 3)])[:, :2]
    pixels_per_angstrom = PANEL_PIXELS / (np.ptp(drawn, axis=0).max() + 2 * radii.max())
    figure.add_scatter(
        x=style.numbers(seen[:, 0]),
        y=style.numbers(seen[:, 1]),
        mode="markers",
        marker={
            "color": [_colour(number) for number in numbers.tolist()],
            "size": style.numbers(2 * radii * pixels_per_angstrom),
            "line": OUTLINE,
            "opacity": 1,
        },
        text=[chemical_symbols[number] for number in numbers.tolist()],
        hovertemplate=f"%{{text}}<extra>{atoms.get_chemical_formula()}<br>{id_[:8]}</extra>",
        showlegend=False,
        **panel,
    )


def _explain(figure: Any, species: list[int]) -> None:
    """The legend, an entry for each element."""
    for number in species:
        marker = {"color": _colour(number), "size": 10, "line": OUTLINE}
        name = chemical_symbols[number]
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker, name=name)


def _colour(number: int) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in jmol_colors[number])
