"""A committee that looks on while one member drives; a potential that knows nothing, at 3000 K."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT

from potwright.dynamics import (
    AseEngine,
    Bias,
    Conditions,
    Disagreement,
    FiniteNumbers,
    Schedule,
    State,
)
from potwright.errors import InputError
from potwright.execution import SerialExecutor
from potwright.geometry import smallest_covalent_ratio
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.evaluation import selection
from potwright.pipelines.evaluation.parameters import EvaluationParameters
from potwright.pipelines.exploration import biasing, nodes, watching
from potwright.pipelines.exploration.parameters import (
    BiasParameters,
    DisagreementParameters,
    ExplorationParameters,
    WatchParameters,
)
from potwright.pipelines.labelling import screening
from potwright.pipelines.labelling.parameters import ScreeningParameters
from potwright.potentials import Committee
from potwright.uncertainty import property_uncertainties

SCHEDULE = Schedule(1, 60, 20)


@pytest.fixture(scope="module")
def committee(untrained_committee) -> Committee:
    return untrained_committee


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def spreads(committee: Committee, structures: PESData) -> dict[str, np.ndarray]:
    """D of Eq. 1 by the functions that evaluation uses, meV."""
    found = property_uncertainties(committee.predict(structures, device="cpu"))
    return {name: 1000 * entry.disagreement for name, entry in found.items()}


def drive(committee: Committee, *watches, start: Atoms | None = None):
    return AseEngine().run_trajectory(
        start or crystal(),
        committee.members[0],
        Conditions(1500),
        SCHEDULE,
        seed=2,
        watches=watches,
        device="cpu",
    )


def test_a_watch_sees_the_disagreement_that_evaluation_sees(committee):
    atoms = crystal()
    for name, values in spreads(committee, PESData.from_atoms([atoms])).items():
        for factor, crossed in ((0.999, True), (1.001, False)):
            watch = Disagreement(committee, {name: factor * values[0]}, device="cpu")
            complaint = watch.complaint(State(atoms, atoms, 1, 1.0, 300.0, 300.0))
            assert bool(complaint) == crossed
            if complaint:
                assert complaint.keeps_frame and complaint.reason.startswith(
                    f"disagreement: {name}"
                )


def test_a_molecule_has_no_stress_to_disagree_on(committee):
    dimer = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]])
    watch = Disagreement(committee, {"stress": 1e-9}, device="cpu")
    assert watch.complaint(State(dimer, dimer, 1, 1.0, 300.0, 300.0)) is None


@pytest.mark.parametrize("stops", [True, False])
def test_the_first_structure_above_a_ceiling_is_kept(committee, stops):
    plain = drive(committee)
    watched = AseEngine().run_trajectory(
        crystal(),
        committee.members[0],
        Conditions(1500),
        Schedule(1, 60, 1),
        seed=2,
        device="cpu",
    )
    spread = spreads(committee, watched.frames)["forces"]  # after 1, 2, … 60 steps
    looks = [step for step in range(1, 61) if step % 7 == 0 or step % 20 == 0]
    looked = spread[np.array(looks) - 1]
    ceiling = np.sort(looked)[len(looks) // 2]
    first = next(step for step in looks if spread[step - 1] > ceiling)
    assert first % 20 and looked[0] < ceiling

    watch = Disagreement(committee, {"forces": ceiling}, every=7, stops=stops, device="cpu")
    run = drive(committee, watch)
    marked = [i for i, remark in enumerate(run.remarks) if remark]
    assert [run.times_fs[i] for i in marked] == [first]
    assert run.frames.id[marked[0]] == watched.frames.id[first - 1]
    # and all that plain dynamics would have kept up to there, or to the end
    others = [id for i, id in enumerate(run.frames.id) if i not in marked]
    expected = plain.frames.id[: first // 20] if stops else plain.frames.id
    assert others == expected.tolist()
    assert run.completed != stops and run.steps == (first if stops else 60)
    if stops:
        assert run.end_reason == f"{run.remarks[-1]} ({first} fs)"


@pytest.mark.parametrize("stops", [True, False])
def test_a_start_above_a_ceiling_has_a_label_and_is_gone_on_from(committee, stops):
    """What is found is the first structure after it, be it during thermalisation."""
    watch = Disagreement(committee, {"forces": 1e-6}, every=7, stops=stops, device="cpu")
    done = AseEngine().run_trajectory(
        crystal(),
        committee.members[0],
        Conditions(300),
        Schedule(1, 10, 5, thermalisation_fs=10),
        seed=2,
        watches=(watch,),
        device="cpu",
    )
    assert done.times_fs.tolist() == ([7] if stops else [7, 15, 20])
    assert done.steps == (7 if stops else 20) and done.remarks[0].startswith("disagreement: forces")
    assert PESData.from_atoms([crystal()], labels="none").id[0] not in done.frames.id


def test_ceilings_are_given_or_calibrated(caplog):
    report = {
        "properties": {
            "energy": {"tau": 2.0, "trusted": True},
            "forces": {"tau": 80.0, "trusted": False},
            "stress": {"tau": None, "trusted": False},
        }
    }
    off = DisagreementParameters()
    on = DisagreementParameters(enabled=True, times_threshold=2)
    given = on.model_copy(update={"forces_mev_per_angstrom": 500.0})
    assert watching.ceilings(off, report) == {}
    assert watching.ceilings(on, report) == {"energy": 4, "forces": 160}
    assert watching.ceilings(given, report) == {"energy": 4, "forces": 500}
    assert watching.ceilings(given, {}) == {"forces": 500}
    assert "not watched" not in caplog.text
    assert watching.ceilings(on, {}) == {}
    assert "nothing is calibrated yet" in caplog.text


def test_the_scale_of_a_bias_is_given_or_calibrated(caplog):
    on = BiasParameters(enabled=True, depth_mev_per_atom=20, largest_force_ev_per_angstrom=2)
    report = {"properties": {"energy": {"tau": 4.0}}}
    assert biasing.bias_of(BiasParameters(), report) is None
    assert biasing.bias_of(on, report) == Bias(0.02, 0.004, 2)
    given = on.model_copy(update={"scale_mev_per_atom": 7.0})
    assert biasing.bias_of(given, report) == Bias(0.02, 0.007, 2)
    assert "not biased" not in caplog.text
    assert biasing.bias_of(on, {}) is None
    assert "not calibrated yet" in caplog.text


LIMITS = (
    "max_temperature_factor",
    "min_covalent_ratio",
    "min_volume_ratio",
    "max_volume_ratio",
    "max_neighbour_ratio",
)


def test_a_limit_of_null_is_not_watched_and_what_is_no_number_always():
    def complaints(strain: float, **given) -> list[str]:
        atoms, start = crystal(), crystal()
        atoms.calc = EMT()
        atoms.set_cell(atoms.cell * strain, scale_atoms=True)
        state = State(atoms, start, 0, 0.0, 300.0, 300.0)
        others_off = {"min_covalent_ratio": None, "max_neighbour_ratio": None}
        parameters = WatchParameters(**others_off, **given)
        found = (watch.complaint(state) for watch in parameters.watches())
        return [complaint.reason.partition(":")[0] for complaint in found if complaint]

    assert complaints(1.8) == complaints(0.6) == ["volume"]
    assert complaints(1.8, min_volume_ratio=None) == ["volume"]
    assert complaints(1.8, max_volume_ratio=None) == []
    assert complaints(0.6, max_volume_ratio=None) == ["volume"]
    assert complaints(0.6, min_volume_ratio=None) == []
    assert WatchParameters(**dict.fromkeys(LIMITS)).watches() == (FiniteNumbers(),)


@pytest.mark.parametrize(
    "given",
    [{"min_volume_ratio": 1}, {"max_volume_ratio": 1}, {"temperature_floor_kelvin": None}],
    ids=str,
)
def test_limits_that_would_stop_every_trajectory_are_refused(given):
    with pytest.raises(InputError, match=next(iter(given))):
        WatchParameters.model_validate(given)


# ---------------------------------------------------------------- what knows nothing, at 3000 K


def beginnings() -> PESData:
    """A crystal, a distorted one, a slab and a cluster."""
    slab = fcc111("Cu", (2, 2, 2), vacuum=7.5)
    slab.pbc = (True, True, False)
    strained = crystal()
    strained.set_cell(strained.cell * 0.85, scale_atoms=True)
    cluster = Atoms("Cu4", positions=[[0, 0, 0], [2.4, 0, 0], [0, 2.4, 0], [0, 0, 2.4]])
    cluster.set_cell([15, 15, 15])
    pes = PESData.from_atoms([crystal(), strained, slab, cluster], origin="rattle", iteration=1)
    return pes.replace(energy=0.0, split="training")


def explore(committee: Committee, workspace, **given):
    parameters = ExplorationParameters.model_validate(
        {
            "starts": [0, 1, 2, 3],
            "duration_ps": 0.3,
            "frame_interval_ps": 0.1,
            "design": {"type": "grid", "temperatures_kelvin": [3000]},
            "device": "cpu",
            "executor": SerialExecutor(),
            **given,
        }
    )
    workspace.mkdir()
    labelled = beginnings()
    plan = nodes.choose_starts(labelled, labelled, parameters, CampaignParameters(), 0)
    outcomes = nodes.run_dynamics(committee, plan, workspace, parameters, {})
    frames = nodes.collect_frames(plan, outcomes, parameters)
    return frames, nodes.exploration_report(plan, outcomes, parameters)


def unphysical(frames: PESData) -> np.ndarray:
    """What labelling would drop, by its own rules."""
    reasons = screening.reasons_to_drop(frames, [beginnings(), frames], ScreeningParameters())
    return np.asarray(reasons != screening.KEPT)


def ratios(frames: PESData) -> np.ndarray:
    return np.array(
        [
            smallest_covalent_ratio(a.numbers, a.positions, np.array(a.cell), a.pbc)
            for a in frames.to_atoms()
        ]
    )


@pytest.fixture(scope="module")
def watched(committee, tmp_path_factory):
    """Folder, frames and report of an exploration with a useless potential."""
    folder = tmp_path_factory.mktemp("explorations") / "watched"
    return folder, *explore(committee, folder)


@pytest.mark.slow
def test_every_trajectory_of_a_useless_potential_ends_with_a_reason_and_usable_frames(watched):
    _, frames, report = watched
    assert (report.end_reason != "").all()
    assert not report.end_reason.str.startswith("failed").any()
    assert not report.completed.all()  # it is useless
    assert (report.frames > 0).all()
    assert np.isfinite(frames.positions).all() and not unphysical(frames).any()


@pytest.mark.slow
def test_an_exploration_with_a_bias_is_another_one(committee, watched, tmp_path):
    plain_folder, plain, _ = watched
    bias = {"enabled": True, "scale_mev_per_atom": 500, "depth_mev_per_atom": 2000}
    drawn, report = explore(committee, tmp_path / "drawn", starts=[0], bias=bias)
    assert report.frames.tolist() == [len(drawn)] and len(drawn)
    assert not set(drawn.id) & set(plain.id)
    names = [
        {path.name for path in folder.iterdir()} for folder in (plain_folder, tmp_path / "drawn")
    ]
    assert not names[0] & names[1]


@pytest.mark.slow
def test_selection_discards_what_nobody_watched(committee, tmp_path, caplog):
    frames, report = explore(committee, tmp_path / "unwatched", watch=dict.fromkeys(LIMITS))
    assert not report.end_reason.str.startswith("failed").any()
    close = ratios(frames) < 0.45
    assert close.any() and not close.all()
    assert (unphysical(frames) >= close).all()
    assert "will not be selected" in caplog.text
    calibration = {"iteration": 1, "properties": {n: {"tau": None} for n in watching.PROPERTIES}}
    judged = selection.judge(
        committee.predict(frames, device="cpu"),
        frames,
        beginnings(),
        calibration,
        EvaluationParameters(),
    )
    assert not judged.candidate[close].any()
    assert judged.candidate[~unphysical(frames)].all()
