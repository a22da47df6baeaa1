from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase.build import bulk

from potwright.pes import PESData
from potwright.pipelines.evaluation.calibration import calibrate
from potwright.pipelines.evaluation.rules import RULES, Pool
from potwright.pipelines.evaluation.selection import judge, remaining_budget, select
from potwright.uncertainty import Predictions
from potwright.uncertainty.measurement import audited

NO_AUDIT = {"fraction": 0.0, "minimum": 0}


class Stage:
    """Evaluation of one set of explored frames, up to the selection."""

    def __init__(self, committee: Any, labelled: PESData, explored: PESData, parameters: Any):
        everything = PESData.concatenate([labelled, explored]).drop_duplicates()
        self.predictions = committee.predict(everything)
        self.committee = committee
        self.labelled, self.explored, self.parameters = labelled, explored, parameters

    def calibration(self) -> dict[str, Any]:
        return calibrate(
            self.predictions,
            Predictions.empty(),
            self.labelled,
            previous={},
            parameters=self.parameters,
            iteration=1,
            seed=0,
        )

    def judged(self, calibration: dict[str, Any] | None = None) -> Any:
        return judge(
            self.predictions,
            self.explored,
            self.labelled,
            calibration or self.calibration(),
            self.parameters,
        )

    def selected(self, seed: int = 0, label_budget: int | None = None) -> PESData:
        calibration = self.calibration()
        return select(
            self.explored,
            self.judged(calibration),
            self.labelled,
            calibration,
            committee=self.committee,
            predictions=self.predictions,
            parameters=self.parameters,
            label_budget=label_budget,
            seed=seed,
        )


@pytest.fixture
def stage(committee: Any, labelled: PESData, explored: PESData, parameters: Any) -> Any:
    def make(frames: PESData | None = None, **blocks: Any) -> Stage:
        chosen = explored if frames is None else frames
        return Stage(committee, labelled, chosen, parameters(**blocks))

    return make


def scales(pes: PESData) -> np.ndarray:
    return np.array([info["scale"] for info in pes.info])


def reasons(pes: PESData) -> list[str]:
    return [info["reason"] for info in pes.info]


def test_uncertain_frames_are_those_above_a_calibrated_threshold(stage: Any) -> None:
    run = stage()
    calibration, judged = run.calibration()["properties"], run.judged()
    d = judged["disagreement_forces_mev_per_angstrom"]
    over = d > calibration["forces"]["tau"]
    assert over.any()
    assert not over.all()
    assert (judged["reasons"].str.contains("forces") == over).all()
    assert (judged["uncertain"] == (judged["excess"] > 1)).all()


def test_every_frame_keeps_why_it_was_selected(stage: Any) -> None:
    run = stage()
    selected, judged = run.selected(), run.judged().set_index("id")
    assert len(selected) > 10
    for id_, info in zip(selected.id, selected.info, strict=True):
        row = judged.loc[id_]
        stated = "audit" if info["audit"] else f"uncertain: {row['reasons']}"
        assert info["reason"] == stated
        assert info["disagreement"]["forces_mev_per_angstrom"] == pytest.approx(
            row["disagreement_forces_mev_per_angstrom"]
        )
    assert selected.origin.tolist() == ["md"] * len(selected)


def test_the_audit_sample_is_a_tenth_and_at_least_eight(stage: Any, structures: Any) -> None:
    assert audited(stage().selected()).sum() == 10
    few = structures(30, seed=4, labelled=False)
    assert audited(stage(few).selected()).sum() == 8
    fewer = structures(5, seed=4, labelled=False)
    assert audited(stage(fewer).selected()).sum() == 5


def test_the_audit_sample_does_not_look_at_disagreement(stage: Any, committee_type: Any) -> None:
    """Another committee, other disagreements: the same audit sample."""
    run = stage()
    other = Stage(committee_type(seed=5), run.labelled, run.explored, run.parameters)
    assert not np.allclose(run.judged()["excess"], other.judged()["excess"])
    mine, theirs = run.selected(), other.selected()
    assert set(mine.id[audited(mine)]) == set(theirs.id[audited(theirs)])
    assert set(mine.id[~audited(mine)]) != set(theirs.id[~audited(theirs)])


def test_audit_frames_are_as_disputed_as_all_frames_on_average(
    stage: Any, explored: PESData
) -> None:
    run = stage()
    drawn = [s[audited(s)] for s in (run.selected(seed) for seed in range(30))]
    sampled = np.log(np.concatenate([scales(pes) for pes in drawn]))
    everything = np.log(scales(explored))
    # 300 draws: the standard error of their mean is spread/√300
    assert sampled.mean() == pytest.approx(everything.mean(), abs=4 * everything.std() / 300**0.5)


def test_at_most_max_selected_beside_the_audit(stage: Any) -> None:
    selected = stage(selection={"type": "random", "max_selected": 3}).selected()
    assert (~audited(selected)).sum() == 3
    assert len(np.unique(selected.id)) == len(selected)


def test_top_takes_the_largest_disagreements(stage: Any) -> None:
    run = stage(selection={"type": "top", "max_selected": 5}, audit=NO_AUDIT)
    judged = run.judged().set_index("id")
    chosen = judged.loc[run.selected().id, "excess"]
    assert sorted(chosen) == sorted(judged["excess"].nlargest(5))


def test_proportional_draws_each_frame_as_often_as_its_disagreement_says() -> None:
    """One of four at a time: the first draw has exactly these probabilities."""
    everything = np.ones(4, dtype=bool)
    pool = Pool(PESData.empty(), everything, everything, np.array([1.0, 1.0, 2.0, 4.0]))
    draw = np.random.default_rng(0)
    first = [RULES["proportional"].take(pool, 1, draw).frames[0] for _ in range(4000)]
    shares = np.bincount(first, minlength=4) / 4000
    # standard deviations of up to 0.008
    np.testing.assert_allclose(shares, np.array([1, 1, 2, 4]) / 8, atol=0.03)
    assert sorted(RULES["proportional"].take(pool, 9, draw).frames.tolist()) == [0, 1, 2, 3]


def test_the_control_takes_as_many_frames_but_not_only_uncertain_ones(stage: Any) -> None:
    rule = stage(selection={"type": "random"})
    control = stage(selection={"type": "random_control"})
    ours, theirs = rule.selected(), control.selected()
    assert len(ours) == len(theirs)
    uncertain = rule.judged().set_index("id")["uncertain"]
    assert uncertain[ours.id[~audited(ours)]].all()
    assert not uncertain[theirs.id[~audited(theirs)]].all()
    assert set(reasons(theirs)) == {"audit", "random (control)"}


def test_the_same_seed_gives_the_same_selection_in_any_order_of_frames(
    stage: Any, explored: PESData
) -> None:
    limited = {"selection": {"type": "random", "max_selected": 5}}
    one, again = stage(**limited).selected(), stage(**limited).selected()
    shuffled = stage(explored[np.random.default_rng(0).permutation(100)], **limited).selected()
    other = stage(**limited).selected(seed=1)
    assert one.id.tolist() == again.id.tolist() == shuffled.id.tolist()
    assert reasons(one) == reasons(shuffled)
    assert set(one.id) != set(other.id)


def test_the_label_budget_serves_the_audit_first(stage: Any) -> None:
    run = stage()
    assert len(run.selected(label_budget=120 + 12)) == 12
    assert reasons(run.selected(label_budget=120 + 12)).count("audit") == 10
    assert reasons(run.selected(label_budget=120 + 4)) == ["audit"] * 4
    assert len(run.selected(label_budget=50)) == 0


def test_labels_that_a_campaign_began_with_are_no_purchase() -> None:
    labelled = PESData.from_atoms([bulk("Cu"), bulk("Ag"), bulk("Au")]).replace(energy=0.0)
    assert remaining_budget(labelled.replace(iteration=[0, 1, 2]), 5) == 3


def test_a_ceiling_counts_as_uncertain_and_is_not_selected(stage: Any) -> None:
    d = stage().judged()["disagreement_forces_mev_per_angstrom"]
    ceiling = float(d.quantile(0.9))
    run = stage(
        selection={"type": "top", "ceiling": {"forces_mev_per_angstrom": ceiling}}, audit=NO_AUDIT
    )
    judged = run.judged()
    above = judged["disagreement_forces_mev_per_angstrom"] > ceiling
    assert judged["above_ceiling"].sum() == above.sum() == 10
    assert judged["uncertain"][above].all()
    assert not set(run.selected().id) & set(judged["id"][above])


def test_what_is_labelled_twice_there_or_insane_is_not_a_candidate(
    stage: Any, labelled: PESData, explored: PESData, committee: Any, parameters: Any
) -> None:
    marked = explored[:3].replace(info=[i | {"sane": False} for i in explored[:3].info])
    frames = PESData.concatenate([marked, explored[3:], explored[10:12], labelled[:4]])
    run = stage(frames)
    energy = run.predictions.energy.copy()
    nan_id = explored.id[50]
    energy[0, run.predictions.index_of([nan_id])] = np.nan
    p = run.predictions
    run.predictions = Predictions(p.id, p.offsets, energy, p.forces, p.stress)
    judged = run.judged()
    assert judged["candidate"].sum() == 100 - 3 - 1
    assert judged["sane"].sum() == 100 - 3 - 1 + 2 + 4
    taken = set(run.selected().id)
    assert not taken & {*explored.id[:3], nan_id, *labelled.id}


def test_frames_are_drawn_at_random_where_nothing_is_calibrated(
    committee: Any, structures: Any, explored: PESData, parameters: Any
) -> None:
    training = structures(10, split="training", iteration=1)
    run = Stage(
        committee, training, explored, parameters(selection={"type": "top", "max_selected": 7})
    )
    assert sorted(reasons(run.selected())) == ["audit"] * 10 + ["random (uncalibrated)"] * 7
    assert not run.judged()["uncertain"].any()


def test_an_empty_selection_is_a_valid_dataset(
    stage: Any, labelled: PESData, tmp_path: Any
) -> None:
    for frames in (PESData.empty(), labelled[:5]):
        selected = stage(frames).selected()
        selected.write(tmp_path / "selected.h5")
        assert len(PESData.read(tmp_path / "selected.h5")) == 0


def test_flags_of_an_earlier_life_do_not_survive(stage: Any, explored: PESData) -> None:
    """A frame may inherit the info of its start, which may itself have been an audit frame."""
    inherited = explored.replace(
        info=[i | {"audit": True, "reason": "audit"} for i in explored.info]
    )
    assert audited(stage(inherited).selected()).sum() == 10
