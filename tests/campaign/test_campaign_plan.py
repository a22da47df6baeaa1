"""The plan says what labelling will do, and leaves nothing but labels that labelling needs."""

from __future__ import annotations

import re

import ase.io
import pandas as pd
import pytest
from ase.build import bulk, fcc111

STATUSES = {"screened": 1, "from store": 2, "failed before": 3, "computed": 4}
"""Columns of the plan that become a status of the labelling report."""

MIXED = {
    "augmentation": {
        "copies": 6,
        "rattle": {"rattle_fraction": 0.9},
        "isolated_atoms": {"enabled": True},
    },
    "labelling": {"screening": {"min_covalent_ratio": 0.7, "warn_fraction": 1.0}},
}


def counts(output: str) -> dict[str, list[int]]:
    """The table's numbers by origin: candidates, screened out, from store, failed, to compute."""
    pattern = r"^ *(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +\S+ +\S+ +\d+ +\d+ +\d+ +\d+ *$"
    found = re.findall(pattern, output, re.MULTILINE)
    return {origin: [int(n) for n in numbers] for origin, *numbers in found}


def reported(project, version: str) -> dict[str, list[int]]:
    """The same from a labelling report."""
    report = pd.read_csv(project.path("labelling_report.csv", version))
    table = {}
    for origin, rows in [*report.groupby("origin"), ("all", report)]:
        table[origin] = [len(rows)] + [int((rows.status == status).sum()) for status in STATUSES]
    return table


@pytest.mark.slow
def test_the_plan_is_what_labelling_then_does(project):
    """Counts by origin and fate, before anything is saved; and timed labels are not paid twice."""
    folder = project.folder / "data" / "01_raw" / "structures"
    slab = fcc111("Cu", (1, 1, 3), vacuum=8.0)
    slab.info.clear()
    ase.io.write(folder / "slab.xyz", slab)
    project.configure(MIXED)
    before = project.files()
    output = project.succeed("campaign", "plan", "--timed-labels", "0")
    assert project.files() == before == set()
    assert project.calculations == 0
    assert "let some be timed" in output
    plan = counts(output)
    assert plan["rattle"][1] > 0, "the test needs something to be screened out"
    assert f"{plan['all'][4]} labels to compute" in output

    output = project.succeed("campaign", "plan", "--timed-labels", "2")
    assert counts(output) == plan
    assert project.calculations == 2
    assert project.files() == {"03_primary/labels.db", "03_primary/.labels.db.lock"}
    assert f"{plan['all'][4] - 2} labels to compute: about" in output
    assert "Estimated from 2 labels" in output

    project.succeed("run", "--pipelines", "augmentation,labelling")
    (version,) = project.versions("labels.h5")
    assert reported(project, version) == plan
    assert project.calculations == plan["all"][4]
    output = project.succeed("campaign", "plan")
    assert counts(output)["all"] == [plan["all"][0], plan["all"][1], plan["all"][4], 0, 0]
    assert "Nothing is left to compute" in output
    assert project.calculations == plan["all"][4]


@pytest.mark.slow
def test_an_interrupted_iteration_keeps_the_structures_that_it_has(project):
    """Its inputs have changed since; a resumption would not look at them, nor does the plan."""
    (project.folder / "kill_before.txt").write_text("compute_labels")
    project.kedro("campaign", "run")
    ase.io.write(project.folder / "data/01_raw/structures/more.xyz", bulk("Cu", "sc", a=2.5))
    output = project.succeed("campaign", "plan", "--timed-labels", "0")
    assert counts(output)["initial"][0] == 2


def test_bad_parameters_are_refused_as_a_run_refuses_them(project):
    project.configure({"labelling": {"screening": {"min_covalent_ration": 0.4}}})
    told = []
    for command in ("plan", "run"):
        status, output = project.kedro("campaign", command)
        assert status == 1
        assert "Traceback" not in output
        told.append(output[output.index("Error: ") :])
    assert told[0] == told[1]
    assert "did you mean 'min_covalent_ratio'" in told[0]
    assert not project.records()


def test_what_the_stages_refuse_the_plan_refuses(project):
    ase.io.write(project.folder / "data/01_raw/structures/iron.xyz", bulk("Fe"))
    status, output = project.kedro("campaign", "plan")
    assert status == 1
    assert "does not know Fe, found in iron.xyz" in output
    assert "Traceback" not in output
    assert project.calculations == 0
    assert not project.files()


def test_an_engine_that_fails_is_found_by_the_plan(project):
    """The table comes first, then why no label could be timed."""
    folder = project.folder / "data" / "01_raw" / "structures"
    for file in folder.iterdir():
        file.unlink()
    ase.io.write(folder / "iron.xyz", bulk("Fe"))
    project.configure({"labelling": {"engine": {"supported_elements": None}}})
    status, output = project.kedro("campaign", "plan", "--timed-labels", "1")
    assert status == 1
    assert counts(output)["all"][4] == 9
    assert "No EMT-potential for Fe" in output
    crash_before = counts(project.succeed("campaign", "plan", "--timed-labels", "0"))["all"]
    assert crash_before[3:] == [1, 8]  # it would not be tried again, so it is not in the estimate
