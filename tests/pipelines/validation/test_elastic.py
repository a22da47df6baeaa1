"""Elastic constants: published ones of silicon, and the curvature of the energy."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from stillinger_weber import StillingerWeber

from potwright.errors import InputError
from potwright.pipelines.validation import elastic
from potwright.pipelines.validation.elastic import elastic_constants, strained
from potwright.pipelines.validation.plans import carry_out
from potwright.pipelines.validation.results import table


def test_silicon_of_stillinger_and_weber() -> None:
    """E. R. Cowley, Phys. Rev. Lett. 60, 2379 (1988), as LAMMPS's example ELASTIC quotes it.

    c44 is 117 GPa if atoms do not relax.
    """
    found = carry_out(elastic_constants(bulk("Si", a=5.4)), StillingerWeber())
    published = {"11": 151.4, "12": 76.4, "44": 56.4}
    assert {k: found.of(k) for k in published} == pytest.approx(published, rel=0.005)
    assert found.bulk_modulus_gpa == pytest.approx(101.4, rel=0.005)


def test_the_constants_are_the_curvature_of_the_energy() -> None:
    found = carry_out(elastic_constants(bulk("Cu")), EMT())

    def energy(component: int, strain: float) -> float:
        atoms = strained(found.relaxed, component, strain)
        atoms.calc = EMT()
        return atoms.get_potential_energy() / found.relaxed.get_volume()

    for component, name in ((0, "11"), (3, "44")):
        step = 0.005
        curvature = energy(component, step) + energy(component, -step) - 2 * energy(component, 0)
        assert found.of(name) == pytest.approx(curvature / step**2 / units.GPa, rel=0.01)


def test_moduli_are_the_averages_of_hill() -> None:
    """An isotropic body has one shear modulus; copper's is between those of Voigt and Reuss."""
    found = carry_out(elastic_constants(bulk("Cu")), EMT())
    c11, c12, c44 = (found.of(k) for k in ("11", "12", "44"))
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    assert found.bulk_modulus_gpa == pytest.approx((c11 + 2 * c12) / 3)
    assert found.shear_modulus_gpa == pytest.approx((voigt + reuss) / 2)


def test_a_sheet_does_not_mind_how_it_lies() -> None:
    cell = [[2.4, 0, 0], [1.2, 1.2 * np.sqrt(3), 0], [0, 0, 15]]
    sheet = Atoms("Cu", cell=cell, pbc=(True, True, False))
    lying = carry_out(elastic_constants(sheet), EMT())
    sheet.rotate(70, (1, 1, 0.3), rotate_cell=True)
    turned = carry_out(elastic_constants(sheet), EMT())
    for name in ("11", "12", "66"):
        assert turned.of(name) == pytest.approx(lying.of(name), rel=1e-3)


def test_what_is_neither_crystal_nor_sheet_is_refused() -> None:
    wire = Atoms("Cu", cell=[2.4, 12, 12], pbc=(True, False, False))
    with pytest.raises(InputError, match="give a crystal, or a sheet"):
        carry_out(elastic_constants(wire), EMT())


def test_members_and_mean_are_carried_through(multiples, asked) -> None:
    rows = table([elastic.measure(multiples, asked(elastic={"prototypes": ["copper"]}))])
    rows = rows.set_index("quantity")
    for name in ("c11", "c44", "bulk modulus"):
        reference = rows.loc[name, "reference"]
        assert rows.loc[name, "committee"] == pytest.approx(1.1 * reference, rel=1e-3)
        assert rows.loc[name, "committee_spread"] == pytest.approx(0.1 * reference, rel=0.01)
