"""Radial distributions: of a crystal, of a gas, and of what the members arrive at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.calculators.mixing import LinearCombinationCalculator

from potwright.dynamics import AseEngine
from potwright.dynamics.dispersion import D2Dispersion
from potwright.errors import InputError
from potwright.execution import SerialExecutor
from potwright.pipelines.validation import melt_quench
from potwright.pipelines.validation.melt_quench import (
    Task,
    _averages,
    _tasks,
    radial_distribution,
    random_start,
    run_task,
)
from potwright.pipelines.validation.parameters_disorder import MeltQuenchParameters
from potwright.pipelines.validation.surfaces import REFERENCE, NamedCommittee, Surface, Surfaces
from potwright.potentials import Committee
from potwright.quantum import ASEEngine

SHORT = {
    "species": {"Cu": 13},
    "density_g_per_cm3": 6.0,
    "melt_kelvin": 1000,
    "melt_ps": 0.01,
    "quench_ps": 0.01,
    "sample_ps": 0.01,
    "frames": 2,
    "timestep_fs": 1.0,
}


@dataclass(frozen=True)
class Multiple:
    """A member: so many times effective medium theory."""

    factor: float

    def calculator(self, device: str = "auto") -> Any:
        return LinearCombinationCalculator([EMT()], [self.factor])


@pytest.fixture
def committee(multiples: Any) -> Any:
    """The surfaces of ``multiples``, of which the members can drive dynamics."""
    members: Any = (Multiple(1.0), Multiple(1.2))
    multiples.potentials = {"committee": NamedCommittee(Committee(members))}
    multiples.executor, multiples.device = SerialExecutor(), "cpu"
    return multiples


def rows_of(result: Any) -> dict[str, Any]:
    return {quantity.quantity: quantity.values for quantity in result.quantities}


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


def test_bins_that_do_not_divide_the_range_are_whole() -> None:
    rng = np.random.default_rng(2)
    frames = [Atoms("H400", rng.uniform(0, 15, (400, 3)), cell=[15] * 3, pbc=True)] * 2
    r, g = radial_distribution(frames, 6.0, 0.7)
    assert r[-1] == pytest.approx(8 * 0.7 - 0.35)
    assert g[-1] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reference_file": "g.txt", "reference_dynamics": True}, "there is one reference"),
        ({"largest_angstrom": 6.0, "bin_angstrom": 7.0}, "no bin of 7 Å fits"),
    ],
)
def test_what_cannot_be_compared_or_counted_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MeltQuenchParameters.model_validate({**SHORT, **given})


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


def test_the_committees_errors_are_the_means_of_its_members(committee: Any, asked: Any) -> None:
    """The reference is the first member, which is not wrong; the second is by a fifth."""
    result = melt_quench.measure(committee, asked(melt_quench=SHORT), seed=1)
    assert not result.missing
    assert result.costs == {"steps of dynamics": 2 * 30}
    for what in ("energy", "forces"):
        errors = rows_of(result)[f"error of the {what} on its own last frame"]
        first, second = (errors[Surface("committee", m)] for m in range(2))
        assert first == pytest.approx(0, abs=1e-6) and second > 1
        assert errors[Surface("committee")] == pytest.approx((first + second) / 2)
    [curve] = result.curves
    members = [curve.y[Surface("committee", m)] for m in range(2)]
    assert curve.y[Surface("committee")] == pytest.approx(np.mean(members, axis=0))


def test_a_distribution_from_a_file_has_its_peak_where_it_is(
    committee: Any, asked: Any, tmp_path: Path
) -> None:
    """The file goes from 2 to 3.5 Å: what it has not is neither peak nor minimum."""
    r = np.arange(2.0, 3.5, 0.01)
    file = tmp_path / "g.txt"
    np.savetxt(file, np.stack([r, 1 + 2 * np.exp(-(((r - 2.575) / 0.2) ** 2))], axis=1))
    given = {**SHORT, "reference_file": str(file)}
    rows = rows_of(melt_quench.measure(committee, asked(melt_quench=given), seed=1))
    assert rows["highest peak of g(r)"][REFERENCE] == pytest.approx(2.575)
    assert rows["height of that peak"][REFERENCE] == pytest.approx(3, abs=0.01)
    assert rows["minimum of g(r) behind it"][REFERENCE] == pytest.approx(1, abs=0.01)
    assert rows["distance of g(r), root mean square"][Surface("committee")] > 0


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (None, "needed are two columns"),
        ("1.0 1.0\n3.0 1.0\n2.0 1.0\n", "has to ascend"),
        ("1.0 1.0\n2.0 nan\n", "to be finite"),
        ("100.0 0.0\n200.0 1.0\n", "are they in Å"),
    ],
)
def test_a_file_that_cannot_be_used_costs_no_dynamics(
    committee: Any, asked: Any, tmp_path: Path, table: str | None, why: str
) -> None:
    committee.executor = None  # would be asked for workers
    file = tmp_path / "g.txt"
    if table is not None:
        file.write_text(table)
    parameters = asked(melt_quench={**SHORT, "reference_file": str(file)})
    for ask in (melt_quench.refuse, melt_quench.measure):
        with pytest.raises(InputError, match=why):
            ask(committee, parameters, 1)


def test_dispersion_is_added_to_the_dynamics_of_whoever_lacks_it() -> None:
    """Else members and reference would make glasses of two different surfaces."""

    def energies(*, learnt: bool, contained: bool) -> tuple[float, float]:
        engine = ASEEngine(
            type="ase", calculator="ase.calculators.emt.EMT", includes_dispersion=contained
        )
        alone: Any = (Multiple(1.0),)
        surfaces = Surfaces(
            {"one": NamedCommittee(Committee(alone), learnt)},
            engine,
            store=None,  # type: ignore[arg-type]  # nothing is labelled
            executor=SerialExecutor(),
            dispersion=D2Dispersion(),
        )
        given = MeltQuenchParameters.model_validate({**SHORT, "reference_dynamics": True})
        start = random_start(given.species, 6.0, np.random.default_rng(3))
        tasks = _tasks(surfaces, given, start, 1)
        found = [tasks[s].driver.calculator("cpu") for s in (Surface("one"), REFERENCE)]
        one, reference = (c.get_potential_energy(start.copy()) for c in found)
        return one - bare(start), reference - bare(start)

    def bare(start: Atoms) -> float:
        return float(EMT().get_potential_energy(start.copy()))

    one, reference = energies(learnt=False, contained=False)
    assert one == pytest.approx(reference) and one < -0.1
    assert energies(learnt=True, contained=True) == pytest.approx((0, 0), abs=1e-9)


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
