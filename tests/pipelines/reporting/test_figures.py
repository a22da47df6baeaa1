"""Figures show the numbers that they are given, all of them or as many as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from potwright.pes import PESData
from potwright.pipelines.reporting import counts, style
from potwright.pipelines.reporting.disagreement import draw_disagreement
from potwright.pipelines.reporting.learning_curves import draw_learning_curves
from potwright.pipelines.reporting.maps import draw_map, place
from potwright.pipelines.reporting.parity import draw_parity, pairs_of
from potwright.pipelines.reporting.threshold_maps import draw_threshold_maps
from potwright.uncertainty import Predictions, property_uncertainties


def traces(figure: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = [trace for trace in figure["data"] if trace.get("name") == name]
    assert found, [trace.get("name") for trace in figure["data"]]
    return found


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.012345, "0.0123"), (999.4, "999"), (999.6, "1000"), (2223.7, "2224"), (-1e6, "-1000000")],
)
def test_large_numbers_are_written_without_an_exponent(value, written):
    assert style.three_digits(value) == written


def test_learning_curves_show_each_iteration_with_the_spread_of_the_members(reports):
    figure = draw_learning_curves([reports(1), reports(2)])
    for curve in traces(figure, "test"):  # one of each property
        assert curve["x"] == [1, 2]
        assert curve["y"] == [30.0, 15.0]
        assert curve["error_y"]["array"] == [3.0, 3.0]
    for curve in traces(figure, "test, committee mean"):
        assert curve["y"] == [27.0, 13.5]
    lines = [s for s in figure["layout"]["shapes"] if s["line"]["dash"] == "dash"]
    assert [line["y0"] for line in lines] == [100.0] * 3  # tolerated errors


def test_parity_shows_the_committee_mean_and_leaves_lone_atoms_out(predictions, labelled):
    figure = draw_parity(predictions, labelled, most_points=100_000)
    energy, forces, stress = (t for t in traces(figure, "test") if t["type"] == "scatter")
    test = labelled[labelled.split == "test"]
    mean = predictions.select(test.id).energy.mean(axis=0)
    np.testing.assert_allclose(energy["x"], test.energy / test.n_atoms, rtol=1e-4)
    np.testing.assert_allclose(energy["y"], mean / test.n_atoms, rtol=1e-4)
    assert (len(forces["x"]), len(stress["x"])) == (20 * 4 * 3, 20 * 6)
    assert max(v for t in traces(figure, "training") for v in t["x"]) < 100  # eV; the lone atom 1e6
    assert "remark" not in figure["layout"]["meta"]


def test_histograms_hold_all_errors_however_many_points_are_drawn(predictions, labelled):
    figure = draw_parity(predictions, labelled, most_points=20)
    bars = [trace for trace in figure["data"] if trace["type"] == "bar"]
    assert [sum(bar["y"]) for bar in bars] == pytest.approx([1.0] * 6, rel=1e-3)
    error = 1000 * pairs_of(predictions, labelled, "test")["forces"].error
    rms = np.sqrt(np.mean(error**2))
    assert sum(bar["name"] == f"test, RMS {rms:.3g}" for bar in bars) == 1
    drawn = [t for t in figure["data"] if t["type"] == "scatter" and t["mode"] == "markers"]
    assert {len(trace["x"]) for trace in drawn} == {20}
    assert "120 of 950 values are drawn" in figure["layout"]["meta"]["remark"]


def test_thinning_keeps_the_worst_and_no_point_that_is_none():
    error = np.concatenate([np.full(1000, 0.1), [5.0, np.nan, 7.0]])
    chosen = style.thinned(error, 50)
    assert len(chosen) == len(set(chosen.tolist())) == 50
    assert {1000, 1002} <= set(chosen.tolist())
    assert 1001 not in chosen
    assert style.thinned(error, 2000).tolist() == [i for i in range(1003) if i != 1001]
    np.testing.assert_array_equal(chosen, style.thinned(error, 50))


def test_disagreement_is_that_of_structures_nobody_trained_on(predictions, labelled, calibration):
    figure = draw_disagreement(
        predictions,
        Predictions.empty(3),
        labelled,
        calibration=calibration,
        record={"trained_on": labelled.id[labelled.split == "training"].tolist()},
        most_points=1000,
    )
    energy = traces(figure, "test")[0]
    test = labelled[labelled.split == "test"]
    known = property_uncertainties(predictions.select(test.id), test.energy)["energy"]
    np.testing.assert_allclose(energy["x"], 1000 * known.member_error, rtol=1e-4)
    np.testing.assert_allclose(energy["y"], 1000 * known.disagreement, rtol=1e-4)
    assert len(traces(figure, "validation")[0]["x"]) == 10
    assert not [trace for trace in figure["data"] if trace.get("name") == "training"]
    line = traces(figure, "D = a·ε")[0]
    np.testing.assert_allclose(line["y"], 0.5 * np.array(line["x"]), rtol=1e-4)
    line = traces(figure, "D = b/factor")[0]
    np.testing.assert_allclose(line["y"], np.array(line["x"]) / 2.5, rtol=1e-4)


def test_points_below_a_logarithmic_axis_are_counted():
    values = np.array([1e-9, 0.0, 1.0, 2.0, 3.0, np.nan])
    axis, below = style.logarithmic(values)
    assert below == 1  # what has no logarithm was never a point
    assert 10 ** axis["range"][0] == pytest.approx(1 / 1.2)
    assert set(axis["ticktext"]) >= {"1", "2", "5"}


def test_threshold_maps_show_the_audit_sample_and_the_whole_committee_first():
    rows = [
        {"iteration": 2, "evidence": evidence, "property": name, "unit": "", "members": members}
        | {"calibrated": False, "error_threshold": e, "disagreement_threshold": d}
        | {"true_positive_rate": 0.25, "positive_predictive_value": np.nan}
        for evidence in ("audit", "test")
        for name in ("energy", "forces")
        for members in (2, 3)
        for e in (1.0, 2.0)
        for d in (0.5, 1.0)
    ]
    figure = draw_threshold_maps(pd.DataFrame(rows))
    heat = [trace for trace in figure["data"] if trace["type"] == "heatmap"]
    assert len(heat) == 2 * 2 * 2  # rates, properties, sizes of the committee
    assert sum(trace["visible"] for trace in heat) == 2 * 2
    assert [trace["z"] for trace in heat[:3:2]] == [[[0.25] * 2] * 2, [[None] * 2] * 2]
    assert "audit" in figure["layout"]["meta"]["remark"]


def test_counts_are_those_of_the_reports(reports):
    history = [reports(1), reports(2)]
    figure = counts.draw_labelling(history)
    assert traces(figure, "computed")[0]["y"] == [4, 8]
    assert traces(figure, "failed")[0]["y"] == traces(figure, "screened")[0]["y"] == [1, 1]
    assert traces(figure, "rattle")[0]["y"] == [8.0, 16.0]
    assert traces(figure, "md")[0]["y"] == [3.0, 3.0]  # what came from the store cost nothing
    figure = counts.draw_selection(history, PESData.empty())
    assert traces(figure, "uncertain")[0]["y"] == [20, 20]
    figure = counts.draw_trajectories(history)
    assert traces(figure, "completed")[0]["y"] == [2, 2]
    assert traces(figure, "temperature")[0]["y"] == traces(figure, "collision")[0]["y"] == [1, 1]
    figure = counts.draw_timings(history)
    assert traces(figure, "labelling")[0]["y"] == [10.0, 20.0]


def test_maps_keep_groups_together_and_structures_when_the_set_grows(labelled):
    known = np.random.default_rng(0).normal(size=(2, 8)) * 20
    of = (labelled.iteration == 2).astype(int)
    vectors = known[of] + np.random.default_rng(1).normal(size=(len(labelled), 8))
    places = place(vectors, seed=1)
    for points in (places.components, places.neighbours):
        apart = np.linalg.norm(points[of == 0].mean(axis=0) - points[of == 1].mean(axis=0))
        assert apart > 2 * points[of == 0].std(axis=0).max()

    asked: list[PESData] = []

    def describe(pes: PESData) -> np.ndarray:
        asked.append(pes)
        return np.arange(len(pes) * 3.0).reshape(-1, 3) ** 2

    for pes in (labelled[:40], labelled):
        figure = draw_map(pes, 20, 0, describe)
    small, large = (set(pes.id) for pes in asked)
    assert len(small) == len(large) == 20
    assert large <= small | set(labelled.id[40:])  # none of the former that was left out before
    assert "isolated_atom" not in asked[-1].origin
    assert figure["layout"]["meta"]["remark"] == "20 of 60 structures, drawn in the order of ids."


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param(lambda: draw_learning_curves([]), id="learning curves"),
        pytest.param(lambda: draw_parity(Predictions.empty(), PESData.empty(), 10), id="parity"),
        pytest.param(lambda: draw_threshold_maps(pd.DataFrame()), id="threshold maps"),
        pytest.param(lambda: counts.draw_selection([], PESData.empty()), id="selection"),
        pytest.param(lambda: counts.draw_labelling([]), id="labelling"),
        pytest.param(lambda: counts.draw_trajectories([]), id="trajectories"),
        pytest.param(lambda: counts.draw_timings([]), id="timings"),
        pytest.param(lambda: draw_map(PESData.empty(), 9, 0, lambda pes: np.empty(0)), id="map"),
    ],
)
def test_a_figure_of_nothing_says_so(figure):
    shown = figure()
    assert shown["data"] == []
    assert len(shown["layout"]["meta"]["missing"]) > 10
