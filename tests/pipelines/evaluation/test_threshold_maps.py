from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from potwright.pes import PESData
from potwright.pipelines.evaluation.threshold_maps import (
    CHOICES,
    COUNTS,
    GRID,
    _choices,
    threshold_maps,
)
from potwright.uncertainty import Predictions


@pytest.fixture
def maps(committee_type: Any, labelled: PESData, structures: Any, parameters: Any) -> pd.DataFrame:
    """Of four members, with an audit sample of 40 that is now training data."""
    audit = structures(40, seed=7, iteration=2, origin="md", split="training")
    audit = audit.replace(info=[info | {"audit": True} for info in audit.info])
    merged = PESData.concatenate([labelled, audit])
    return threshold_maps(
        committee_type(seed=1).predict(merged),
        committee_type(seed=2).predict(merged),
        merged,
        parameters=parameters(),
        iteration=2,
    )


def test_every_size_of_committee_is_mapped_on_audit_and_test_set(maps: pd.DataFrame) -> None:
    grid = maps[~maps["calibrated"]]
    sizes = grid.groupby(["evidence", "property", "members"]).size()
    assert set(sizes.index.get_level_values("evidence")) == {"audit", "test"}
    assert set(sizes.index.get_level_values("members")) == {2, 3, 4}
    assert (sizes == GRID**2).all()
    # six pairs, four triples, one whole committee: each structure counts once for each
    counted = maps[list(COUNTS)].sum(axis=1)
    structures = maps["evidence"].map({"audit": 40, "test": 30})
    assert (counted == maps["choices"] * structures).all()
    assert maps.groupby("members")["choices"].first().to_dict() == {2: 6, 3: 4, 4: 1}


def test_of_many_members_every_one_is_in_some_of_the_committees_that_are_looked_at() -> None:
    for size in (2, 4, 6):
        looked_at = _choices(8, size)
        assert len(set(looked_at)) == CHOICES
        assert all(len(set(one)) == size for one in looked_at)
        assert {member for one in looked_at for member in one} == set(range(8))


def test_a_lower_threshold_finds_more_and_errs_more_often(maps: pd.DataFrame) -> None:
    part = maps[
        ~maps["calibrated"]
        & (maps["evidence"] == "test")
        & (maps["property"] == "forces")
        & (maps["members"] == 4)
    ]
    table = part.pivot(
        index="error_threshold", columns="disagreement_threshold", values="true_positive_rate"
    )
    assert (table.diff(axis=1).fillna(0) <= 1e-12).all().all()
    assert (table.iloc[:, 0].dropna() == 1).all()  # below the smallest D everything is found


def test_at_the_calibrated_threshold_both_rates_are_high(maps: pd.DataFrame) -> None:
    """D of 24 or more force components follows ε closely, whatever the size of the committee."""
    at = maps[maps["calibrated"] & (maps["property"] == "forces")]
    assert sorted(at["members"].unique()) == [2, 3, 4]
    assert (at["true_positive_rate"] > 0.7).all()
    assert (at["positive_predictive_value"] > 0.7).all()


def test_nothing_to_count_on_gives_an_empty_table_with_its_columns(
    committee: Any, labelled: PESData, parameters: Any
) -> None:
    training = labelled[labelled.split == "training"]
    table = threshold_maps(
        committee.predict(training),
        Predictions.empty(),
        training,
        parameters=parameters(),
        iteration=1,
    )
    assert not len(table)
    assert "true_positive_rate" in table.columns
