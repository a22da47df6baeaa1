from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from potwright.dynamics import (
    AseEngine,
    BasinHopping,
    Collision,
    Conditions,
    LammpsEngine,
    MinimaHopping,
    Moves,
    Schedule,
)
from potwright.dynamics.escapes import CLOSEST, Minimum, RandomDisplacements, ShortDynamics
from potwright.geometry import smallest_covalent_ratio

ENGINES = [AseEngine, LammpsEngine]
every_engine = pytest.mark.parametrize("engine", ENGINES, ids=["ase", "lammps"])
BASINS = BasinHopping(displacement_angstrom=1.3)
OCTAHEDRON, BICAPPED_TETRAHEDRON = -12.712062, -12.302927  # the two minima of six atoms, in ε


@dataclass(frozen=True)
class Argon:
    epsilon: float = 0.1

    def calculator(self, device: str = "auto") -> Any:
        return LennardJones(sigma=3.4, epsilon=self.epsilon, rc=100.0)


@dataclass(frozen=True)
class EMTPotential:
    def calculator(self, device: str = "auto") -> Any:
        return EMT()


def six() -> Atoms:
    """A tetrahedron with two caps, relaxed by hand to 0.1 Å."""
    tetrahedron = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.39
    caps = np.array([[0.65, 0.65, -0.65], [-0.65, -0.65, -0.65]])
    return Atoms("Ar6", positions=3.4 * np.vstack([tetrahedron, caps]))


def minima(trajectory) -> list[float]:
    """Energies of the minima that were kept, eV."""
    kept = [text.startswith("minimum") for text in trajectory.remarks]
    return trajectory.potential_energies[kept].tolist()


@pytest.mark.parametrize(
    ("engine", "method"),
    [(AseEngine, BASINS), (AseEngine, MinimaHopping()), (LammpsEngine, BASINS)],
    ids=["basins", "minima", "basins-lammps"],
)
def test_a_search_finds_the_minima_of_six_atoms_and_the_lowest_of_them(engine, method):
    done = engine(relaxation_force_ev_per_angstrom=3e-3).run_trajectory(
        six(),
        Argon(),
        Conditions(300),
        Schedule(5, 5 * 1000, 5 * 100),
        seed=1,
        moves=Moves(method=method),
    )
    found = np.array(minima(done)) / 0.1
    assert len(found) > 5 and found[0] == pytest.approx(BICAPPED_TETRAHEDRON, abs=5e-3)
    assert found.min() == pytest.approx(OCTAHEDRON, abs=5e-3)
    assert done.ensemble == method.type and done.completed and done.steps == 1000
    assert done.moves_tried >= len(found) - 1 and 0 < done.moves_accepted <= done.moves_tried
    # frames of every hundredth step are there as well; what is no minimum is one of them
    in_turn = np.arange(500, 5001, 500)
    assert set(in_turn) <= set(done.times_fs) and (np.diff(done.times_fs) > 0).all()
    on_the_way = {t for t, text in zip(done.times_fs, done.remarks, strict=True) if not text}
    assert on_the_way and on_the_way <= set(in_turn)


def test_basin_hopping_takes_higher_minima_as_often_as_metropolis_says():
    atoms = six()
    escape = RandomDisplacements(atoms, None, BasinHopping(), np.random.default_rng(1))
    for kelvin, probability in ((0, 0.0), (500, np.exp(-0.05 / (units.kB * 500)))):
        escape.aim(Conditions(kelvin))
        taken = [escape.accepts(1.0, 1.05) for _ in range(2000)]
        assert np.mean(taken) == pytest.approx(probability, abs=4 * 0.5 / np.sqrt(2000))
        assert escape.accepts(1.0, 0.99)


def test_minima_hopping_gets_hotter_where_it_knows_the_minimum_and_colder_where_not():
    escape = ShortDynamics(six(), 1.0, MinimaHopping(), np.random.default_rng(1))
    escape.aim(Conditions(1000))
    assert not escape.accepts(-5.0, -5.001)  # came back
    assert escape.state()["kelvin"] == pytest.approx(1100)
    assert escape.accepts(-5.0, -4.6) and not escape.accepts(-4.6, -4.0)
    assert escape.state()["kelvin"] == pytest.approx(1100 / 1.1**2)
    assert escape.state()["threshold"] == pytest.approx(0.5)  # once stricter, once laxer
    assert escape.accepts(-4.6, -5.0)  # known, but another one
    assert escape.state()["kelvin"] == pytest.approx(1000)


@every_engine
def test_the_cell_relaxes_to_the_pressure_and_a_fixed_one_stays(engine):
    crystal = bulk("Cu", cubic=True)
    crystal.set_cell(crystal.cell * 0.97, scale_atoms=True)
    crystal.rattle(0.05, seed=1)
    for ensemble, kbar in (("auto", 30), ("nvt", 0)):
        done = engine(ensemble=ensemble, relaxation_force_ev_per_angstrom=0.05).run_trajectory(
            crystal,
            EMTPotential(),
            Conditions(500, kbar),
            Schedule(1, 110, 110),
            seed=1,
            moves=Moves(method=BasinHopping(displacement_angstrom=0.1, strain=0.02)),
        )
        at_minima = [text.startswith("minimum") for text in done.remarks]
        assert sum(at_minima) > 1
        if ensemble == "auto":
            assert np.allclose(done.pressures_kbar[at_minima], 30, atol=3)
        else:
            assert np.allclose(done.frames.cell, np.array(crystal.cell))


@pytest.mark.parametrize(
    ("engine", "method"),
    [
        (AseEngine, BasinHopping(displacement_angstrom=0.3)),
        (AseEngine, MinimaHopping(minima_passed=1)),
    ],
    ids=["basins", "minima"],
)
def test_a_killed_search_goes_on_from_its_checkpoint(engine, method, killed_at, tmp_path):
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.1, seed=2)

    def until(step: int, checkpoint=None):
        return engine(relaxation_force_ev_per_angstrom=0.1).run_trajectory(
            crystal,
            EMTPotential(),
            Conditions(2000),
            Schedule(1, 110, 10),
            seed=2,
            moves=Moves(method=method),
            watches=(killed_at(step),),
            checkpoint=checkpoint,
            checkpoint_interval_steps=7,
        )

    whole = until(1000)
    assert whole.moves_tried > 0
    for step in (23, 52):
        with pytest.raises(killed_at.Killed):
            until(step, tmp_path / "checkpoint")
    resumed = until(1000, tmp_path / "checkpoint")
    assert resumed.remarks == whole.remarks and resumed.steps == whole.steps
    assert (resumed.moves_tried, resumed.moves_accepted) == (
        whole.moves_tried,
        whole.moves_accepted,
    )
    assert np.allclose(resumed.frames.positions, whole.frames.positions, atol=1e-5)
    assert np.allclose(resumed.frames.cell, whole.frames.cell, atol=1e-5)


def test_a_search_is_watched_and_keeps_what_is_sane():
    done = AseEngine().run_trajectory(
        six(),
        Argon(),
        Conditions(300),
        Schedule(1, 400, 50),
        seed=1,
        moves=Moves(method=BASINS),
        watches=(Collision(1.5),),  # minima are farther than that
    )
    assert done.end_reason.startswith("collision") and 0 < done.steps < 400


def test_displacements_are_drawn_in_until_no_atoms_collide():
    atoms = bulk("Cu", cubic=True)
    atoms.calc = EMT()
    escape = RandomDisplacements(
        atoms, None, BasinHopping(displacement_angstrom=5.0), np.random.default_rng(1)
    )
    home = Minimum(atoms.positions.copy(), np.array(atoms.cell), 0.0)
    for _ in range(5):
        assert list(escape.leave(home)) == [""]
        assert np.abs(atoms.positions - home.positions).max() > 0.1
        ratio = smallest_covalent_ratio(
            atoms.numbers, atoms.positions, np.array(atoms.cell), atoms.pbc
        )
        assert ratio >= CLOSEST * 0.96  # crystalline copper is closer than its covalent distance
