"""Pictures are of the newest structure of each origin, with all atoms and the periodic edges."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, graphene, molecule

from potwright.pes import PESData
from potwright.pipelines.reporting.structures import (
    MOST,
    choose_examples,
    draw_structures,
    periodic_edges,
)


def pes(*images, **columns):
    return PESData.from_atoms(list(images), labels="none").replace(**columns)


@pytest.fixture
def structures():
    images = [bulk("Cu", cubic=True), bulk("Au", cubic=True), molecule("H2O"), molecule("H")]
    origins = ["rattle", "rattle", "cluster", "isolated_atom"]
    return pes(*images, origin=origins, iteration=[1, 2, 1, 3])


def test_the_newest_of_each_origin_is_shown_and_no_isolated_atom(structures):
    assert choose_examples(structures).tolist() == [2, 1]  # water of the first, gold of the second


def test_all_atoms_are_drawn_and_the_nearest_last(structures):
    figure = draw_structures(structures)
    water, gold = (t for t in figure["data"] if t["mode"] == "markers" and t.get("text"))
    assert sorted(water["text"]) == ["H", "H", "O"]
    assert gold["text"] == ["Au"] * 4
    assert water["marker"]["size"][water["text"].index("O")] == max(water["marker"]["size"])
    legend = [trace["name"] for trace in figure["data"] if trace.get("name")]
    assert sorted(legend) == ["Au", "H", "O"]
    assert len(figure["layout"]["meta"]["panels"]) == 2


@pytest.mark.parametrize(("pbc", "edges"), [((1, 1, 1), 12), ((1, 1, 0), 4), ((0, 0, 1), 1)])
def test_edges_are_those_of_the_periodic_axes(pbc, edges):
    cell = np.array([[3.0, 0, 0], [1.0, 4.0, 0], [0, 0, 5.0]])
    found = periodic_edges(cell, np.array(pbc, dtype=bool), np.array([[1.0, 1.0, 2.0]]))
    assert found.shape == (edges, 2, 3)
    assert len(np.unique(np.sort(found.round(9), axis=1).reshape(edges, 6), axis=0)) == edges
    along = np.linalg.norm(found[:, 1] - found[:, 0], axis=1)
    lengths = np.linalg.norm(cell, axis=1)[np.flatnonzero(pbc)]
    np.testing.assert_allclose(np.unique(along.round(9)), np.unique(lengths.round(9)))


def test_a_sheet_has_its_edges_where_its_atoms_are_and_a_molecule_has_none():
    sheet = graphene(vacuum=7.0)
    sheet.pbc = [True, True, False]
    edges = periodic_edges(sheet.cell.array, sheet.pbc, sheet.positions)
    np.testing.assert_allclose(edges[..., 2], 7.0)
    water = molecule("H2O")
    assert periodic_edges(water.cell.array, water.pbc, water.positions).shape == (0, 2, 3)


def test_what_is_not_drawn_is_counted():
    many = pes(*[molecule("H2O")] * (MOST + 2), origin=[f"origin {k}" for k in range(MOST + 2)])
    assert draw_structures(many)["layout"]["meta"]["remark"] == "2 more origins are not drawn."
    assert "remark" not in draw_structures(many[:MOST])["layout"]["meta"]
    assert "no labelled structures" in draw_structures(PESData.empty())["layout"]["meta"]["missing"]
