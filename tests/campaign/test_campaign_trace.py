"""The history of a structure is what its datasets, reports and the label store say, joined."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from potwright.pes import PESData
from potwright.quantum import LabelFailure, LabelStore, LevelOfTheory
from potwright.quantum.label import Attempt
from potwright.uncertainty import Predictions


def traced(project, id: str) -> dict:
    return json.loads(project.succeed("campaign", "trace", id, "--json"))


@pytest.fixture(scope="module")
def versions(finished) -> list[str]:
    return [record["run_id"] for record in finished.records()]


@pytest.fixture(scope="module")
def explored(finished, versions) -> PESData:
    return finished.structures("explored_structures.h5", versions[0])


@pytest.fixture(scope="module")
def labelled(finished, versions) -> PESData:
    return finished.structures("labelled_structures.h5", versions[1])


@pytest.fixture(scope="module")
def frame(labelled) -> PESData:
    """A frame that was explored in the first iteration and labelled in the second."""
    row = int(np.flatnonzero((labelled.origin == "md") & (labelled.split == "training"))[0])
    return labelled[row : row + 1]


@pytest.fixture(scope="module")
def history(finished, frame) -> dict:
    return traced(finished, str(frame.id[0])[:20])


@pytest.mark.slow
def test_the_line_of_ancestors_ends_at_the_input_file(finished, history, frame):
    line = history["ancestry"]
    known = PESData.concatenate(
        [
            finished.structures("augmented_structures.h5", finished.records()[0]["run_id"]),
            frame,
        ]
    )
    parent = dict(zip(known.id.tolist(), known.parent.tolist(), strict=True))
    for one, above in pairwise(line):
        assert parent[one["id"]] == above["id"]
    assert [one["origin"] for one in line[:2]] == ["md", "rattle"]
    assert line[1]["made_by"]["rattle_fraction"] == 0.1
    assert {one["source"] for one in line} == {str(frame.source[0])}
    assert line[-1]["origin"] == "initial" and "initial_structures" in line[-1]["held_in"]


@pytest.mark.slow
def test_trajectory_disagreement_and_selection_are_those_of_the_reports(
    finished, history, frame, versions, explored
):
    report = pd.read_csv(finished.path("exploration_report.csv", versions[0]))
    row = report.iloc[history["dynamics"]["frame"]["trajectory"]]
    assert history["dynamics"]["trajectory"]["start"] == row["start"] == str(frame.parent[0])
    assert history["dynamics"]["trajectory"]["seed"] == row["seed"]
    predictions = Predictions.read(finished.path("predictions.h5", versions[0]))
    energies = predictions.select(frame.id).energy[:, 0] / frame.n_atoms[0]
    judged = history["judgement"]
    assert judged["disagreement"]["energy"] == pytest.approx(1000 * energies.std())
    selected = finished.structures("selected_structures.h5", versions[0])
    info = selected.info[selected.index_of(frame.id)[0]]
    assert judged["selected"] and judged["iteration"] == 1
    assert (judged["reason"], judged["audit"]) == (info["reason"], info["audit"])


@pytest.mark.slow
def test_label_split_and_potentials(finished, history, frame, versions):
    (calculation,) = history["calculations"]
    assert (calculation["campaign"], calculation["iteration"]) == ("tiny", 2)
    assert calculation["energy_ev"] == history["label"]["energy_ev"] == float(frame.energy[0])
    assert calculation["seconds"] >= 0.1  # as slow as the engine is
    assert history["label"]["shared_from"] == ""
    assert [one["status"] for one in history["candidacies"]] == ["computed"]
    member = history["membership"]
    assert (member["split"], member["group"]) == ("training", str(frame.group[0]))
    first, second = history["uses"]
    assert (first["role"], first["members"]) == ("not known", [])
    record = json.loads((finished.path("committee", versions[1]) / "committee.json").read_text())
    trained = [m["member"] for m in record["training"] if frame.id[0] in m["trained_on"]]
    assert second["role"] == "training" and second["members"] == trained != []
    # ε² = D² + b²: the mean's error was there before the label was known
    assert first["error"]["energy"] > 0 and first["disagreement"]["energy"] > 0


@pytest.mark.slow
def test_who_was_not_selected_is_told_why(finished, explored, labelled, versions):
    (row, *_) = np.flatnonzero(labelled.index_of(explored.id) < 0)
    history = traced(finished, str(explored.id[row]))
    judged, calibration = history["judgement"], finished.document("calibration.json", versions[0])
    assert history["label"] is None and not judged["selected"]
    thresholds = {name: one["tau"] for name, one in calibration["properties"].items()}
    assert judged["threshold"] == thresholds
    verdict = finished.document("verdict.json", versions[0])
    drawn = verdict["selected"] - verdict["audit"]
    assert set(thresholds.values()) == {None}  # of so few structures
    assert f"nothing was calibrated, and {drawn} sane frames" in judged["reason"]


@pytest.mark.slow
def test_the_history_reads_well_and_a_wrong_id_is_refused(finished, frame):
    output = finished.succeed("campaign", "trace", str(frame.id[0]))
    for words in ("Where it comes from", "driven by member", "bought by tiny", "Potentials"):
        assert words in output
    status, output = finished.kedro("campaign", "trace", "xyz")
    assert status == 1 and "no structure of campaign 'tiny'" in output
    assert "Traceback" not in output
    status, output = finished.kedro("campaign", "trace", "")
    assert status == 1


@pytest.mark.slow
def test_a_label_of_another_campaign_is_shared_and_failures_keep_their_reasons(
    finished_copy, frame
):
    """The same data under another name: what it holds was bought by the first."""
    data = finished_copy.folder / "data"
    for place in data.glob("*/tiny"):
        shutil.copytree(place, place.with_name("other"))
    other = type(finished_copy)(finished_copy.folder, env="other")
    other.configure({"campaign": "other"}, name="globals")
    store = LabelStore(data / "03_primary" / "labels.db", "third")
    attempts = (
        Attempt("", "not_converged", "80 steps", "", 3.0),
        Attempt("mixing", "crash", "a signal", "", 2.0),
    )
    failure = LabelFailure("crash", "a signal", "", 5.0, "node7", attempts)
    level = LevelOfTheory("Other", "1.2.3", {"cutoff_ev": 300})
    store.add(str(frame.id[0]), frame.to_atoms()[0], level, failure)
    store.close()
    history = traced(other, str(frame.id[0]))
    assert history["label"]["shared_from"] == "tiny"
    failed = history["calculations"][-1]
    assert (failed["status"], failed["reason"], failed["campaign"]) == ("failed", "crash", "third")
    assert failed["settings"] == {"cutoff_ev": 300}
    assert [a["recovery"] for a in failed["attempts"]] == ["", "mixing"]
