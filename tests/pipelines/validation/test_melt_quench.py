"""Radial distributions: of a crystal, of a gas, and of what the members arrive at."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones

from potwright.dynamics import AseEngine
from potwright.errors import InputError
from potwright.pipelines.validation.melt_quench import (
    Task,
    _averages,
    radial_distribution,
    random_start,
    run_task,
)
from potwright.pipelines.validation.parameters_disorder import MeltQuenchParameters
from potwright.pipelines.validation.surfaces import Surface


def test_neighbours_of_a_crystal_are_counted_right() -> None:
    crystal = bulk("Cu", a=3.6, cubic=True)
    r, g = radial_distribution([crystal, crystal.repeat(2)], 4.5, 0.05)
    density = len(crystal) / crystal.get_volume()
    edges = np.arange(len(r) + 1) * 0.05
    counts = g * 4 / 3 * np.pi * np.diff(edges**3) * density
    first, second = (r < 3.0), (r > 3.0) & (r < 4.0)
    assert counts[first].sum() == pytest.approx(12)
    assert counts[second].sum() == pytest.approx(6)
    assert r[np.argmax(g)] == pytest.approx(3.6 / np.sqrt(2), abs=0.05)


def test_a_gas_is_even() -> None:
    rng = np.random.default_rng(1)
    frames = [Atoms("Ar400", rng.random((400, 3)) * 20, cell=[20] * 3, pbc=True) for _ in range(5)]
    r, g = radial_distribution(frames, 6.0, 0.5)
    assert g[r > 2] == pytest.approx(1, abs=0.06)


def test_the_start_has_the_density_and_no_collisions() -> None:
    start = random_start({"C": 64}, 3.5, np.random.default_rng(2))
    grams = start.get_masses().sum() * units._amu * 1e3
    assert grams / (start.get_volume() * 1e-24) == pytest.approx(3.5)
    distances = start.get_all_distances(mic=True) + 9 * np.eye(64)
    assert distances.min() >= 0.7 * 2 * 0.76
    with pytest.raises(InputError, match="find no room"):
        random_start({"C": 30}, 30.0, np.random.default_rng(2))


def test_three_stages_end_cold_and_give_the_frames_of_the_last() -> None:
    asked = MeltQuenchParameters(
        species={"Cu": 13},
        density_g_per_cm3=6.0,
        melt_kelvin=2000,
        melt_ps=0.05,
        quench_ps=0.05,
        final_kelvin=100,
        sample_ps=0.02,
        frames=4,
        timestep_fs=1.0,
    )
    start = random_start(asked.species, 6.0, np.random.default_rng(3))
    driver = SimpleNamespace(calculator=lambda device: EMT())
    task = Task(start, driver, AseEngine(ensemble="nvt"), asked.stages, 1, "cpu")
    frames, why = run_task(task)
    assert len(frames) == 4 and not why
    assert frames[0].cell.array == pytest.approx(start.cell.array)
    assert (frames[-1].numbers == start.numbers).all()


def test_a_potential_on_which_atoms_fall_into_each_other_has_no_glass() -> None:
    asked = MeltQuenchParameters.model_validate(
        {"species": {"Ar": 8}, "melt_ps": 0.5, "melt_kelvin": 5000, "sample_ps": 0.05, "frames": 2}
    )
    start = random_start(asked.species, 1.0, np.random.default_rng(3))
    nothing = SimpleNamespace(calculator=lambda device: LennardJones(epsilon=0.0, sigma=1.0))
    task = Task(start, nothing, AseEngine(ensemble="nvt"), asked.stages, 1, "cpu")
    frames, why = run_task(task)
    assert not frames and why.startswith("stage 1: collision")


def test_the_committees_distribution_is_the_mean_of_its_members() -> None:
    members = {Surface("a", 0): np.array([0.0, 2.0]), Surface("a", 1): np.array([1.0, 4.0])}
    assert _averages(members)[Surface("a")].tolist() == [0.5, 3.0]
    assert _averages({Surface("single"): np.ones(2)}) == {}


def test_frames_that_no_time_step_can_tell_apart_are_refused() -> None:
    with pytest.raises(InputError, match="leaves no frame"):
        MeltQuenchParameters.model_validate({"sample_ps": 0.01, "frames": 100})


@pytest.mark.parametrize(
    "engine", [{"type": "lammps"}, {"type": "ase", "ensemble": "npt_isotropic"}]
)
def test_ensembles_in_which_the_density_would_be_lost_are_refused(engine: dict[str, str]) -> None:
    """Of an overlay that names another type only the type is left: its ensemble is auto."""
    with pytest.raises(InputError, match=rf"moves the cell.*type: {engine['type']}, ensemble: nvt"):
        MeltQuenchParameters.model_validate({"engine": engine})
    MeltQuenchParameters.model_validate({"engine": {**engine, "ensemble": "langevin"}})
    with pytest.raises(InputError, match="a ramp in ensemble nve"):
        MeltQuenchParameters.model_validate({"engine": {**engine, "ensemble": "nve"}})
