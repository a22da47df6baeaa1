"""Phonons: sound travels as the elastic constants say, and states are conserved."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from stillinger_weber import StillingerWeber

from potwright.pipelines.validation import phonons as stage
from potwright.pipelines.validation.phonons import Phonons, phonons
from potwright.pipelines.validation.plans import carry_out

GAMMA = [0.0, 0.0, 0.0]
X = np.array([0.5, 0.0, 0.5])


@pytest.fixture(scope="module")
def silicon() -> Phonons:
    points = np.array([GAMMA, X, 0.02 * X])
    return carry_out(phonons(bulk("Si", a=5.4), (2, 2, 2), points), StillingerWeber())


def test_sound_travels_as_the_published_elastic_constants_say(silicon: Phonons) -> None:
    """ρv² is c44 of both transverse and c11 of longitudinal waves along [100].

    c11 = 151.4 and c44 = 56.4 GPa: E. R. Cowley, Phys. Rev. Lett. 60, 2379 (1988).
    """
    side = silicon.relaxed.cell.lengths()[0] * np.sqrt(2)
    density = 8 * 28.085 / side**3
    wavelength = side / 0.02  # X is 2π/a
    speed = silicon.on_path[2, :3] * wavelength / (1e3 * units.fs)  # THz Å, in ASE's units
    assert density * speed**2 / units.GPa == pytest.approx([56.4, 56.4, 151.4], rel=0.02)


def test_acoustic_modes_at_the_centre_cost_nothing_and_optical_ones_are_equal(
    silicon: Phonons,
) -> None:
    at_centre = silicon.on_path[0]
    assert at_centre[:3] == pytest.approx(0, abs=1e-3)
    assert np.ptp(at_centre[3:]) < 1e-3


def test_there_are_three_states_for_each_atom(silicon: Phonons) -> None:
    grid = np.linspace(-2, 22, 3001)
    states = np.trapezoid(silicon.density_of_states(grid), grid)
    assert states == pytest.approx(3 * len(silicon.relaxed), rel=1e-4)
    assert silicon.heat_capacity(1e5) == pytest.approx(3, rel=1e-3)  # Dulong and Petit
    assert silicon.heat_capacity(20) < 0.1


def test_frequencies_grow_as_the_root_of_the_surface(multiples, asked) -> None:
    keys = {"prototypes": ["copper"], "min_length_angstrom": 5.0, "points": 40}
    result = stage.measure(multiples, asked(phonons=keys))
    highest = next(q for q in result.quantities if q.quantity == "highest frequency").values
    ratios = [value / highest[("reference", None)] for value in highest.values()]
    assert ratios == pytest.approx(np.sqrt([1.0, 1.1, 1.0, 1.2]), rel=1e-3)
    bands, states = result.curves
    assert len(bands.x) == len(bands.y[("committee", None)]) == 40
    assert set(bands.marks) >= {"G", "X", "L"}
    assert np.trapezoid(states.y[("committee", 1)], states.x) == pytest.approx(3, rel=0.01)


def test_the_cell_may_be_seen_as_a_supercell(asked) -> None:
    """As an engine at Γ needs it: the relaxation is that of the cell all the same."""
    points = np.array([X])
    alone = carry_out(phonons(bulk("Cu"), (3, 3, 3), points), EMT())
    folded = carry_out(phonons(bulk("Cu"), (3, 3, 3), points, repeats=(2, 1, 2)), EMT())
    assert folded.on_path == pytest.approx(alone.on_path, abs=1e-3)
