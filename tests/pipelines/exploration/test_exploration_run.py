from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from potwright.dynamics import AseEngine, Conditions, Moves, Schedule, State
from potwright.errors import InputError
from potwright.execution import SerialExecutor
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.exploration import nodes
from potwright.pipelines.exploration.design import GridDesign, RampDesign
from potwright.pipelines.exploration.parameters import ExplorationParameters
from potwright.pipelines.exploration.tasks import STEPS, Gauge, Task
from potwright.pipelines.exploration.watching import StepCounter

# workers are fresh interpreters, which cannot import a test module
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class CountingEMT:
    """EMT that leaves a line for each trajectory which it drives."""

    path: Path
    breaks: bool = False

    def calculator(self, device: str = "auto") -> Any:
        with self.path.with_suffix(".runs").open("a") as file:
            file.write("run\n")
        if self.breaks:
            raise RuntimeError("no such device")
        return EMT()

    @property
    def runs(self) -> int:
        file = self.path.with_suffix(".runs")
        return len(file.read_text().splitlines()) if file.exists() else 0


@dataclass(frozen=True)
class FewMembers:
    members: tuple[CountingEMT, ...]


@pytest.fixture
def committee(tmp_path):
    path = tmp_path / "member.model"
    path.write_text("weights")
    return FewMembers((CountingEMT(path), CountingEMT(path)))


def structures() -> PESData:
    slab = fcc111("Cu", (2, 2, 2), vacuum=7.5)
    slab.pbc = (True, True, False)
    cluster = Atoms("Cu4", positions=[[0, 0, 0], [2.4, 0, 0], [0, 2.4, 0], [0, 0, 2.4]])
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.05, seed=1)
    pes = PESData.from_atoms(
        [crystal, slab, cluster],
        origin="rattle",
        source=["a.cif", "b.cif", "c.xyz"],
        group=["", "family", ""],
        split=["training", "validation", "test"],
        iteration=2,
    )
    return pes.replace(energy=1.0, info=[{"strain": 0.1}] * 3)


def parameters(**changes: Any) -> ExplorationParameters:
    return ExplorationParameters(
        **{
            "n_starts": 3,
            "duration_ps": 0.02,
            "frame_interval_ps": 0.005,
            "design": GridDesign(temperatures_kelvin=(300,), pressures_kbar=(1,)),
            "executor": SerialExecutor(),
            "device": "cpu",
            **changes,
        }
    )


def explore(committee, workspace, given=None, seed=0, calibration=None):
    given = given or parameters()
    workspace.mkdir(exist_ok=True)
    labelled = structures()
    plan = nodes.choose_starts(labelled, labelled, given, CampaignParameters(), seed)
    outcomes = nodes.run_dynamics(committee, plan, workspace, given, calibration or {})
    frames = nodes.collect_frames(plan, outcomes, given)
    return plan, frames, nodes.exploration_report(plan, outcomes, given)


@pytest.mark.parametrize("engine", ["ase", "lammps"])
def test_frames_inherit_from_their_start_and_say_where_they_come_from(committee, tmp_path, engine):
    given = parameters(engine={"type": engine})
    plan, frames, report = explore(committee, tmp_path / "work", given)
    assert len(frames) == 12 and not frames.has_labels.any()
    assert set(frames.origin) == {"md"} and set(frames.iteration) == {2}
    start = plan.starts[plan.starts.index_of(frames.parent)]
    for column in ("group", "split", "source", "pbc"):
        assert (getattr(frames, column) == getattr(start, column)).all()
    assert "family" in frames.group and set(frames.split) == {"training", "validation", "test"}
    info = frames.info[0]
    assert info["temperature_kelvin"] == 300 and info["pressure_kbar"] == 1
    assert [i["time_fs"] for i in frames.info] == [5, 10, 15, 20] * 3
    assert [i["trajectory"] for i in frames.info] == np.repeat([0, 1, 2], 4).tolist()
    assert info["dispersion"] == "none" and set(report.dispersion) == {"none"}
    assert info["engine"] == engine and info["end_reason"] == "completed"
    assert info["seed"] == plan.seeds[0] and "strain" not in info
    assert report.frames.tolist() == [4, 4, 4] and (report.end_reason == "completed").all()
    by_split = report.set_index("split")
    assert by_split.ensemble.to_dict() == {"training": "npt", "validation": "npt", "test": "nvt"}
    assert by_split.pbc.to_dict() == {"training": "TTT", "validation": "TTF", "test": "FFF"}
    assert (report.steps == 20).all() and (report.steps_per_second > 0).all()


def test_finished_trajectories_are_never_repeated(committee, tmp_path):
    _, first, _ = explore(committee, tmp_path / "work")
    runs = committee.members[0].runs
    assert runs == 3
    _, again, _ = explore(committee, tmp_path / "work")
    assert committee.members[0].runs == runs
    assert again.id.tolist() == first.id.tolist()

    lost = next((tmp_path / "work").iterdir())  # as if it had not been finished when killed
    (lost / "frames.h5").unlink()
    (lost / "trajectory.json").unlink()
    lost.rmdir()
    _, resumed, _ = explore(committee, tmp_path / "work")
    assert committee.members[0].runs == runs + 1
    assert resumed.id.tolist() == first.id.tolist()


@pytest.mark.parametrize("change", ["weights", "seed", "duration", "watch", "dispersion"])
def test_what_is_different_is_run_anew(committee, tmp_path, change):
    explore(committee, tmp_path / "work")
    given, seed = parameters(), 0
    if change == "weights":
        committee.members[0].path.write_text("other weights")
    elif change == "seed":
        seed = 1
    elif change == "duration":
        given = parameters(duration_ps=0.025)
    elif change == "dispersion":
        given = parameters(dispersion={"type": "d2", "cutoff_angstrom": 8.0})
    else:
        given = parameters(watch={"min_covalent_ratio": 0.5})
    _, frames, _ = explore(committee, tmp_path / "work", given, seed)
    assert committee.members[0].runs == 6
    assert {info["dispersion"] for info in frames.info} == {given.dispersion.type}


def test_trajectories_together_are_kept_one_by_one(committee, tmp_path):
    _, apart, _ = explore(committee, tmp_path / "apart")
    _, together, report = explore(
        committee, tmp_path / "together", parameters(trajectories_together=2)
    )
    assert together.id.tolist() == apart.id.tolist()
    assert report.completed.all() and len(list((tmp_path / "together").iterdir())) == 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["local", "dask", "slurm"])
def test_wherever_trajectories_run_they_are_the_same(request, committee, tmp_path, kind):
    executor = request.getfixturevalue("slurm") if kind == "slurm" else {"type": kind, "workers": 2}
    _, here, _ = explore(committee, tmp_path / "here")
    _, there, report = explore(committee, tmp_path / kind, parameters(executor=executor))
    assert there.id.tolist() == here.id.tolist() and report.completed.all()
    np.testing.assert_allclose(there.positions, here.positions, atol=1e-7)
    assert committee.members[0].runs == 6


SPRING = """
colvar {
  name length
  distance {
    group1 { atomNumbers 1 }
    group2 { atomNumbers 2 }
  }
}
harmonic {
  colvars length
  centers 3.0
  forceConstant 20
}
"""


def test_forces_on_collective_variables_pull_a_bond_of_the_cluster(committee, tmp_path):
    def bond(name, **given):
        fixed = {
            "engine": {"type": "lammps", "ensemble": "nvt"},
            "design": GridDesign(temperatures_kelvin=(300,)),
            "duration_ps": 0.1,
        }
        _, frames, report = explore(committee, tmp_path / name, parameters(**fixed, **given))
        assert report.completed.all()
        clusters = frames[~frames.pbc.any(axis=1)].to_atoms()
        return np.mean([atoms.get_distance(0, 1) for atoms in clusters])

    assert bond("plain") < 2.4
    assert bond("held", metadynamics={"enabled": True, "colvars": SPRING}) > 2.8


def test_without_any_frame_the_result_is_empty_and_the_report_says_why(committee, tmp_path):
    given = parameters(watch={"min_covalent_ratio": 2.0})
    _, frames, report = explore(committee, tmp_path / "work", given)
    assert len(frames) == 0
    frames.write(tmp_path / "frames.h5")
    assert len(PESData.read(tmp_path / "frames.h5")) == 0
    assert report.end_reason.str.startswith("collision").all()
    assert (report.frames == 0).all() and not report.completed.any()


def test_a_potential_that_never_works_is_an_error_that_names_its_reason(committee, tmp_path):
    broken = FewMembers((CountingEMT(committee.members[0].path, breaks=True),) * 2)
    with pytest.raises(InputError, match=r"none of 3.*RuntimeError: no such device"):
        explore(broken, tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())


def test_a_gauge_tells_steps_of_finished_and_of_running_trajectories(tmp_path):
    atoms, schedule = bulk("Cu"), Schedule(1, 100, 50)
    common = (
        CountingEMT(tmp_path / "m"),
        Conditions(300),
        schedule,
        AseEngine(),
        Moves(),
        (),
        0,
        "cpu",
        10,
    )
    tasks = [Task(tmp_path / f"{i}", tmp_path / f".{i}", i, atoms, *common) for i in range(3)]
    gauge = Gauge(tasks)
    assert (gauge.total, gauge.done(), gauge.unit) == (300, 0, "steps")
    tasks[0].folder.mkdir()
    counter = StepCounter(tasks[1].checkpoint / STEPS)
    counter.complaint(State(atoms, atoms, 37, 37.0, 300.0, 300.0))
    counter.complaint(State(atoms, atoms, 38, 38.0, 300.0, 300.0))  # within the same second
    assert gauge.done() == 137


def test_steps_that_cannot_be_noted_end_no_trajectory(tmp_path):
    (tmp_path / "full").touch()  # in place of the folder
    atoms = bulk("Cu")
    state = State(atoms, atoms, 37, 37.0, 300.0, 300.0)
    assert StepCounter(tmp_path / "full" / STEPS).complaint(state) is None


def test_frames_of_a_ramp_carry_the_targets_of_their_time(committee, tmp_path):
    ramp = RampDesign(temperatures_kelvin=(100, 500), pressures_kbar=(0, 4))
    plan, frames, report = explore(committee, tmp_path / "work", parameters(design=ramp))
    targets = [(i["temperature_kelvin"], i["pressure_kbar"]) for i in frames.info]
    held = [(200, 1), (300, 2), (400, 3), (500, 4)]
    for index, pbc in enumerate(plan.starts.pbc):
        expected = held if pbc.any() else [(t, None) for t, _ in held]
        assert targets[4 * index : 4 * index + 4] == expected
    row = report[report.pbc == "TTT"].iloc[0]
    assert (row.temperature_kelvin, row.final_temperature_kelvin) == (100, 500)
    assert (row.pressure_kbar, row.final_pressure_kbar) == (0, 4)
    assert report[report.pbc == "FFF"].pressure_kbar.isna().all()


def test_a_grid_runs_each_start_as_often_as_it_has_points(committee, tmp_path):
    grid = GridDesign(temperatures_kelvin=(100, 200), pressures_kbar=(0,))
    _, frames, report = explore(committee, tmp_path / "work", parameters(design=grid))
    assert sorted(report.temperature_kelvin) == [100] * 3 + [200] * 3
    assert (report.groupby("start").size() == 2).all() and len(set(report.seed)) == 6
    assert len(frames) == 24 and set(frames.parent) == set(structures().id)


def test_zero_temperature_starts_are_relaxed(committee, tmp_path):
    given = parameters(design=GridDesign(temperatures_kelvin=(0,)), duration_ps=1)
    _, frames, report = explore(committee, tmp_path / "work", given)
    assert (report.ensemble == "relaxation").all()
    assert report.end_reason.str.startswith("completed: minimum").all()
    assert len(frames) >= 3


def test_a_search_keeps_its_minima_and_says_how_many_were_accepted(committee, tmp_path):
    hot = GridDesign(temperatures_kelvin=(600,))
    search = parameters(
        design=hot,
        method={"type": "basin_hopping", "displacement_angstrom": 0.1, "strain": 0.0},
        engine={"relaxation_force_ev_per_angstrom": 0.2},
        duration_ps=0.06,
        frame_interval_ps=0.06,
        starts=(0, 2),
    )
    _, frames, report = explore(committee, tmp_path / "work", search)
    assert (report.ensemble == "basin_hopping").all() and report.completed.all()
    assert (report.moves_tried > 0).all() and (report.moves_accepted <= report.moves_tried).all()
    at_minima = [info.get("watch", "").startswith("minimum") for info in frames.info]
    assert sum(at_minima) >= 4 and not all(at_minima)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"swaps": {"enabled": True}, "engine": {"ensemble": "nve"}}, "nothing holds the temper"),
        ({"swaps": {"enabled": True}, "method": {"type": "basin_hopping"}}, "during dynamics"),
        ({"method": {"type": "basin_hoping"}}, "did you mean 'basin_hopping'"),
        ({"swaps": {"species": ["Cu"]}}, "at least 2"),
        ({"swaps": {"species": ["Cu", "Xx"]}}, "not the symbol of a chemical element"),
        ({"trajectories_together": 4, "engine": {"type": "lammps"}}, "one at a time"),
        ({"metadynamics": {"enabled": True, "colvars": "x"}}, "set engine.type to lammps"),
        (
            {"metadynamics": {"enabled": True, "colvars": "x"}, "engine": {"type": "lammps"}},
            "in ensemble auto: a barostat does not feel the hills",
        ),
        ({"metadynamics": {"enabled": True}}, "colvars says nothing"),
        (
            {
                "method": {"type": "minima_hopping"},
                "design": {"type": "grid", "temperatures_kelvin": [0, 300]},
            },
            "0 K, where the dynamics",
        ),
    ],
)
def test_moves_that_make_no_sense_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        ExplorationParameters.model_validate(given)
