"""Equations of state: minima and stiffnesses that are known in closed form or published."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.emt import parameters as emt_parameters
from ase.calculators.morse import MorsePotential
from stillinger_weber import StillingerWeber

from potwright.pipelines.validation import equations_of_state
from potwright.pipelines.validation.elastic import elastic_constants
from potwright.pipelines.validation.equations_of_state import (
    NEWTON_PER_METRE,
    equation_of_state,
    scaled,
)
from potwright.pipelines.validation.plans import carry_out
from potwright.pipelines.validation.results import table

SCALES = np.linspace(0.9, 1.2, 7)


def test_silicon_of_stillinger_and_weber() -> None:
    """5.431 Å, 2 ε: Phys. Rev. B 31, 5262 (1985); 101.4 GPa: Cowley, PRL 60, 2379 (1988)."""
    found = carry_out(equation_of_state(bulk("Si", a=5.3), SCALES), StillingerWeber())
    assert found.bond * 4 / np.sqrt(3) == pytest.approx(5.431, abs=0.001)
    assert found.energy == pytest.approx(-2 * 2.1683, abs=1e-4)
    assert found.stiffness / units.GPa == pytest.approx(101.4, rel=0.005)
    assert found.measure == pytest.approx(5.431**3 / 8, rel=0.001)


def test_copper_of_effective_medium_theory() -> None:
    """a from s₀, B = −E₀ λ²/(12 π s₀): Jacobsen, Stoltze, Nørskov, Surf. Sci. 366, 394 (1996)."""
    e0, s0, _, _, _, decay, _ = emt_parameters["Cu"]
    found = carry_out(equation_of_state(bulk("Cu", a=3.5), SCALES), EMT())
    lattice = s0 * units.Bohr * (16 * np.pi / 3) ** (1 / 3)
    modulus = -e0 * decay**2 / (12 * np.pi * s0) / units.Bohr**3 / units.GPa
    assert found.bond * np.sqrt(2) == pytest.approx(lattice, rel=0.01)
    assert found.stiffness / units.GPa == pytest.approx(modulus, rel=0.02)


def test_a_pair_of_atoms() -> None:
    """Morse: depth, distance, and 2 ε (ρ₀/r₀)²."""
    calculator = MorsePotential(epsilon=2.0, r0=1.4, rho0=5.0, rcut1=20.0, rcut2=21.0)
    pair = Atoms("C2", [[0, 0, 0], [0, 0, 1.3]])
    found = carry_out(equation_of_state(pair, SCALES), calculator)
    assert (found.bond, found.energy) == pytest.approx((1.4, -1.0), abs=1e-4)
    assert found.stiffness == pytest.approx(2 * 2.0 * (5.0 / 1.4) ** 2, rel=0.01)
    assert found.bonds == pytest.approx(1.3 * SCALES)


def test_the_area_modulus_of_a_sheet_is_half_of_c11_and_c12() -> None:
    cell = [[2.4, 0, 0], [1.2, 1.2 * np.sqrt(3), 0], [0, 0, 15]]
    sheet = Atoms("Cu", cell=cell, pbc=(True, True, False))
    found = carry_out(equation_of_state(sheet, SCALES), EMT())
    elastic = carry_out(elastic_constants(sheet), EMT())
    modulus = (elastic.of("11") + elastic.of("12")) / 2
    assert found.stiffness / NEWTON_PER_METRE == pytest.approx(modulus, rel=0.02)
    assert elastic.of("66") == pytest.approx((elastic.of("11") - elastic.of("12")) / 2, rel=0.02)


def test_what_is_fixed_keeps_its_length() -> None:
    layers = bulk("Cu", "hcp", a=2.5, c=6.0)
    larger = scaled(layers, 1.2, fixed_axes=(2,))
    assert larger.cell.lengths() == pytest.approx(layers.cell.lengths() * [1.2, 1.2, 1.0])
    assert larger.get_scaled_positions() == pytest.approx(layers.get_scaled_positions())


def test_without_a_minimum_there_is_still_a_curve() -> None:
    found = carry_out(equation_of_state(bulk("Cu", a=2.0), np.linspace(0.9, 1.1, 5)), EMT())
    assert found.no_minimum == "equation of state: no minimum within the scales"
    assert np.isfinite(found.energies).all() and np.isnan(found.energy)


def test_the_report_has_the_mean_the_spread_and_the_error(multiples, asked) -> None:
    """Multiples of one surface: the same bonds, and proportional energies and stiffnesses."""
    keys = {"prototypes": ["copper"], "points": 5, "min_scale": 0.9, "max_scale": 1.15}
    rows = table([equations_of_state.measure(multiples, asked(equation_of_state=keys))])
    rows = rows.set_index("quantity")
    stiffness, bond = rows.loc["bulk modulus"], rows.loc["bond length"]
    assert stiffness["committee"] == pytest.approx(1.1 * stiffness["reference"])
    assert stiffness["committee_spread"] == pytest.approx(0.1 * stiffness["reference"])
    assert stiffness["committee_error"] == pytest.approx(0.1 * stiffness["reference"])
    assert bond["committee_error"] == pytest.approx(0, abs=1e-6)
    binding = rows.loc["binding energy", "reference"]
    assert rows.loc["binding energy", "committee_spread"] == pytest.approx(-0.1 * binding)
