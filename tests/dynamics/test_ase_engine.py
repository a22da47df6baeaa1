from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from potwright.dynamics import (
    AseEngine,
    Collision,
    Conditions,
    FiniteNumbers,
    Schedule,
    Temperature,
)
from potwright.errors import InputError


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


@dataclass(frozen=True)
class ArgonPotential:
    def calculator(self, device: str = "auto") -> Any:
        return LennardJones(sigma=3.4, epsilon=0.0104, rc=8.5, smooth=True)


def copper(repeat: int = 2) -> Atoms:
    atoms = bulk("Cu", cubic=True) * repeat
    atoms.positions += np.random.default_rng(1).normal(0, 0.03, atoms.positions.shape)
    return atoms


def copper_slab() -> Atoms:
    slab = fcc111("Cu", (2, 2, 3), vacuum=7.5)
    slab.pbc = (True, True, False)
    slab.set_cell(slab.cell * [[1.02], [1.02], [1.0]], scale_atoms=True)
    return slab


def any_orientation(atoms: Atoms, order: tuple[int, int, int], seed: int) -> Atoms:
    """The same structure with its axes in another order, and rotated."""
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    return Atoms(
        atoms.numbers,
        atoms.positions @ rotation,
        cell=(np.array(atoms.cell) @ rotation)[list(order)],
        pbc=atoms.pbc[list(order)],
    )


def lengths_and_angles(cell: np.ndarray) -> np.ndarray:
    return cell @ cell.T


def test_nve_conserves_energy():
    run = AseEngine(ensemble="nve").run_trajectory(
        copper(), EMTPotential(), Conditions(300), Schedule(1, 500, 10), seed=3
    )
    assert run.ensemble == "nve" and len(run.frames) == 50
    kinetic = run.conserved_energies - run.potential_energies
    assert np.ptp(kinetic) > 0.05  # energy does flow between the two
    assert np.ptp(run.conserved_energies) < 0.02 * np.ptp(kinetic)


def test_nvt_of_a_cluster_keeps_its_temperature_and_does_not_turn():
    cluster = Atoms("Cu13", positions=bulk("Cu", cubic=True).repeat(3).positions[:13])
    engine = AseEngine(thermostat_time_fs=20)
    schedule = Schedule(2, 4000, 20, thermalisation_fs=500)
    run = engine.run_trajectory(cluster, EMTPotential(), Conditions(400), schedule, seed=0)
    assert run.ensemble == "nvt" and len(run.frames) == 200
    assert run.temperatures_kelvin.mean() == pytest.approx(400, rel=0.1)
    assert np.isnan(run.pressures_kbar).all()
    centres = [a.get_center_of_mass() for a in run.frames.to_atoms()]
    assert np.ptp(centres, axis=0).max() < 1e-3
    assert not run.frames.pbc.any()


def test_nvt_conserves_its_extended_energy():
    run = AseEngine(ensemble="nvt").run_trajectory(
        copper(), EMTPotential(), Conditions(600), Schedule(1, 300, 10), seed=3
    )
    assert np.ptp(run.conserved_energies) < 0.02 * np.ptp(run.potential_energies)


def test_npt_of_a_crystal_conserves_its_extended_energy_and_moves_the_whole_cell():
    run = AseEngine().run_trajectory(
        copper(), EMTPotential(), Conditions(300, 20), Schedule(1, 400, 20), seed=5
    )
    assert run.ensemble == "npt" and run.completed
    assert np.ptp(run.conserved_energies) < 0.02 * np.ptp(run.potential_energies)
    change = run.frames.cell[-1] - np.array(copper().cell)
    assert (np.abs(change) > 1e-5).all()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("temperature", [0, 300])
def test_barostat_of_a_slab_strains_the_plane_and_nothing_else(order, temperature):
    slab = copper_slab()
    turned = any_orientation(slab, order, seed=7)
    schedule = Schedule(1, 60, 20)
    conditions = Conditions(temperature)
    runs = [
        AseEngine().run_trajectory(atoms, EMTPotential(), conditions, schedule, seed=2)
        for atoms in (slab, turned)
    ]
    assert runs[1].ensemble == ("npt" if temperature else "relaxation")
    normal = order.index(2)
    cells = runs[1].frames.cell
    assert np.allclose(cells[:, normal], turned.cell[normal], atol=1e-7)
    assert (runs[1].frames.pbc == turned.pbc).all()
    plane = [i for i in range(3) if i != normal]
    assert np.allclose(cells[:, plane] @ turned.cell[normal], 0, atol=1e-5)
    assert not np.allclose(cells[-1, plane], turned.cell[plane], atol=1e-3)
    if not temperature:  # without random momenta both runs are the same motion
        straight = lengths_and_angles(runs[0].frames.cell[-1])[np.ix_(order, order)]
        assert np.allclose(lengths_and_angles(cells[-1]), straight, atol=1e-4)
        energies = [run.potential_energies[-1] for run in runs]
        assert energies[0] == pytest.approx(energies[1], abs=1e-5)


def test_a_hexagonal_sheet_dilates_without_losing_its_symmetry():
    sheet = graphene("C2", a=1.6 * 3.4, size=(2, 2, 1), vacuum=12)
    sheet.symbols[:] = "Ar"
    sheet.pbc = (True, True, False)
    run = AseEngine().run_trajectory(
        sheet, ArgonPotential(), Conditions(0.001), Schedule(1, 40, 20), seed=2
    )
    a, b, _ = run.frames.cell[-1]
    assert run.ensemble == "npt"
    assert np.linalg.norm(a) > 1.005 * np.linalg.norm(sheet.cell[0])  # it was compressed
    assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b), rel=1e-3)
    start = sheet.cell[0] @ sheet.cell[1] / np.linalg.norm(sheet.cell[0]) ** 2
    assert a @ b / (a @ a) == pytest.approx(start, abs=1e-3)


def test_vacuum_does_not_matter_at_zero_pressure():
    narrow, wide = copper_slab(), copper_slab()
    wide.cell[2, 2] += 10
    runs = [
        AseEngine().run_trajectory(a, EMTPotential(), Conditions(200), Schedule(1, 100, 20), seed=2)
        for a in (narrow, wide)
    ]
    areas = [np.linalg.det(r.frames.cell[:, :2, :2]) for r in runs]
    assert np.allclose(*areas, rtol=1e-6)


def test_a_tilted_vacuum_vector_comes_back_as_it_was():
    slab = copper_slab()
    slab.cell[2] += 0.3 * slab.cell[0] + 0.2 * slab.cell[1]
    run = AseEngine().run_trajectory(
        slab, EMTPotential(), Conditions(300), Schedule(1, 40, 20), seed=2
    )
    assert np.allclose(run.frames.cell[:, 2], slab.cell[2], atol=1e-7)


def test_barostat_of_a_wire_acts_along_the_wire():
    wire = Atoms("Cu4", positions=[[0, 2.6 * i, 0.1 * (i % 2)] for i in range(4)])
    wire.set_cell([14, 10.4, 15])
    wire.pbc = (False, True, False)
    run = AseEngine().run_trajectory(
        wire, EMTPotential(), Conditions(100), Schedule(1, 60, 20), seed=2
    )
    assert np.allclose(run.frames.cell[:, [0, 2]], wire.cell[[0, 2]], atol=1e-7)
    assert np.allclose(run.frames.cell[:, 1, [0, 2]], 0, atol=1e-7)
    assert abs(run.frames.cell[-1, 1, 1] - 10.4) > 1e-3
    assert run.frames.pbc[0].tolist() == [False, True, False]


@pytest.mark.parametrize("temperature", [0.3, 20.0])
def test_a_cold_and_distorted_crystal_cools_to_its_target(temperature):
    atoms = copper(1)
    atoms.set_cell(atoms.cell * 1.1, scale_atoms=True)
    run = AseEngine().run_trajectory(
        atoms, EMTPotential(), Conditions(temperature), Schedule(2, 2400, 100), seed=0
    )
    assert run.completed
    assert run.temperatures_kelvin[-10:].mean() < 3 * temperature + 20
    assert 10 < (np.linalg.det(run.frames.cell[-1]) / len(atoms)) < 13


def test_zero_temperature_lowers_the_energy_to_a_minimum():
    atoms = copper()
    atoms.calc = EMT()
    before = atoms.get_potential_energy()
    run = AseEngine().run_trajectory(
        atoms, EMTPotential(), Conditions(0), Schedule(1, 1000, 10), seed=0
    )
    assert run.ensemble == "relaxation"
    assert run.end_reason.startswith("completed: minimum")
    assert (np.diff([before, *run.potential_energies]) < 1e-4).all()
    assert run.potential_energies[-1] < before - 0.1
    (last,) = run.frames[-1:].to_atoms()
    last.calc = EMT()
    assert np.abs(last.get_forces()).max() < 0.011


def test_zero_temperature_under_pressure_meets_the_pressure():
    run = AseEngine().run_trajectory(
        copper(), EMTPotential(), Conditions(0, 50), Schedule(1, 1000, 100), seed=0
    )
    assert run.pressures_kbar[-1] == pytest.approx(50, abs=5)


def test_same_seed_same_trajectory_and_another_seed_another():
    def last(seed: int) -> np.ndarray:
        return (
            AseEngine()
            .run_trajectory(
                copper(), EMTPotential(), Conditions(300), Schedule(1, 20, 10), seed=seed
            )
            .frames.positions
        )

    assert (last(4) == last(4)).all()
    assert not np.allclose(last(4), last(5))


def test_a_single_atom_and_a_dimer_can_be_run():
    for atoms in (Atoms("Cu"), Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]), bulk("Cu")):
        run = AseEngine().run_trajectory(
            atoms, EMTPotential(), Conditions(300), Schedule(1, 20, 10), seed=1
        )
        assert run.completed and len(run.frames) == 2
        assert np.isfinite(run.temperatures_kelvin).all()


class Failing(Calculator):
    """Fails as the test wants after some evaluations."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, after: int, failure: str):
        super().__init__()
        self.emt, self.left, self.failure = EMT(), after, failure

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        copy = self.atoms.copy()
        copy.calc = self.emt
        forces = copy.get_forces()
        self.left -= 1
        if self.left < 0:
            if self.failure == "raise":
                raise RuntimeError("neighbour list exploded")
            forces = (
                forces * np.nan if self.failure == "nan" else forces + 50.0 * self.atoms.positions
            )
        self.results = {
            "energy": copy.get_potential_energy(),
            "free_energy": copy.get_potential_energy(),
            "forces": forces,
            "stress": copy.get_stress(),
        }


@dataclass(frozen=True)
class FailingPotential:
    after: int
    failure: str

    def calculator(self, device: str = "auto") -> Any:
        return Failing(self.after, self.failure)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [("nan", "not a number"), ("raise", "RuntimeError: neighbour list"), ("heat", "temperature")],
)
def test_a_stopped_trajectory_keeps_its_sane_frames_and_says_why(failure, reason):
    watches = (FiniteNumbers(), Temperature(factor=5, floor_kelvin=2000))
    run = AseEngine().run_trajectory(
        copper(),
        FailingPotential(25, failure),
        Conditions(300),
        Schedule(1, 200, 10),
        seed=0,
        watches=watches,
    )
    assert reason in run.end_reason and not run.completed
    assert 2 <= len(run.frames) < 20
    assert np.isfinite(run.frames.positions).all()
    assert run.steps < 200


def test_collision_is_seen_before_a_frame_is_kept():
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1.9]])
    run = AseEngine().run_trajectory(
        atoms,
        EMTPotential(),
        Conditions(300),
        Schedule(1, 20, 5),
        seed=0,
        watches=(Collision(smallest_ratio=0.8),),
    )
    assert run.end_reason.startswith("collision") and len(run.frames) == 0
    assert run.steps == 0 and len(run.times_fs) == 0


def test_a_potential_that_fails_on_the_start_is_an_error():
    with pytest.raises(RuntimeError, match="exploded"):
        AseEngine().run_trajectory(
            copper(), FailingPotential(0, "raise"), Conditions(300), Schedule(1, 20, 5), seed=0
        )


def test_a_periodic_structure_without_volume_is_refused():
    chain = Atoms("Cu", cell=[2.5, 0, 0], pbc=(True, False, False))
    with pytest.raises(InputError, match="no volume"):
        AseEngine().run_trajectory(
            chain, EMTPotential(), Conditions(300), Schedule(1, 20, 5), seed=0
        )


@pytest.mark.parametrize(
    "wrong", [(0, 10, 10, 0), (1, 10, 20, 0), (1, 10, 0.1, 0), (1, 10, 10, -1)]
)
def test_impossible_schedules_are_refused(wrong):
    with pytest.raises(InputError):
        Schedule(*wrong)


def test_thermalisation_comes_before_the_first_frame():
    schedule = Schedule(0.5, 20, 10, thermalisation_fs=15)
    run = AseEngine().run_trajectory(copper(), EMTPotential(), Conditions(300), schedule, seed=0)
    assert run.times_fs.tolist() == [25, 35] and run.steps == 70
