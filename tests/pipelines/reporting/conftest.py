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
from potwright.uncertainty import PROPERTIES, Predictions
from potwright.uncertainty.measurement import UNITS, WRITTEN_UNITS

SETS = ("training", "validation", "test", "test of first iteration")


@pytest.fixture
def labelled() -> PESData:
    """60 structures of four atoms with random labels in all sets, and one lone atom."""
    generator = np.random.default_rng(3)
    copper = bulk("Cu", cubic=True)
    images = []
    for _ in range(60):
        copper.rattle(0.05, rng=generator)
        images.append(copper.copy())
    pes = PESData.from_atoms(images, labels="none", origin="rattle")
    atoms = len(pes.numbers)
    split = np.array(["training"] * 30 + ["validation"] * 10 + ["test"] * 20)
    pes = pes.replace(
        energy=generator.normal(size=60),
        forces=generator.normal(size=(atoms, 3)),
        stress=generator.normal(size=(60, 6)) * 0.01,
        split=split,
        iteration=np.repeat([1, 2], 30),
    )
    lone = PESData.from_atoms([bulk("Cu")], labels="none", origin="isolated_atom")
    lone = lone.replace(energy=[1e6], forces=[[0.0, 0.0, 0.0]], split=["training"])
    return PESData.concatenate([pes, lone])


@pytest.fixture
def predictions(labelled: PESData) -> Predictions:
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
def calibration() -> dict[str, Any]:
    """A report with slopes of one half, and nothing trusted."""
    entry = {
        "error_threshold": 100.0,
        "calibrated": True,
        "a": 0.5,
        "tau": 50.0,
        "c": 2.0,
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
