"""Mistakes are refused with one clear message, before they cost anything."""

from __future__ import annotations

import os
import time

import ase.io
import numpy as np
import pytest
from ase.build import bulk

SECONDS = 10
RUN = ("campaign", "run")


def refused(project, *arguments: str) -> str:
    """The message with which a command is refused; its other output may warn and inform."""
    started = time.perf_counter()
    status, output = project.kedro(*arguments or RUN)
    seconds = time.perf_counter() - started
    assert status == 1, output
    assert "Traceback" not in output
    assert not [f for f in project.files() if f.endswith(".tmp")]
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert seconds < SECONDS * busy
    return output[output.index("Error: ") :]


def test_a_wrong_parameter_is_named_and_nothing_begins(project):
    project.configure({"augmentation": {"rattle": {"ratle_fraction": 0.1}}})
    output = refused(project)
    key = "augmentation.rattle.ratle_fraction: unknown key; did you mean 'rattle_fraction'?"
    assert output.startswith(f"Error: {key}")
    assert output.count("Error: ") == 1
    assert not project.records()


def test_all_wrong_parameters_are_told_at_once(project):
    project.configure({"training": {"members": 1}, "seed": "x", "explorration": {}})
    output = refused(project, "run", "--pipelines", "augmentation")
    for key in ("training.members = ", "seed = ", "explorration: "):
        assert output.count(key) == 1


def test_a_label_store_out_of_reach_is_told_before_anything_begins(project):
    """Nothing listens on port 1. A password is never shown."""
    address = "postgresql://me:secret@127.0.0.1:1/labels"
    project.configure({"label_store": address}, name="globals")
    for command in (RUN, ("run", "--pipelines", "augmentation,labelling")):
        output = refused(project, *command)
        assert "label store postgresql://me@127.0.0.1:1/labels: " in output
        assert "Is the server running" in output.replace("\n", " ")
        assert "secret" not in output
    assert project.calculations == 0
    assert not project.records()
    assert not [f for f in project.files() if f.endswith(".h5")]


def without_structures(folder):
    for file in folder.iterdir():
        file.unlink()


def with_an_unreadable_file(folder):
    (folder / "torn.xyz").write_text("3\n\nCu 0 0 0\n")


def with_an_unknown_format(folder):
    (folder / "notes.docx").write_bytes(bytes(range(256)))


def with_an_unknown_element(folder):
    ase.io.write(folder / "iron.xyz", bulk("Fe"))


def with_undefined_positions(folder):
    atoms = bulk("Cu", cubic=True)
    atoms.positions[0, 0] = np.nan
    ase.io.write(folder / "lost.xyz", atoms)


def with_a_flat_cell(folder):
    atoms = bulk("Cu")
    atoms.cell[2] = atoms.cell[1]
    ase.io.write(folder / "flat.xyz", atoms)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_structures, "no structures found to begin with"),
        (with_an_unreadable_file, "torn.xyz: ASE cannot read this file"),
        (with_an_unknown_format, "notes.docx: "),
        (with_an_unknown_element, "does not know Fe, found in iron.xyz"),
        (with_undefined_positions, "lost.xyz: its positions are not finite numbers"),
        (with_a_flat_cell, "flat.xyz: its cell has no volume"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_wrong_structure_is_named_and_costs_no_calculation(project, spoil, message):
    spoil(project.folder / "data" / "01_raw" / "structures")
    output = refused(project)
    assert output.count(message) == 1
    assert "repeat the command to go on" in output
    assert project.calculations == 0
    (record,) = project.records()
    assert record["status"] == "failed"
    assert message in record["error"]


@pytest.mark.parametrize("stage", ["labelling", "training"])
def test_a_scheduler_out_of_reach_is_told_before_any_label_is_paid_for(project, stage):
    """Also if it is a later stage's."""
    nobody = {"type": "dask", "address": "tcp://127.0.0.1:1"}
    project.configure({stage: {"executor": nobody}})
    output = refused(project)
    assert output.count("no Dask scheduler answers at tcp://127.0.0.1:1 within 5 s") == 1
    assert project.calculations == 0


def test_a_start_index_out_of_range_costs_no_label(project):
    """Known only when structures are augmented, which may take longer than a refusal should."""
    project.configure({"exploration": {"starts": [0, 10_000]}})
    status, output = project.kedro(*RUN)
    assert status == 1
    assert "exploration.starts: there is no structure 10000; the augmented set has" in output
    assert project.calculations == 0


def test_what_slurm_refuses_is_told_before_any_label_is_paid_for(project, slurm):
    project.configure({"exploration": {"executor": {**slurm, "partition": "nope"}}})
    output = refused(project)
    assert output.count("invalid partition specified: nope") == 1
    assert "Traceback" not in output
    assert project.calculations == 0


@pytest.mark.slow
@pytest.mark.parametrize("beginning", ["foundation model", "initial_committee"])
def test_an_element_that_a_beginning_does_not_know_costs_no_label(
    project, beginning, untrained_mace
):
    models = [untrained_mace(project.folder / f"{n}.model", n, {14: 0.0}).path for n in (1, 2)]
    if beginning == "foundation model":
        project.configure({"training": {"start": {"type": "foundation", "model": str(models[0])}}})
    else:
        entry = {"type": "potwright.datasets.PotentialsDataset", "filepath": "*.model"}
        project.configure({"initial_committee": entry}, name="catalog")
    output = " ".join(refused(project).split())
    assert f"{beginning}" in output and "does not know Cu" in output
    assert project.calculations == 0


@pytest.mark.slow
def test_a_mended_campaign_begins_with_what_is_there_now(project):
    """Although augmentation was finished before the element was refused."""
    folder = project.folder / "data" / "01_raw" / "structures"
    with_an_unknown_element(folder)
    assert "does not know Fe" in refused(project)
    (folder / "iron.xyz").unlink()
    (project.folder / "kill_before.txt").write_text("merge_labels")
    project.kedro(*RUN)
    refused_one, mended = project.records()
    assert [refused_one["iteration"], mended["iteration"]] == [1, 1]
    assert set(project.structures("labels.h5", mended["run_id"]).numbers) == {29}


@pytest.mark.slow
def test_labelling_that_fails_altogether_says_why_and_can_be_tried_again(project):
    """An engine that does not say which elements it knows; then one that does its work."""
    folder = project.folder / "data" / "01_raw" / "structures"
    without_structures(folder)
    with_an_unknown_element(folder)
    project.configure(
        {
            "augmentation": {"copies": 2},
            "labelling": {"engine": {"supported_elements": None}},
        }
    )
    output = refused(project)
    assert "all 3 structures failed to be labelled" in output
    assert output.count("No EMT-potential for Fe") == 1
    assert "labelling.retry_failed: true" in output
    calculations = project.calculations
    assert "all 3 structures failed" in refused(project)
    assert project.calculations == calculations  # known failures are not computed again
