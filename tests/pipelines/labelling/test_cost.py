"""The estimate of labelling: right where timings follow a law, and never built on too few."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from potwright.pes import PESData
from potwright.pipelines.labelling.cost import (
    ASSUMED_EXPONENT,
    choose_to_time,
    fit_cost,
    labelling_plan,
    screening_plan,
    wall_seconds,
)


@given(st.floats(0.01, 100), st.floats(0.1, 3.9), st.lists(st.integers(1, 500), min_size=2))
@settings(deadline=None)
def test_a_power_law_is_found_again(prefactor, exponent, sizes) -> None:
    n = np.array(sizes)
    law = fit_cost(n, prefactor * n**exponent)
    if n.max() < 1.2 * n.min():
        assert law.exponent_is_assumed
        assert law.exponent == ASSUMED_EXPONENT
    else:
        assert law.exponent == pytest.approx(exponent)
        assert law.seconds(np.array([7])) == pytest.approx([prefactor * 7**exponent])


def test_the_sum_of_the_timings_is_met_whatever_their_scatter() -> None:
    rng = np.random.default_rng(1)
    n = rng.integers(10, 200, 50)
    seconds = 0.02 * n**2.4 * rng.lognormal(0, 0.5, 50)
    law = fit_cost(n, seconds)
    assert law.seconds(n).sum() == pytest.approx(seconds.sum())
    assert law.exponent == pytest.approx(2.4, abs=0.3)


def test_scatter_never_makes_larger_structures_cheaper() -> None:
    law = fit_cost(np.array([4, 64]), np.array([3.0, 1.0]))
    assert law.exponent == 0
    assert law.seconds(np.array([4, 64])).tolist() == [2.0, 2.0]


def test_without_timings_there_is_no_estimate() -> None:
    assert fit_cost(np.array([]), np.array([])) is None


def test_work_is_shared_out_but_for_the_longest_label() -> None:
    assert wall_seconds(np.full(10, 6.0), 3) == pytest.approx(20.0)
    assert wall_seconds(np.array([60.0, 1.0, 1.0]), 8) == 60.0
    assert wall_seconds(np.array([]), 8) == 0.0


def copper(*sizes: int) -> PESData:
    return PESData.from_atoms([Atoms(f"Cu{n}", cell=[9, 9, 9], pbc=True) for n in sizes])


def test_structures_to_time_reach_from_the_smallest_to_the_largest() -> None:
    structures = copper(*[4] * 50, 60, *[8] * 20, 100)
    chosen = structures.n_atoms[choose_to_time(structures, 3)]
    assert sorted(chosen.tolist()) == [4, 60, 100]
    assert structures.n_atoms[choose_to_time(structures, 1)].tolist() == [100]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(0, 40))
@settings(deadline=None, max_examples=50)
def test_no_structure_is_timed_twice(sizes, count) -> None:
    rows = choose_to_time(copper(*sizes), count)
    assert len(set(rows.tolist())) == len(rows) == min(count, len(sizes))


def test_isolated_atoms_are_timed_only_where_there_is_nothing_else() -> None:
    atoms = copper(1, 1).replace(origin="isolated_atom")
    both = PESData.concatenate([atoms, copper(4, 8)])
    assert sorted(both.n_atoms[choose_to_time(both, 3)].tolist()) == [4, 8]
    assert len(choose_to_time(atoms, 3)) == 2


@pytest.fixture
def screened() -> PESData:
    structures = [bulk("Cu"), bulk("Cu", cubic=True), fcc111("Cu", (1, 1, 3), vacuum=9)]
    structures.append(molecule("CO"))
    return PESData.from_atoms(structures, origin=["initial", "rattle", "rattle", "rattle"])


DROPPED = pd.DataFrame(
    {
        "origin": ["rattle", "rattle", "vacancy"],
        "reason": ["atoms too close", "duplicate", "atoms too close"],
    }
)


def test_the_plan_counts_every_candidate_once(screened: PESData) -> None:
    ids = screened.id.tolist()
    plan = labelling_plan(screened, DROPPED, {ids[0], "another"}, {ids[0], ids[2]})
    plan = plan.set_index("origin")
    assert plan.index.tolist() == ["initial", "rattle", "vacancy", "all"]
    fates = plan[["screened_out", "in_store", "failed_before", "to_compute"]]
    assert (fates.sum(axis=1) == plan["candidates"]).all()
    assert fates.loc["rattle"].tolist() == [2, 0, 1, 2]
    assert fates.loc["vacancy"].tolist() == [1, 0, 0, 0]
    assert fates.loc["all"].tolist() == [3, 1, 1, 2]
    assert plan.loc["all", "candidates"] == 7


def test_the_plan_tells_sizes_and_periodicity(screened: PESData) -> None:
    plan = labelling_plan(screened, DROPPED, set(), set()).set_index("origin")
    sizes = plan[["atoms_min", "atoms_median", "atoms_max"]]
    assert sizes.loc["rattle"].tolist() == [2, 3, 4]
    assert sizes.loc["vacancy"].isna().all()
    axes = plan[[f"periodic_{n}" for n in (3, 2, 1, 0)]]
    assert axes.loc["all"].tolist() == [2, 1, 0, 1]


def test_reasons_are_counted_by_origin() -> None:
    reasons = screening_plan(DROPPED)
    assert reasons.loc["rattle", "duplicate"] == 1
    assert reasons.loc["vacancy", "duplicate"] == 0
    assert reasons.to_numpy().sum() == len(DROPPED)
