from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from potwright.pes import PESData
from potwright.pipelines.evaluation.calibration import calibrate
from potwright.uncertainty import Predictions


def report(
    predictions: Predictions,
    labelled: PESData,
    parameters: Any,
    *,
    before: Predictions | None = None,
    previous: dict[str, Any] | None = None,
    iteration: int = 1,
    record: dict[str, Any] | None = None,
    **settings: Any,
) -> dict[str, Any]:
    return calibrate(
        predictions,
        Predictions.empty() if before is None else before,
        labelled,
        previous=previous or {},
        parameters=parameters(calibration={"bootstrap_samples": 200, **settings}),
        iteration=iteration,
        seed=0,
        record=record,
    )["properties"]


def test_a_committee_whose_errors_follow_its_spread_is_trusted(
    committee: Any, labelled: PESData, parameters: Any
) -> None:
    forces = report(committee.predict(labelled), labelled, parameters)["forces"]
    assert forces["trusted"]
    assert forces["informative"]
    assert forces["reason"].startswith("trusted")
    # 4 members with k = 1: c² = (1 + 1/4)/(1 − 1/4), a² = (1 − 1/4)/2
    assert forces["c"] == pytest.approx(np.sqrt(5 / 3), rel=0.15)
    assert forces["a"] == pytest.approx(np.sqrt(3 / 8), rel=0.15)
    assert forces["tau"] == pytest.approx(150 * forces["a"])
    assert forces["c_per_atom"] == pytest.approx(np.sqrt(5 / 3), rel=0.15)


def test_a_committee_whose_errors_do_not_is_not(
    committee_type: Any, structures: Any, parameters: Any
) -> None:
    """All scales equal: what is left of D and of b is noise, and they are independent."""
    pes = structures(200, scale=1.0, split="validation", iteration=1)
    energy = report(committee_type().predict(pes), pes, parameters)["energy"]
    assert energy["calibrated"]
    assert not energy["trusted"]
    assert "not surely above 0.2" in energy["reason"]


def test_forces_that_vanish_by_symmetry_are_no_evidence(
    committee_type: Any, structures: Any, parameters: Any
) -> None:
    """Where D and b are rounding, they are small together: that D knows nothing would not show."""
    pes = structures(80, scale=1.0, split="validation", iteration=1)
    perfect = structures(20, seed=5, scale=1e-9, split="validation", iteration=1)
    both = PESData.concatenate([pes, perfect])
    predict = committee_type().predict
    entry = report(predict(both), both, parameters)["forces"]
    known = report(predict(pes), pes, parameters)["forces"]
    assert entry.pop("structures_vanishing") == 20
    assert known.pop("structures_vanishing") == 0
    assert "structures without forces do not count: 20" in entry.pop("reason")
    assert not entry["trusted"] and not entry["informative"]
    assert entry == {name: value for name, value in known.items() if name != "reason"}


def test_a_relaxed_structure_that_is_predicted_wrongly_is_evidence(
    committee_type: Any, structures: Any, parameters: Any
) -> None:
    """Its reference forces are zero, those of the members are not."""
    pes = structures(20, scale=1.0, split="validation", iteration=1)
    assert not pes.forces.any()
    assert report(committee_type().predict(pes), pes, parameters)["forces"]["structures"] == 20


def test_only_validation_is_evidence_before_there_is_an_audit(
    committee: Any, labelled: PESData, parameters: Any
) -> None:
    predictions = committee.predict(labelled)
    validation = labelled[labelled.split == "validation"]
    assert report(predictions, labelled, parameters) == report(predictions, validation, parameters)
    entry = report(predictions, labelled, parameters)["forces"]
    assert (entry["structures_validation"], entry["structures_audit"]) == (30, 0)
    assert entry["audit"] is None
    assert "optimistic" in entry["reason"]


def test_isolated_atoms_are_no_evidence(
    committee: Any, labelled: PESData, structures: Any, parameters: Any
) -> None:
    atoms = structures(5, seed=9, split="validation", origin="isolated_atom", iteration=1)
    both = PESData.concatenate([labelled, atoms])
    predictions = committee.predict(both)
    assert report(predictions, both, parameters) == report(predictions, labelled, parameters)


@pytest.fixture
def audit(structures: Any) -> PESData:
    """What the first iteration drew and the second labelled: some of it now in validation."""
    pes = structures(40, seed=7, iteration=2, origin="md")
    splits = np.array(["training", "validation"])[np.arange(40) % 2]
    return pes.replace(split=splits, info=[info | {"audit": True} for info in pes.info])


def test_the_audit_sample_counts_once_with_the_predictions_of_when_it_was_drawn(
    committee_type: Any, labelled: PESData, audit: PESData, parameters: Any
) -> None:
    merged = PESData.concatenate([labelled, audit])
    now, before = committee_type(seed=1), committee_type(seed=2, shared=4.0)
    first = report(now.predict(labelled), labelled, parameters)
    entry = report(
        now.predict(merged),
        merged,
        parameters,
        before=before.predict(audit),
        previous={"properties": first},
        iteration=2,
    )["forces"]
    assert (entry["structures_validation"], entry["structures_audit"]) == (30, 40)
    squares = (before.predict(audit).forces ** 2).mean(axis=(0, 2))
    of_structures = np.add.reduceat(squares, audit.offsets[:-1]) / audit.n_atoms
    own = np.sqrt(of_structures.mean())
    assert entry["audit"]["rms_member_error"] == pytest.approx(1000 * own)


def test_rates_are_those_of_the_threshold_in_force_when_the_sample_was_drawn(
    committee: Any, labelled: PESData, audit: PESData, parameters: Any
) -> None:
    merged = PESData.concatenate([labelled, audit])
    predictions = committee.predict(merged)

    def rates(tau: float | None) -> dict[str, Any]:
        previous = {"properties": {"forces": {"tau": tau, "c": None, "c_conformal": None}}}
        return report(
            predictions, merged, parameters, before=predictions, previous=previous, iteration=2
        )["forces"]["audit"]

    everything, nothing = rates(1e-9), rates(1e9)
    assert everything["true_positive_rate"]["value"] == 1
    assert everything["positive_predictive_value"]["trials"] == 40
    assert nothing["true_positive_rate"]["value"] == 0
    assert nothing["positive_predictive_value"]["value"] is None
    assert rates(None)["true_positive_rate"] is None
    assert rates(None)["structures"] == 40


def test_coverage_is_near_nominal_for_a_committee_that_is_what_it_says(
    committee_type: Any, structures: Any, parameters: Any
) -> None:
    validation = structures(150, seed=11, scale=1.0, split="validation", iteration=1)
    drawn = structures(150, seed=12, scale=1.0, split="training", iteration=2)
    drawn = drawn.replace(info=[info | {"audit": True} for info in drawn.info])
    merged = PESData.concatenate([validation, drawn])
    predictions = committee_type(members=8).predict(merged)
    first = report(predictions, validation, parameters)
    audit = report(
        predictions,
        merged,
        parameters,
        before=predictions,
        previous={"properties": first},
        iteration=2,
    )["energy"]["audit"]
    # the quantile and the count each have a standard deviation of √(0.9·0.1/150) = 0.024
    assert audit["coverage_conformal"]["value"] == pytest.approx(0.9, abs=0.1)
    # about the 68 % of a normal error within one standard deviation
    assert 0.55 < audit["coverage"]["value"] < 0.85


@pytest.mark.parametrize("count", [0, 2])
def test_too_little_evidence_leaves_it_uncalibrated_in_words(
    committee: Any, structures: Any, parameters: Any, count: int
) -> None:
    training = structures(10, seed=3, split="training", iteration=1)
    few = structures(count, seed=4, split="validation", iteration=1)
    pes = PESData.concatenate([training, few])
    for entry in report(committee.predict(pes), pes, parameters).values():
        assert not entry["calibrated"]
        assert entry["tau"] is None
        assert entry["reason"].startswith("uncalibrated: fewer than 3")


def test_members_that_do_not_differ_cannot_be_calibrated(
    committee_type: Any, labelled: PESData, parameters: Any
) -> None:
    """The mean of one member is off, its spread is zero."""
    predictions = committee_type(members=1).predict(labelled)
    entry = report(predictions, labelled, parameters)["forces"]
    assert not entry["calibrated"]
    assert "do not differ" in entry["reason"]


def test_frames_of_one_trajectory_are_one_group(
    committee: Any, labelled: PESData, parameters: Any
) -> None:
    grouped = labelled.replace(group=[f"trajectory {i % 5}" for i in range(len(labelled))])
    entry = report(committee.predict(grouped), grouped, parameters)["forces"]
    assert entry["groups"] == 5
    assert not entry["trusted"]
    assert "5 independent groups" in entry["reason"]


def test_the_configured_method_gives_the_factor_and_says_what_it_means(
    committee: Any, labelled: PESData, parameters: Any
) -> None:
    predictions = committee.predict(labelled)
    by_method = {
        method: report(predictions, labelled, parameters, method=method)["forces"]
        for method in ("linear", "conformal", "likelihood")
    }
    for method, key in (
        ("linear", "c"),
        ("conformal", "c_conformal"),
        ("likelihood", "c_likelihood"),
    ):
        entry = by_method[method]
        assert entry["method"] == method
        assert entry["factor"] == entry[key]
        assert entry["factor_per_atom"] == entry[key.replace("c", "c_per_atom", 1)]
        assert entry["level"] == (0.9 if method == "conformal" else None)
    assert "root mean square" in by_method["linear"]["meaning"]
    assert "probability of 0.9" in by_method["conformal"]["meaning"]
    assert "standard deviation" in by_method["likelihood"]["meaning"]
    factors = [entry["factor"] for entry in by_method.values()]
    # nine in ten is further than one standard deviation
    assert factors[1] > max(factors[0], factors[2])


def test_a_conformal_bar_per_atom_holds_the_error_of_atoms_of_new_structures(
    committee: Any, labelled: PESData, structures: Any, parameters: Any
) -> None:
    """Each structure is a group of 8 to 16 atoms that share their scale."""
    factor = report(committee.predict(labelled), labelled, parameters, method="conformal")[
        "forces"
    ]["factor_per_atom"]
    fresh = structures(150, seed=21)
    forces = committee.predict(fresh).forces
    d = np.sqrt(forces.var(axis=0).mean(axis=1))
    b = np.sqrt((forces.mean(axis=0) ** 2).mean(axis=1))
    assert np.mean(b <= factor * d) == pytest.approx(0.9, abs=0.06)


def test_too_few_groups_for_a_conformal_bar_are_said(
    committee: Any, labelled: PESData, parameters: Any
) -> None:
    grouped = labelled.replace(group=[f"trajectory {i % 5}" for i in range(len(labelled))])
    entry = report(committee.predict(grouped), grouped, parameters, method="conformal")["forces"]
    assert entry["factor"] is None
    assert "no conformal error bar: 5 groups are too few" in entry["reason"]


@pytest.mark.parametrize("where", ["all members", "one member"])
def test_what_any_member_has_trained_on_is_no_evidence(
    committee: Any, labelled: PESData, parameters: Any, where: str
) -> None:
    predictions = committee.predict(labelled)
    validation = labelled.id[labelled.split == "validation"]
    ids = validation[:10].tolist()
    record = (
        {"trained_on": ids}
        if where == "all members"
        else {"trained_on": [], "training": [{"trained_on": []}, {"trained_on": ids}]}
    )
    entry = report(predictions, labelled, parameters, record=record)["energy"]
    assert entry["structures_validation"] == 20


def test_a_slope_below_half_of_the_one_before_is_a_collapse(
    committee_type: Any, labelled: PESData, parameters: Any
) -> None:
    """The part that all members share is four times larger: relative to it they hardly differ."""
    before = report(committee_type(shared=1.0).predict(labelled), labelled, parameters)
    alike = committee_type(shared=4.0).predict(labelled)
    after = report(alike, labelled, parameters, previous={"properties": before})["forces"]
    assert after["collapsed"]
    assert after["a_previous"] == before["forces"]["a"]
    assert "collapsed" in after["reason"]
    same = report(alike, labelled, parameters, previous={"properties": {"forces": after}})["forces"]
    assert not same["collapsed"]
    assert not before["forces"]["collapsed"]
