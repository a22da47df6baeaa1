"""What holds in any engine, with the same words for the same physics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc111, graphene
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from potwright.dynamics import (
    AseEngine,
    Collision,
    Conditions,
    FiniteNumbers,
    LammpsEngine,
    Schedule,
    Temperature,
)
from potwright.errors import InputError

ENGINES = [AseEngine, LammpsEngine]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=["ase", "lammps"])


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


def run(engine, atoms, conditions, schedule, *, potential=None, seed=2, watches=(), **fields):
    checkpoint = fields.pop("checkpoint", None)
    return engine(**fields).run_trajectory(
        atoms,
        potential or EMTPotential(),
        conditions,
        schedule,
        seed=seed,
        watches=watches,
        checkpoint=checkpoint,
        checkpoint_interval_steps=10,
    )


@every_engine
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_barostat_of_a_slab_strains_the_plane_and_nothing_else(engine, order):
    turned = any_orientation(copper_slab(), order, seed=7)
    done = run(engine, turned, Conditions(300), Schedule(1, 60, 20))
    assert done.ensemble == "npt"
    normal = order.index(2)
    cells = done.frames.cell
    assert np.allclose(cells[:, normal], turned.cell[normal], atol=1e-7)
    assert (done.frames.pbc == turned.pbc).all()
    plane = [i for i in range(3) if i != normal]
    assert np.allclose(cells[:, plane] @ turned.cell[normal], 0, atol=1e-5)
    assert not np.allclose(cells[-1, plane], turned.cell[plane], atol=1e-3)


@every_engine
def test_a_sheet_relaxes_to_the_same_whatever_the_order_of_its_axes(engine):
    """Without random momenta all are the same motion."""
    order = (2, 0, 1)
    slab = copper_slab()
    turned = any_orientation(slab, order, seed=7)
    one, other = (run(engine, a, Conditions(0), Schedule(1, 60, 20)) for a in (slab, turned))
    assert one.ensemble == other.ensemble == "relaxation"
    assert other.potential_energies[-1] == pytest.approx(one.potential_energies[-1], abs=1e-5)
    metric = one.frames.cell[-1] @ one.frames.cell[-1].T
    turned_metric = other.frames.cell[-1] @ other.frames.cell[-1].T
    assert np.allclose(turned_metric, metric[np.ix_(order, order)], atol=1e-4)
    assert np.allclose(other.frames.cell[:, order.index(2)], turned.cell[order.index(2)], atol=1e-7)


@every_engine
def test_the_stress_of_a_strained_sheet_relaxes_only_in_its_plane(engine):
    slab = fcc111("Cu", (1, 1, 3), vacuum=7.5)
    slab.pbc = (True, True, False)
    strain = np.diag([1.02, 1.0, 1.0])
    slab.set_cell(slab.cell @ strain, scale_atoms=True)
    done = run(
        engine,
        slab,
        Conditions(0),
        Schedule(1, 400, 400),
        relaxation_force_ev_per_angstrom=1e-3,
    )
    assert done.end_reason.startswith("completed: minimum")
    stresses = []
    for atoms in (slab, *done.frames[-1:].to_atoms(engine_pbc=True)):
        alone = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True, calculator=EMT())
        stresses.append(alone.get_stress()[[0, 1, 5]] * alone.get_volume() / len(alone))
    before, after = np.abs(stresses)
    assert before.max() > 0.05 and after.max() < 1e-3  # eV an atom; xx, yy, xy
    cell = done.frames.cell[-1]
    assert np.allclose(cell[2], slab.cell[2], atol=1e-9)
    assert np.allclose(cell[:2, 2], 0, atol=1e-9)
    assert cell[0, 0] < 0.995 * slab.cell[0, 0]  # back from where it was strained to


@every_engine
def test_vacuum_does_not_matter_at_zero_pressure(engine):
    narrow, wide = copper_slab(), copper_slab()
    wide.cell[2, 2] += 10
    runs = [run(engine, a, Conditions(200), Schedule(1, 60, 20)) for a in (narrow, wide)]
    areas = [np.linalg.det(done.frames.cell[:, :2, :2]) for done in runs]
    assert np.allclose(*areas, rtol=1e-6)


@every_engine
def test_a_tilted_vacuum_vector_comes_back_as_it_was(engine):
    slab = copper_slab()
    slab.cell[2] += 0.3 * slab.cell[0] + 0.2 * slab.cell[1]
    done = run(engine, slab, Conditions(300), Schedule(1, 40, 20))
    assert np.allclose(done.frames.cell[:, 2], slab.cell[2], atol=1e-7)


@every_engine
def test_a_barostat_of_a_wire_acts_along_the_wire(engine):
    wire = Atoms("Cu4", positions=[[0, 2.6 * i, 0.1 * (i % 2)] for i in range(4)])
    wire.set_cell([14, 10.4, 15])
    wire.pbc = (False, True, False)
    done = run(engine, wire, Conditions(100), Schedule(1, 60, 20))
    assert np.allclose(done.frames.cell[:, [0, 2]], wire.cell[[0, 2]], atol=1e-7)
    assert np.allclose(done.frames.cell[:, 1, [0, 2]], 0, atol=1e-7)
    assert abs(done.frames.cell[-1, 1, 1] - 10.4) > 1e-3


@every_engine
def test_a_triclinic_crystal_comes_back_in_the_users_frame(engine):
    primitive = bulk("Cu") * (2, 2, 2)
    primitive.set_cell(primitive.cell * 0.98, scale_atoms=True)
    primitive.cell[2] += 2 * primitive.cell[0]  # another basis of the same lattice
    turned = any_orientation(primitive, (2, 0, 1), seed=5)
    done = run(engine, turned, Conditions(50), Schedule(2, 160, 20), barostat_time_fs=200)
    (last,) = done.frames[-1:].to_atoms()
    strain = np.linalg.solve(turned.cell, last.cell)  # acts on row vectors
    assert np.linalg.det(strain) > 1.02  # it was compressed
    # it dilates, and neither lattice nor atoms turn
    assert np.allclose(strain, np.eye(3) * strain.trace() / 3, atol=0.01)
    moved = last.positions - turned.positions @ strain
    assert np.abs(moved - moved.mean(axis=0)).max() < 0.3


@every_engine
def test_a_hexagonal_sheet_dilates_without_losing_its_symmetry(engine):
    sheet = graphene("C2", a=1.6 * 3.4, size=(2, 2, 1), vacuum=12)
    sheet.symbols[:] = "Ar"
    sheet.pbc = (True, True, False)
    done = run(engine, sheet, Conditions(0.001), Schedule(1, 40, 20), potential=ArgonPotential())
    a, b, _ = done.frames.cell[-1]
    assert np.linalg.norm(a) > 1.005 * np.linalg.norm(sheet.cell[0])
    assert np.linalg.norm(a) == pytest.approx(np.linalg.norm(b), rel=1e-3)
    start = sheet.cell[0] @ sheet.cell[1] / np.linalg.norm(sheet.cell[0]) ** 2
    assert a @ b / (a @ a) == pytest.approx(start, abs=1e-3)


@every_engine
@pytest.mark.parametrize("ensemble", ["npt_isotropic", "npt_orthorhombic"])
def test_strains_are_those_that_are_asked_for(engine, ensemble):
    atoms = copper(1)
    atoms.set_cell(atoms.cell * [[1.03], [1.0], [0.98]], scale_atoms=True)
    turned = any_orientation(atoms, (0, 1, 2), seed=3)
    done = run(engine, turned, Conditions(300), Schedule(1, 100, 50), ensemble=ensemble)
    lengths = np.linalg.norm(done.frames.cell[-1], axis=1) / turned.cell.lengths()
    assert np.abs(lengths - 1).max() > 1e-3
    angles = done.frames.cell[-1] @ done.frames.cell[-1].T
    assert np.allclose(angles, np.diag(np.diag(angles)), atol=1e-6)
    assert (np.ptp(lengths) < 1e-6) == (ensemble == "npt_isotropic")


@every_engine
@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_energy_of_system_and_baths_is_conserved(engine, ensemble):
    pressure = 20 if ensemble == "npt" else 0
    done = run(
        engine,
        copper(),
        Conditions(300, pressure),
        Schedule(1, 200, 10),
        ensemble="auto" if ensemble == "npt" else ensemble,
    )
    assert done.ensemble == ensemble and done.completed and len(done.frames) == 20
    assert np.ptp(done.potential_energies) > 0.05  # energy does flow
    assert np.ptp(done.conserved_energies) < 0.02 * np.ptp(done.potential_energies)
    cell, start = done.frames.cell[-1], np.array(copper().cell)
    moved = np.abs(cell @ cell.T - start @ start.T) > 1e-5  # all lengths and angles
    assert moved.all() if ensemble == "npt" else not moved.any()


@pytest.mark.parametrize("temperature", [0.3, 20.0])
def test_a_cold_and_distorted_crystal_cools_to_its_target(temperature):
    atoms = copper(1)
    atoms.set_cell(atoms.cell * 1.1, scale_atoms=True)
    done = run(AseEngine, atoms, Conditions(temperature), Schedule(2, 1600, 100), seed=0)
    assert done.completed
    assert done.temperatures_kelvin[-10:].mean() < 3 * temperature + 20
    assert 10 < (np.linalg.det(done.frames.cell[-1]) / len(atoms)) < 13


@every_engine
def test_a_ramp_heats(engine):
    done = run(
        engine,
        copper(1),
        Conditions(0, final_temperature_kelvin=900),
        Schedule(2, 800, 2, thermalisation_fs=100),
        ensemble="nvt",
        thermostat_time_fs=15,
    )
    first, last = done.temperatures_kelvin[:40].mean(), done.temperatures_kelvin[-40:].mean()
    assert first < 250 and 550 < last < 1150


@every_engine
@pytest.mark.parametrize("ensemble", ["auto", "nvt", "nve"])
def test_a_killed_trajectory_goes_on_from_its_checkpoint(engine, ensemble, killed_at, tmp_path):
    slab = copper_slab()
    slab.positions += 20  # in another cell

    def until(step: int, checkpoint=None, *, seen):
        return run(
            engine,
            slab,
            Conditions(300),
            Schedule(1, 40, 4),
            ensemble=ensemble,
            watches=(killed_at(step, seen),),
            checkpoint=checkpoint,
        )

    before: list[int] = []
    after: list[int] = []
    whole = until(1000, seen=[])
    with pytest.raises(killed_at.Killed):
        until(26, tmp_path / "checkpoint", seen=before)
    resumed = until(1000, tmp_path / "checkpoint", seen=after)
    assert before == [*range(27)] and after == [*range(21, 41)]
    assert resumed.times_fs.tolist() == whole.times_fs.tolist()
    assert np.allclose(resumed.frames.positions, whole.frames.positions, atol=1e-6)
    assert np.allclose(resumed.frames.cell, whole.frames.cell, atol=1e-6)
    assert np.allclose(resumed.conserved_energies, whole.conserved_energies, atol=1e-6)


class Failing(Calculator):
    """Fails as the test wants after some evaluations."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, after: int, failure: str | Exception):
        super().__init__()
        self.emt, self.left, self.failure = EMT(), after, failure

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        copy = self.atoms.copy()
        copy.calc = self.emt
        forces = copy.get_forces()
        self.left -= 1
        if self.left < 0:
            if isinstance(self.failure, Exception):
                raise self.failure
            forces = (
                forces * np.nan if self.failure == "nan" else forces + 50.0 * self.atoms.positions
            )
        energy = copy.get_potential_energy()
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        self.results["stress"] = copy.get_stress()


@dataclass(frozen=True)
class FailingPotential:
    after: int
    failure: str | Exception

    def calculator(self, device: str = "auto") -> Any:
        return Failing(self.after, self.failure)


@every_engine
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        ("nan", "not a number"),
        ("heat", "temperature"),
        (RuntimeError("neighbour list exploded"), "calculator: RuntimeError: neighbour list"),
        (AssertionError(), "calculator: AssertionError"),
        (TypeError("no neighbour"), "calculator: TypeError: no neighbour"),
        (OSError("a file is lost"), "calculator: OSError: a file"),
    ],
)
def test_a_stopped_trajectory_keeps_its_sane_frames_and_says_why(engine, failure, reason):
    done = run(
        engine,
        copper(),
        Conditions(300),
        Schedule(1, 200, 10),
        potential=FailingPotential(25, failure),
        watches=(FiniteNumbers(), Temperature(factor=5, floor_kelvin=2000)),
    )
    assert reason in done.end_reason and not done.completed
    assert 2 <= len(done.frames) < 20 and done.steps < 200
    assert np.isfinite(done.frames.positions).all()


@every_engine
def test_a_potential_that_fails_on_the_start_is_an_error(engine):
    with pytest.raises(RuntimeError, match="exploded"):
        run(
            engine,
            copper(),
            Conditions(300),
            Schedule(1, 20, 5),
            potential=FailingPotential(0, RuntimeError("neighbour list exploded")),
        )


@every_engine
def test_collision_is_seen_before_a_frame_is_kept(engine):
    atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 1.9]])
    watches = (Collision(smallest_ratio=0.8),)
    done = run(engine, atoms, Conditions(300), Schedule(1, 20, 5), watches=watches)
    assert done.end_reason.startswith("collision") and len(done.frames) == done.steps == 0


@every_engine
def test_a_molecule_does_not_turn_and_keeps_its_temperature(engine):
    cluster = Atoms("Cu7", positions=bulk("Cu", cubic=True).repeat(2).positions[:7])
    schedule = Schedule(3, 1800, 6, thermalisation_fs=300)
    done = run(engine, cluster, Conditions(400), schedule, thermostat_time_fs=20)
    assert done.ensemble == "nvt" and not done.frames.pbc.any()
    assert done.temperatures_kelvin.mean() == pytest.approx(400, rel=0.1)
    assert np.isnan(done.pressures_kbar).all()
    centres = [a.get_center_of_mass() for a in done.frames.to_atoms()]
    assert np.ptp(centres, axis=0).max() < 1e-3


@every_engine
@pytest.mark.parametrize("ensemble", ["langevin", "nvt"])
def test_one_atom_alone_is_as_warm_as_it_should_be(engine, ensemble):
    # three degrees of freedom, no more and no less
    schedule = Schedule(10, 8000, 10)
    fields = {"ensemble": ensemble, "thermostat_time_fs": 20}
    done = run(engine, bulk("Cu"), Conditions(300), schedule, **fields)
    assert done.temperatures_kelvin.mean() == pytest.approx(300, rel=0.15)


@every_engine
@pytest.mark.parametrize("ensemble", ["auto", "nvt", "langevin"])
def test_same_seed_same_trajectory_and_another_seed_another(engine, ensemble):
    def last(seed: int) -> np.ndarray:
        schedule = Schedule(1, 10, 10)
        done = run(engine, copper(1), Conditions(300), schedule, seed=seed, ensemble=ensemble)
        return done.frames.positions

    assert (last(4) == last(4)).all()
    assert not np.allclose(last(4), last(5))


@every_engine
def test_a_single_atom_and_a_dimer_can_be_run(engine):
    for atoms in (Atoms("Cu"), Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]), bulk("Cu")):
        done = run(engine, atoms, Conditions(300), Schedule(1, 20, 10))
        assert done.completed and len(done.frames) == 2
        assert np.isfinite(done.temperatures_kelvin).all()


@every_engine
def test_thermalisation_comes_before_the_first_frame(engine):
    schedule = Schedule(0.5, 20, 10, thermalisation_fs=15)
    done = run(engine, copper(1), Conditions(300), schedule)
    assert done.times_fs.tolist() == [25, 35] and done.steps == 70


@every_engine
def test_zero_temperature_lowers_the_energy_to_a_minimum(engine):
    atoms = copper()
    atoms.calc = EMT()
    before = atoms.get_potential_energy()
    done = run(engine, atoms, Conditions(0), Schedule(1, 1000, 10))
    assert done.ensemble == "relaxation" and done.end_reason.startswith("completed: minimum")
    assert (np.diff([before, *done.potential_energies]) < 1e-4).all()
    assert done.potential_energies[-1] < before - 0.1
    (last,) = done.frames[-1:].to_atoms()
    last.calc = EMT()
    assert np.abs(last.get_forces()).max() < 0.011


@every_engine
def test_zero_temperature_under_pressure_meets_the_pressure(engine):
    done = run(engine, copper(1), Conditions(0, 50), Schedule(1, 1000, 100))
    assert done.ensemble == "relaxation" and done.end_reason.startswith("completed: minimum")
    assert done.pressures_kbar[-1] == pytest.approx(50, abs=5)


def test_pressure_without_a_periodic_axis_is_refused_before_anything_runs():
    for engine in ENGINES:
        with pytest.raises(InputError, match="without periodic axis"):
            run(
                engine,
                Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]]),
                Conditions(300),
                Schedule(1, 20, 5),
                potential=FailingPotential(0, RuntimeError("evaluated")),
                ensemble="npt_isotropic",
            )


@every_engine
def test_a_periodic_structure_without_volume_is_refused(engine):
    chain = Atoms("Cu", cell=[2.5, 0, 0], pbc=(True, False, False))
    with pytest.raises(InputError, match="no volume"):
        run(engine, chain, Conditions(300), Schedule(1, 20, 5))


@pytest.mark.parametrize(
    "wrong", [(0, 10, 10, 0), (1, 10, 20, 0), (1, 10, 0.1, 0), (1, 10, 10, -1)]
)
def test_impossible_schedules_are_refused(wrong):
    with pytest.raises(InputError):
        Schedule(*wrong)


def block_error(values: np.ndarray) -> float:
    """Standard error of the mean, from ten blocks."""
    return np.std([part.mean() for part in np.array_split(values, 10)], ddof=1) / np.sqrt(10)


def test_averages_of_both_engines_agree_and_meet_their_targets():
    # four atoms: a quarter of the degrees of freedom goes with the net momentum
    schedule = Schedule(4, 6000, 20, thermalisation_fs=1000)
    fields = {"thermostat_time_fs": 50, "barostat_time_fs": 200, "seed": 6}
    runs = [run(engine, copper(1), Conditions(300, 30), schedule, **fields) for engine in ENGINES]
    volumes = [np.linalg.det(done.frames.cell) for done in runs]
    temperatures = [done.temperatures_kelvin for done in runs]
    pressures = [done.pressures_kbar for done in runs]
    for first, second in (volumes, temperatures, pressures):
        error = np.hypot(block_error(first), block_error(second))
        assert abs(first.mean() - second.mean()) < 3 * error
    few_kt_over_v = 3 * units.kB * 300 / volumes[0].mean() / (1000 * units.bar)  # of a small cell
    for temperature, pressure in zip(temperatures, pressures, strict=True):
        assert abs(temperature.mean() - 300) < 3 * block_error(temperature)
        assert abs(pressure.mean() - 30) < 3 * block_error(pressure) + few_kt_over_v


@every_engine
def test_a_gpu_moves_atoms_as_the_processor_does(engine, gpu, untrained_committee):
    member = untrained_committee.members[0]
    ends = [
        engine()
        .run_trajectory(
            copper(1), member, Conditions(300), Schedule(1, 20, 10), seed=3, device=device
        )
        .frames.positions
        for device in ("cpu", gpu)
    ]
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-6)
