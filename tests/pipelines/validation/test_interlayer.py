"""Layers: moved as wholes, and bound as their surface says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import mx2
from ase.calculators.lj import LennardJones

from potwright.errors import InputError
from potwright.pipelines.validation import interlayer
from potwright.pipelines.validation.interlayer import at_distance, layer_binding
from potwright.pipelines.validation.plans import NoResultError, Values, answer
from potwright.pipelines.validation.prototypes import Prototype
from potwright.pipelines.validation.surfaces import REFERENCE, Surface

GRAPHITE = {"structure": "graphite", "species": "C", "length_angstrom": 2.46, "c_angstrom": 6.7}


def telluride(layers: int, *, periodic: bool) -> Atoms:
    """A stack of MoTe₂: planes of one layer are 1.8 Å apart."""
    layer = mx2("MoTe2", a=3.5, thickness=3.6, vacuum=0.0)
    stack = Atoms(cell=layer.cell, pbc=(True, True, periodic))
    for i in range(layers):
        shifted = layer.copy()
        shifted.positions[:, 2] += 7.0 * i
        stack += shifted
    stack.cell[2] = [0, 0, 7.0 * layers + (0 if periodic else 13.0)]
    stack.pbc = (True, True, periodic)
    return stack


def planes(atoms: Atoms) -> np.ndarray:
    heights = np.sort(np.round(atoms.positions[:, 2], 6))
    return np.unique(heights)


@pytest.mark.parametrize("shift", [0.0, 4.0, -2.3])
def test_layers_move_as_wholes_wherever_the_boundary_cuts(shift: float) -> None:
    stack = telluride(2, periodic=True)
    stack.positions[:, 2] += shift
    stack.wrap()
    moved = at_distance(stack, 5.0)
    assert moved.cell.lengths()[2] == pytest.approx(2 * (3.6 + 5.0))
    assert np.diff(planes(moved)) == pytest.approx([1.8, 1.8, 5.0, 1.8, 1.8])
    # within its layer each atom keeps its neighbours
    molybdenum, tellurium = moved.numbers == 42, moved.numbers == 52
    shortest = moved.get_all_distances(mic=True)[np.ix_(molybdenum, tellurium)].min(axis=1)
    assert shortest == pytest.approx(np.full(2, np.hypot(3.5 / np.sqrt(3), 1.8)))


def test_a_bilayer_keeps_its_vacuum() -> None:
    stack = telluride(2, periodic=False)
    empty = stack.cell.lengths()[2] - np.ptp(stack.positions[:, 2])
    moved = at_distance(stack, 4.2)
    assert np.diff(planes(moved)) == pytest.approx([1.8, 1.8, 4.2, 1.8, 1.8])
    assert moved.cell.lengths()[2] - np.ptp(moved.positions[:, 2]) == pytest.approx(empty)


def test_one_sheet_has_no_distance() -> None:
    alone = Prototype(structure="graphene", species="C", length_angstrom=2.46).atoms
    with pytest.raises(InputError, match="no two layers"):
        at_distance(alone, 3.0)


def on_a_surface(well: float) -> object:
    """Of two gaps per cell, each a Morse potential of known depth and distance."""

    def evaluate(structures: Sequence[Atoms]) -> list[Values]:
        found = []
        for atoms in structures:
            gap = atoms.cell.lengths()[2] / 2
            energy = 2 * well * ((1 - np.exp(-2 * (gap - 3.4))) ** 2 - 1)
            found.append(Values(energy, np.zeros((len(atoms), 3)), np.zeros(6)))
        return found

    return evaluate


def test_the_minimum_and_its_depth_are_found() -> None:
    graphite = Prototype.model_validate(GRAPHITE).atoms
    distances = np.array([2.9, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.8, 4.2, 5.0, 20.0])
    found = answer(layer_binding(graphite, distances), on_a_surface(0.1))  # type: ignore[arg-type]
    assert found.distance == pytest.approx(3.4, abs=0.005)
    assert found.energy == pytest.approx(-2 * 0.1 / 4, rel=0.005)  # two gaps, four atoms
    with pytest.raises(NoResultError, match="no minimum"):
        answer(layer_binding(graphite, distances), on_a_surface(0.0))  # type: ignore[arg-type]


def test_dispersion_is_reported_apart_where_there_is_any(in_process, asked) -> None:
    """Where the choice is none there is one row, and not two."""
    surfaces = in_process({REFERENCE: LennardJones(epsilon=0.01, sigma=3.1, rc=9.0)})
    keys = {"prototypes": ["graphite"], "distances_angstrom": [2.6, 2.8, 3.0, 3.2, 3.5, 4.0, 8.0]}
    given = {"prototypes": {"graphite": GRAPHITE}, "interlayer": keys}
    result = interlayer.measure(surfaces, asked(**given, dispersion={"type": "d2"}))
    assert [c.quantity for c in result.curves] == [
        "interlayer binding, without dispersion",
        "interlayer binding, d2",
    ]
    alone = interlayer.measure(surfaces, asked(**given))
    assert [c.quantity for c in alone.curves] == ["interlayer binding"]
    assert {q.quantity for q in alone.quantities} == {
        "distance of the layers",
        "interlayer binding",
    }
    assert alone.quantities[0].values[Surface("reference")] == pytest.approx(3.1, abs=0.2)
