"""Reports as stages leave them, and a committee whose errors are known by construction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk

from potwright.iteration_reports import IterationReports
from potwright.pes import PESData
from potwright.pipelines.reporting import counts
from potwright.pipelines.reporting.disagreement import draw_disagreement
from potwright.pipelines.reporting.learning_curves import draw_learning_curves
from potwright.pipelines.reporting.maps import draw_map
from potwright.pipelines.reporting.parameters import ReportingParameters
from potwright.pipelines.reporting.parity import draw_parity
from potwright.pipelines.reporting.structures import draw_structures
from potwright.pipelines.reporting.threshold_maps import draw_threshold_maps
from potwright.uncertainty import PROPERTIES, Predictions
from potwright.uncertainty.measurement import UNITS, WRITTEN_UNITS

SETS = ("training", "validation", "test", "test of first iteration")


def labelled_set(count: int) -> PESData:
    """``count`` structures of four atoms with random labels in all sets, and one lone atom."""
    generator = np.random.default_rng(3)
    copper = bulk("Cu", cubic=True)
    images = []
    for _ in range(count):
        copper.rattle(0.05, rng=generator)
        images.append(copper.copy())
    pes = PESData.from_atoms(images, labels="none", origin="rattle")
    atoms = len(pes.numbers)
    parts = {"training": count // 2, "validation": count // 6, "test": count // 3}
    split = np.repeat(list(parts), list(parts.values()))
    pes = pes.replace(
        energy=generator.normal(size=count),
        forces=generator.normal(size=(atoms, 3)),
        stress=generator.normal(size=(count, 6)) * 0.01,
        split=split,
        iteration=np.repeat([1, 2], count // 2),
    )
    lone = PESData.from_atoms([bulk("Cu")], labels="none", origin="isolated_atom")
    lone = lone.replace(energy=[1e6], forces=[[0.0, 0.0, 0.0]], split=["training"])
    return PESData.concatenate([pes, lone])


def predicted(labelled: PESData) -> Predictions:
    """Of three members: the labels and noise, of a scale of its own for each structure."""
    generator = np.random.default_rng(4)
    scale = generator.uniform(0.01, 0.1, len(labelled))
    of_atoms = np.repeat(scale, labelled.n_atoms)[:, None]
    shape = (3, len(labelled))
    return Predictions(
        labelled.id,
        labelled.offsets,
        labelled.energy + scale * generator.normal(size=shape),
        labelled.forces + of_atoms * generator.normal(size=(3, *labelled.forces.shape)),
        labelled.stress + 0.01 * scale[:, None] * generator.normal(size=(*shape, 6)),
    )


@pytest.fixture
def labelled() -> PESData:
    return labelled_set(60)


@pytest.fixture
def predictions(labelled: PESData) -> Predictions:
    return predicted(labelled)


@pytest.fixture
def all_figures(calibration: dict[str, Any]) -> Callable[..., dict[str, dict[str, Any]]]:
    """Draws all figures of a report, of so many labelled structures, with base settings."""

    def draw(history: list[IterationReports], count: int) -> dict[str, dict[str, Any]]:
        settings = ReportingParameters()
        labelled = labelled_set(count)
        predictions = predicted(labelled)

        def describe(pes: PESData) -> np.ndarray:
            return np.random.default_rng(5).normal(size=(len(pes), 16))

        return {
            "learning_curves": draw_learning_curves(history),
            "parity": draw_parity(predictions, labelled, settings.max_points),
            "disagreement": draw_disagreement(
                predictions,
                Predictions.empty(3),
                labelled,
                calibration=calibration,
                record={"trained_on": labelled.id[labelled.split == "training"].tolist()},
                most_points=settings.max_points,
            ),
            "threshold_rates": draw_threshold_maps(rates()),
            "structures": draw_structures(labelled),
            "descriptor_map": draw_map(
                labelled, settings.descriptor_map.max_structures, 1, describe
            ),
            "sorep_map": draw_map(labelled, settings.sorep_map.max_structures, 1, describe),
            "selection": counts.draw_selection(history, PESData.empty()),
            "labelling": counts.draw_labelling(history),
            "trajectories": counts.draw_trajectories(history),
            "timings": counts.draw_timings(history),
        }

    return draw


def rates() -> pd.DataFrame:
    """Maps of thresholds on the grid of the evaluation, for committees of two to five."""
    grid = np.geomspace(0.5, 200, 12)
    axes = [["energy", "forces", "stress"], range(2, 6), grid, grid]
    names = ["property", "members", "error_threshold", "disagreement_threshold"]
    table = pd.MultiIndex.from_product(axes, names=names).to_frame(index=False)
    shares = np.random.default_rng(6).uniform(size=(2, len(table)))
    return table.assign(
        iteration=2,
        evidence="audit",
        unit="",
        calibrated=False,
        true_positive_rate=shares[0],
        positive_predictive_value=shares[1],
    )


@pytest.fixture
def calibration() -> dict[str, Any]:
    """A report with slopes of one half, and nothing trusted."""
    entry = {
        "error_threshold": 100.0,
        "calibrated": True,
        "a": 0.5,
        "tau": 50.0,
        "c": 2.0,
        "factor": 2.5,
        "rho": 0.4,
        "rho_lower_bound": 0.1,
        "trusted": False,
        "audit": None,
        "reason": "not trusted: 10 independent groups are fewer than 20",
    }
    properties = {name: entry | {"unit": WRITTEN_UNITS[name]} for name in PROPERTIES}
    return {"iteration": 2, "members": 3, "properties": properties}


@pytest.fixture
def reports(calibration: dict[str, Any]) -> Callable[..., IterationReports]:
    """Makes the reports of an iteration; what is given replaces what it would have."""

    def make(number: int = 1, **changes: Any) -> IterationReports:
        record = {
            "run_id": f"2026-01-0{number}T00.00.00.000Z",
            "status": "completed",
            "nodes": {
                "compute_labels": {"stage": "labelling", "seconds": 10.0 * number},
                "train_committee": {"stage": "training", "seconds": 100.0},
            },
            "saved": {"labels": "v", "verdict": "v"},
            "parameters": {"seed": 7},
            "packages": {"ase": "3.29"},
        }
        given: dict[str, Any] = {
            "metrics": metrics(number),
            "labelling_report": labelling(number),
            "exploration_report": exploration(),
            "calibration": calibration,
            "verdict": verdict(number),
        }
        record |= changes.pop("record", {})
        return IterationReports("mine", number, record["run_id"], record, **(given | changes))

    return make


def metrics(number: int) -> pd.DataFrame:
    rows = []
    for k, which in enumerate(SETS, start=1):
        row: dict[str, Any] = {"iteration": number, "set": which, "origin": "all"}
        row |= {"structures": 10 * k, "atoms": 40 * k}
        for name in PROPERTIES:
            row[f"rmse_{name}_members_mean_{UNITS[name]}"] = 10.0 * k / number
            row[f"rmse_{name}_members_std_{UNITS[name]}"] = 1.0 * k
            row[f"rmse_{name}_committee_{UNITS[name]}"] = 9.0 * k / number
        rows.append(row)
    return pd.DataFrame(rows)


def labelling(number: int) -> pd.DataFrame:
    rows = [("rattle", "computed", None, None, 2.0)] * (4 * number)
    rows += [("md", "from store", None, None, 50.0)]
    rows += [("md", "failed", "not_converged", "no convergence\nafter 80 steps", 3.0)]
    rows += [("md", "screened", "collision", None, np.nan)]
    return pd.DataFrame(rows, columns=["origin", "status", "reason", "message", "seconds"])


def exploration() -> pd.DataFrame:
    ends = ["completed", "completed", "temperature: 9000 K at 10 fs", "collision (atoms 1, 2)"]
    return pd.DataFrame(
        {
            "formula": "Cu4",
            "temperature_kelvin": [300.0, 600.0, 900.0, 1000.0],
            "pressure_kbar": [0.0, 1.0, np.nan, -1.0],
            "end_reason": ends,
        }
    )


def verdict(number: int) -> dict[str, Any]:
    return {
        "verdict": "continue",
        "message": "Continue: 5 structures to label. Not converged: forces are not trusted.",
        "iteration": number,
        "explored": 40,
        "sane": 39,
        "uncertain": 20,
        "uncertain_fraction": 20 / 39,
        "selected": 5,
        "audit": 2,
        "missing_for_convergence": ["forces are not <trusted>"],
    }
