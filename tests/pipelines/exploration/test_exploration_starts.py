from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.exploration.design import conditions, latin_hypercube
from potwright.pipelines.exploration.nodes import choose_starts
from potwright.pipelines.exploration.parameters import (
    ExplorationParameters,
    ListDesign,
    SpaceFillingDesign,
)
from potwright.pipelines.exploration.starts import draw_starts, possible_starts, quotas

CAMPAIGN = CampaignParameters()


def augmented_set(count: int = 60) -> PESData:
    rng = np.random.default_rng(0)
    crystals = [bulk("Cu", a=3.6 + 0.2 * rng.random()) * 2 for _ in range(count)]
    atoms = [*crystals, Atoms("Cu", cell=[15, 15, 15]), Atoms("Ag", cell=[15, 15, 15])]
    origins = ["rattle"] * count + ["isolated_atom", "cluster"]
    return PESData.from_atoms(atoms, origin=origins)


def labelled(pes: PESData, **columns: object) -> PESData:
    split = np.array((["training"] * 8 + ["validation", "test"]) * 10)[: len(pes)]
    return pes.replace(energy=0.0, **{"split": split, "iteration": 1, **columns})


def test_starts_are_labelled_structures_of_the_augmented_set_and_no_lone_atoms():
    augmented = augmented_set()
    stranger = labelled(PESData.from_atoms([bulk("Au") * 2]))
    known = PESData.concatenate([labelled(augmented[20:]), stranger])
    possible = possible_starts(augmented, known)
    assert set(possible.id) == set(augmented.id[20:60])
    assert possible.has_labels.all()


def test_without_a_possible_start_the_message_says_what_to_do():
    augmented = augmented_set(0)
    with pytest.raises(InputError, match=r"no structure to start from.*label some"):
        possible_starts(augmented, labelled(augmented))


def test_starts_are_spread_over_the_splits_in_proportion():
    chosen = draw_starts(labelled(augmented_set()[:60]), 20, np.random.default_rng(1))
    assert Counter(chosen.split.tolist()) == {"training": 16, "validation": 2, "test": 2}
    assert len(set(chosen.id)) == 20


def test_other_splits_stand_in_for_an_empty_one(caplog):
    possible = labelled(augmented_set()[:60])
    chosen = draw_starts(possible[possible.split != "test"], 20, np.random.default_rng(1))
    assert len(chosen) == 20 and "test" not in chosen.split
    few = draw_starts(possible[:5], 20, np.random.default_rng(1))
    assert sorted(few.id) == sorted(possible.id[:5])
    assert "only 5 structures" in caplog.text


@given(st.integers(0, 200))
def test_quotas_add_up_and_are_close(count):
    quota = quotas(count)
    assert sum(quota.values()) == count
    for name, share in (("training", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert abs(quota[name] - share * count) < 1


@given(st.integers(1, 40), st.integers(0, 10))
def test_a_latin_hypercube_has_one_point_in_each_row_and_column(count, seed):
    points = latin_hypercube(count, np.random.default_rng(seed))
    for column in np.floor(points.T * count).astype(int):
        assert sorted(column) == list(range(count))


def test_the_design_fills_the_square_better_than_chance():
    rng = np.random.default_rng(0)
    chance = np.mean([qmc.discrepancy(rng.random((20, 2))) for _ in range(50)])
    assert qmc.discrepancy(latin_hypercube(20, rng)) < 0.3 * chance


def test_a_design_stays_in_its_ranges_and_may_be_a_single_value():
    design = SpaceFillingDesign(temperature_range_kelvin=(300, 300), pressure_range_kbar=(-2, 7))
    points = conditions(design, 30, np.random.default_rng(0))
    assert {p.temperature_kelvin for p in points} == {300}
    pressures = [p.pressure_kbar for p in points]
    assert -2 <= min(pressures) < -1.5 and 6.5 < max(pressures) <= 7


def test_a_list_gives_every_combination_in_turn():
    design = ListDesign(temperatures_kelvin=(0, 600), pressures_kbar=(0, 5))
    points = conditions(design, 6, np.random.default_rng(0))
    pairs = [(p.temperature_kelvin, p.pressure_kbar) for p in points]
    assert pairs == [(0, 0), (0, 5), (600, 0), (600, 5), (0, 0), (0, 5)]


def test_the_plan_depends_on_seed_and_iteration_alone():
    augmented = augmented_set()
    known = labelled(augmented[:60])
    parameters = ExplorationParameters()

    def plan(seed, iteration):
        given = known.replace(iteration=iteration)
        return choose_starts(augmented, given, parameters, CAMPAIGN, seed)

    first, again = plan(1, 1), plan(1, 1)
    assert first.starts.id.tolist() == again.starts.id.tolist()
    assert (first.conditions, first.seeds, first.driver_draw) == (
        again.conditions,
        again.seeds,
        again.driver_draw,
    )
    for other in (plan(2, 1), plan(1, 2)):
        assert other.starts.id.tolist() != first.starts.id.tolist()
        assert not set(other.seeds) & set(first.seeds)
    assert {plan(1, i).driver(4) for i in range(1, 30)} == {0, 1, 2, 3}
    assert plan(1, 3).iteration == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_starts": 0}, "n_starts"),
        ({"timestep_fs": -1}, "timestep_fs"),
        ({"duration_ps": 1, "frame_interval_ps": 2}, "leaves no frame"),
        ({"design": {"type": "space_filling", "temperature_range_kelvin": [-1, 5]}}, "from 0 K"),
        ({"design": {"type": "space_filling", "temperature_range": [1, 5]}}, "did you mean"),
        ({"design": {"type": "list", "temperatures_kelvin": []}}, "temperatures_kelvin"),
        ({"engine": {"type": "asee"}}, "ase"),
        ({"watch": {"min_covalent_ratios": 1}}, "did you mean 'min_covalent_ratio'"),
    ],
)
def test_mistakes_in_the_parameters_are_named(given, message):
    with pytest.raises(InputError, match=message):
        ExplorationParameters.model_validate(given)
