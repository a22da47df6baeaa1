"""Figures, pages and the history of a campaign in the catalog."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, DatasetError, Version

from potwright.datasets import FigureDataset, HistoryDataset, JSONDataset, PageDataset
from potwright.datasets.versioned import supply_missing

OLD, NEW = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"
FIGURE: dict[str, Any] = {"data": [{"type": "bar", "y": [1.5, None]}], "layout": {"height": 300}}


def test_a_view_is_replaced_within_its_version_other_data_never_are(tmp_path):
    for kind, one, other in (
        (FigureDataset, FIGURE, {"data": [], "layout": {}}),
        (PageDataset, "<p>once</p>", "<p>twice, Å</p>"),
    ):
        dataset = kind(filepath=str(tmp_path / kind.__name__), version=Version(None, NEW))
        for value in (one, other):
            dataset.save(value)
            assert dataset.load() == value
    dataset = JSONDataset(filepath=str(tmp_path / "data.json"), version=Version(None, NEW))
    dataset.save({"a": 1})
    with pytest.raises(DatasetError):
        dataset.save({"a": 2})


def test_kedro_viz_gets_the_figure_as_it_is(tmp_path):
    dataset = FigureDataset(filepath=str(tmp_path / "figure.json"), version=Version(None, NEW))
    dataset.save(FIGURE)
    assert dataset.preview() == FIGURE


def write_iteration(folder: Path, version: str, number: int | None, saved: bool = True) -> None:
    record = {"run_id": version, "status": "completed", "saved": {"metrics": version}}
    record |= {} if number is None else {"iteration": number}
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    (folder / "runs" / f"{version}.json").write_text(json.dumps(record))
    if saved:
        place = folder / "metrics.csv" / version / "metrics.csv"
        place.parent.mkdir(parents=True)
        pd.DataFrame({"iteration": [number]}).to_csv(place, index=False)


def history(folder: Path, version: str) -> list[tuple[int, str, int]]:
    dataset = HistoryDataset(filepath=str(folder), version=Version(None, version))
    return [(r.number, r.version, len(r.metrics)) for r in dataset.load()]


def test_a_history_ends_with_the_run_and_holds_the_last_attempts(tmp_path):
    first, failed, trial, again = (f"2026-01-0{day}T00.00.00.000Z" for day in (1, 2, 3, 4))
    write_iteration(tmp_path, first, 1)
    write_iteration(tmp_path, failed, 2, saved=False)
    write_iteration(tmp_path, trial, None)  # a run of single stages is no iteration
    assert history(tmp_path, failed) == [(1, first, 1), (2, failed, 0)]
    write_iteration(tmp_path, again, 2)
    assert history(tmp_path, first) == [(1, first, 1)]
    assert history(tmp_path, again) == [(1, first, 1), (2, again, 1)]


def test_without_a_campaign_each_evaluation_is_an_iteration(tmp_path):
    write_iteration(tmp_path, OLD, None)
    write_iteration(tmp_path, NEW, None)
    assert history(tmp_path, NEW) == [(1, OLD, 1), (2, NEW, 1)]


def test_what_is_missing_is_supplied_as_empty(tmp_path):
    from potwright.pipelines.reporting.pipeline import create_pipeline

    needed = create_pipeline().inputs()
    there = JSONDataset(filepath=str(tmp_path / "calibration.json"), version=Version(None, NEW))
    there.save({"iteration": 3})
    absent = JSONDataset(filepath=str(tmp_path / "absent.json"), version=Version(None, NEW))
    catalog = DataCatalog(
        dict.fromkeys(needed, absent)
        | {"calibration": there}
        | {"iteration_reports": HistoryDataset(filepath=str(tmp_path), version=Version(None, NEW))}
    )
    missing = supply_missing(catalog, create_pipeline())
    assert set(missing) == needed - {"calibration", "iteration_reports"}
    assert catalog["predictions"].load() == {}
    assert catalog["calibration"].load() == {"iteration": 3}
    assert catalog["iteration_reports"].load() == []
