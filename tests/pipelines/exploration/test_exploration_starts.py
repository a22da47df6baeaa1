from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from potwright.dynamics import Conditions
from potwright.errors import InputError
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.exploration.design import (
    GridDesign,
    ListDesign,
    RampDesign,
    SpaceFillingDesign,
    latin_hypercube,
)
from potwright.pipelines.exploration.nodes import choose_starts
from potwright.pipelines.exploration.parameters import ExplorationParameters
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


def assigned(design, count: int) -> list[tuple[int, Conditions]]:
    return design.assign(count, np.random.default_rng(0))


def test_a_design_stays_in_its_ranges_and_may_be_a_single_value():
    design = SpaceFillingDesign(temperature_range_kelvin=(300, 300), pressure_range_kbar=(-2, 7))
    starts, points = zip(*assigned(design, 30), strict=True)
    assert starts == tuple(range(30))
    assert {p.temperature_kelvin for p in points} == {300}
    pressures = [p.pressure_kbar for p in points]
    assert -2 <= min(pressures) < -1.5 and 6.5 < max(pressures) <= 7


def test_a_grid_runs_every_start_at_every_combination():
    design = GridDesign(temperatures_kelvin=(0, 600), pressures_kbar=(0, 5))
    corners = [Conditions(t, p) for t in (0, 600) for p in (0, 5)]
    assert assigned(design, 3) == [(i, corner) for i in range(3) for corner in corners]


def test_the_starts_take_the_entries_of_a_list_in_turn():
    entries = [
        {"temperature_kelvin": 300},
        {"temperature_kelvin": 900, "final_temperature_kelvin": 100, "pressure_kbar": 2},
    ]
    warm, quench = Conditions(300), Conditions(900, 2, final_temperature_kelvin=100)
    points = assigned(ListDesign.model_validate({"conditions": entries}), 3)
    assert points == [(0, warm), (1, quench), (2, warm)]
    assert not warm.is_ramp and quench.is_ramp


def test_a_ramp_takes_all_starts_along():
    design = RampDesign(temperatures_kelvin=(300, 3000), pressures_kbar=(0, 50))
    points = assigned(design, 2)
    assert [i for i, _ in points] == [0, 1]
    assert points[1][1].at(0.5) == Conditions(1650, 25)


def with_molecules(count: int) -> PESData:
    """Crystals, every second of which is a molecule instead."""
    dimer = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.3]], cell=[15, 15, 15])
    rng = np.random.default_rng(0)
    atoms = []
    for i in range(count):
        one = bulk("Cu", cubic=True) if i % 2 else dimer.copy()
        one.rattle(0.1, rng=rng)
        atoms.append(one)
    return PESData.from_atoms(atoms, origin="rattle")


def plan_of(known: PESData, **given: object):
    parameters = ExplorationParameters.model_validate(given)
    return choose_starts(known, labelled(known), parameters, CAMPAIGN, 1)


def test_a_pressure_is_no_target_where_nothing_is_periodic():
    plan = plan_of(with_molecules(10), n_starts=10)
    periodic = plan.starts.pbc.any(axis=1)
    pressures = np.array([point.pressure_kbar for point in plan.conditions])
    assert (pressures[periodic] != 0).all() and (pressures[~periodic] == 0).all()


def test_an_npt_ensemble_leaves_molecules_out(caplog):
    caplog.set_level("INFO")
    plan = plan_of(with_molecules(10), n_starts=10, engine={"ensemble": "npt_isotropic"})
    assert len(plan.starts) == 5 and plan.starts.pbc.all()
    assert "5 of 10 structures have no periodic axis" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"engine": {"ensemble": "npt_isotropic"}}, r"engine.ensemble = 'npt_isotropic'.*auto"),
        (
            {"design": {"type": "grid", "temperatures_kelvin": [300], "pressures_kbar": [5]}},
            r"exploration.design: a pressure is asked for, but no structure .* periodic axis",
        ),
        (
            {"design": {"type": "ramp", "temperatures_kelvin": [9, 9], "pressures_kbar": [0, 5]}},
            r"exploration.design: a pressure is asked for",
        ),
    ],
)
def test_a_pressure_without_any_periodic_axis_is_refused(given, message):
    molecules = with_molecules(10)[::2]
    with pytest.raises(InputError, match=message):
        plan_of(molecules, **given)
    with pytest.raises(InputError, match=message):  # before they are labelled
        ExplorationParameters.model_validate(given).refuse_augmented(molecules)


RIGHT_ANGLES_WANTED = {"type": "lammps", "ensemble": "npt_orthorhombic"}


def test_skewed_cells_start_nothing_where_lammps_wants_right_angles(caplog):
    caplog.set_level("INFO")
    skewed = PESData.from_atoms([bulk("Cu"), bulk("Cu", a=3.7)], origin="rattle")
    wire = bulk("Cu")
    wire.pbc = (False, True, False)
    upright = PESData.from_atoms([bulk("Cu", cubic=True), wire], origin="rattle")
    both = PESData.concatenate([skewed, upright])
    plan = plan_of(both, n_starts=4, engine=RIGHT_ANGLES_WANTED)
    assert set(plan.starts.id) == set(upright.id)
    assert "2 of 4 structures have lattice vectors that are not at right angles" in caplog.text
    in_ase = plan_of(both, n_starts=4, engine={"ensemble": "npt_orthorhombic"})
    assert set(in_ase.starts.id) == set(both.id)
    asked = ExplorationParameters.model_validate({"engine": RIGHT_ANGLES_WANTED})
    asked.refuse_augmented(both)
    with pytest.raises(InputError, match=r"of 2 structures .* 2 have lattice vectors .*the engine"):
        asked.refuse_augmented(skewed)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"ensemble": "npt_isotropic"}, "has no periodic axis"),
        (RIGHT_ANGLES_WANTED, "has lattice vectors that are not at right angles"),
    ],
)
def test_a_listed_start_that_cannot_be_run_is_refused_before_it_is_labelled(engine, message):
    good = bulk("Cu", cubic=True)
    bad = bulk("Cu") if engine == RIGHT_ANGLES_WANTED else Atoms("Cu2", [[0, 0, 0], [0, 0, 2.3]])
    known = PESData.from_atoms([good, bad], origin="rattle")
    for name in (1, known.id[1][:9]):
        given = {"engine": engine, "starts": [0, name]}
        with pytest.raises(InputError, match=f"exploration.starts: {name!r} {message}"):
            ExplorationParameters.model_validate(given).refuse_augmented(known)
        with pytest.raises(InputError, match=f"exploration.starts: {name!r} {message}"):
            plan_of(known, **given)
    came_with_labels = {"engine": engine, "starts": [0, "0123456789"]}
    ExplorationParameters.model_validate(came_with_labels).refuse_augmented(known)


def test_a_ramp_of_the_pressure_leaves_molecules_at_their_temperature():
    ramp = {"type": "ramp", "temperatures_kelvin": [300, 900], "pressures_kbar": [0, 50]}
    plan = plan_of(with_molecules(2), design=ramp)
    by_periodicity = dict(zip(plan.starts.pbc[:, 0].tolist(), plan.conditions, strict=True))
    assert by_periodicity[True] == Conditions(300, 0, 900, 50)
    assert by_periodicity[False] == Conditions(300, 0, 900)


def test_starts_can_be_listed_by_number_or_by_id():
    augmented = augmented_set()
    known = labelled(augmented[:60][::-1])
    stranger = labelled(PESData.from_atoms([bulk("Cu", cubic=True) * 3]))
    known = PESData.concatenate([known, stranger])
    parameters = ExplorationParameters(starts=(7, augmented.id[3], stranger.id[0][:12], 7))
    plan = choose_starts(augmented, known, parameters, CAMPAIGN, 1)
    wanted = [augmented.id[7], augmented.id[3], stranger.id[0], augmented.id[7]]
    assert plan.starts.id.tolist() == wanted
    assert plan.starts.has_labels.all() and len(set(plan.seeds)) == 4


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (62, r"no structure 62; the augmented set has 62, numbered from 0 to 61"),
        (-1, r"no structure -1"),
        (60, r"number 60 is an isolated atom"),
        (59, r"number 59 .* has no label"),
        ("zz", r"of 62 structures none has an id that begins with 'zz'"),
        ("", r"of 62 structures 62 have an id that begins with ''"),
    ],
)
def test_a_start_that_cannot_be_is_named(listed, message):
    augmented = augmented_set()
    parameters = ExplorationParameters(starts=(0, listed))
    with pytest.raises(InputError, match=r"^exploration.starts: .*" + message):
        choose_starts(augmented, labelled(augmented[:59]), parameters, CAMPAIGN, 1)


def test_a_number_out_of_range_is_refused_before_anything_is_labelled():
    with pytest.raises(InputError, match="there is no structure 70; the augmented set has 62"):
        ExplorationParameters(starts=(3, 70)).refuse_augmented(augmented_set())
    ExplorationParameters(starts=(3, 59)).refuse_augmented(augmented_set())


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
        ({"design": {"type": "grid", "temperatures_kelvin": []}}, "temperatures_kelvin"),
        ({"design": {"type": "grid", "temperatures_kelvin": [-5]}}, "temperatures_kelvin.*than or"),
        (
            {"design": {"type": "list", "conditions": [{"temperature_kelvin": -5}]}},
            "temperature_kelvin = -5",
        ),
        (
            {"design": {"type": "ramp", "temperatures_kelvin": [0, 0], "pressures_kbar": [0, 9]}},
            "ramp of the pressure at 0 K",
        ),
        (
            {
                "engine": {"ensemble": "nvt"},
                "design": {"type": "grid", "temperatures_kelvin": [9], "pressures_kbar": [1]},
            },
            "nothing holds one in ensemble nvt",
        ),
        (
            {
                "engine": {"ensemble": "nve"},
                "design": {"type": "ramp", "temperatures_kelvin": [9, 99]},
            },
            "nothing is held in ensemble nve",
        ),
        ({"watch": {"disagreement": {"every_step": 1}}}, "did you mean 'every_steps'"),
        ({"engine": {"type": "asee"}}, "ase"),
        ({"watch": {"min_covalent_ratios": 1}}, "did you mean 'min_covalent_ratio'"),
    ],
)
def test_mistakes_in_the_parameters_are_named(given, message):
    with pytest.raises(InputError, match=message):
        ExplorationParameters.model_validate(given)
