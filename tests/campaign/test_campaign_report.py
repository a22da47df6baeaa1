"""The report of an iteration: written by the loop and on request, whatever there is of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from potwright.pipelines.reporting.page import SECTIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def reporting(project) -> Path:
    return project.folder / "data" / "08_reporting" / project.campaign


def page(project, version: str) -> str:
    return (reporting(project) / "report.html" / version / "report.html").read_text()


def test_the_loop_writes_the_report_of_each_iteration(finished):
    """The second one was run with reports, the first one without."""
    first, second = (record["run_id"] for record in finished.records())
    assert "Campaign tiny, iteration 2" in page(finished, second)
    assert not (reporting(finished) / "report.html" / first).exists()
    for record in finished.records():  # which reports leave alone
        assert record["status"] == "completed"
        assert "reporting" not in record["pipelines"]
        assert not {"report", "parity_figure"} & set(record["saved"])


def test_a_report_is_of_its_iteration_and_is_replaced_when_it_is_written_again(finished_copy):
    project = finished_copy
    first, second = (record["run_id"] for record in project.records())
    output = project.succeed("campaign", "report", "--iteration", "1", "--no-open")
    assert f"Report: data/08_reporting/tiny/report.html/{first}/report.html" in output
    curves = reporting(project) / "figures" / "learning_curves.json"
    shown = {v: json.loads((curves / v / curves.name).read_text()) for v in (first, second)}
    assert [max(trace["x"]) for trace in (shown[first]["data"][0], shown[second]["data"][0])] == [
        1,
        2,
    ]
    assert len(list((reporting(project) / "figures").iterdir())) == len(SECTIONS)
    before = page(project, second)
    project.succeed("campaign", "report", "--no-open")
    assert page(project, second) == before


def test_a_failed_iteration_has_a_report_that_says_what_is_missing(finished_copy):
    """As it is left by an evaluation that failed at its first node."""
    project = finished_copy
    record = project.records()[-1]
    for name in ("predictions", "metrics", "calibration", "verdict", "threshold_maps"):
        (place,) = (project.folder / "data").glob(f"*/tiny/{name}.*")
        shutil.rmtree(place / record["run_id"])
        record["saved"].pop(name)
    record |= {"status": "failed", "error": "the disk is full"}
    path = reporting(project) / "runs" / f"{record['run_id']}.json"
    path.write_text(json.dumps(record))
    project.succeed("campaign", "report", "--no-open")
    text = page(project, record["run_id"])
    assert "Iteration 2 failed" in text
    assert "the disk is full" in text
    for missing in ("There are no predictions", "has not been calibrated", "no labels to count"):
        assert missing in text
    assert "committee" in text[text.index("Finished so far") :][:500]
    assert json.loads(path.read_text()) == record


def test_a_report_that_cannot_be_written_is_no_reason_to_stop(finished_copy):
    """The second iteration once more, of which nothing but the report is left to do."""
    project = finished_copy
    figures = reporting(project) / "figures"
    shutil.rmtree(figures)
    figures.write_text("a file in the way")
    version = project.records()[-1]["run_id"]
    order = ("campaign", "iterate", version, "--number", "2", "--target", "2")
    output = project.succeed(*order)
    assert "No report of iteration 2" in output
    assert "kedro campaign report" in output.replace("\n", " ")
    assert [record["status"] for record in project.records()] == ["completed"] * 2
    figures.unlink()
    assert "Report of iteration 2:" in project.succeed(*order)


def test_the_pipeline_alone_is_a_run_beside_the_campaign(finished_copy):
    project = finished_copy
    project.succeed("run", "--pipelines", "reporting")
    pages = list((reporting(project) / "report.html").iterdir())
    assert len(pages) == 2
    assert "Campaign tiny, iteration 2" in page(project, max(p.name for p in pages))
    assert len(project.records()) == 2


def test_the_loop_reports_an_iteration_that_fails(project):
    """At its first label: by then the augmented structures are saved."""
    project.configure({"reporting": {"enabled": True}})
    project.configure({"labelling": {"engine": {"supported_elements": ["Ag"]}}})
    status, output = project.kedro("campaign", "run")
    assert status == 1
    assert "Report of iteration 1:" in output
    (record,) = project.records()
    assert record["status"] == "failed"
    text = page(project, record["run_id"])
    assert "Iteration 1 failed" in text
    assert "Finished so far: augmented_structures." in text


def test_there_is_nothing_to_report_before_the_first_iteration(project):
    status, output = project.kedro("campaign", "report", "--no-open")
    assert status == 1
    assert "campaign 'tiny' has no iteration yet" in output
