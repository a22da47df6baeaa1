"""The labelling stage as function calls: real engines, real processes, a real kill."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, graphene, molecule

from potwright.errors import InputError
from potwright.execution import LocalExecutor
from potwright.parameters_campaign import CampaignParameters
from potwright.pes import PESData
from potwright.pipelines.labelling import nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import LabelStore, TBLiteEngine, compute_label

CAMPAIGN = CampaignParameters()
NOTHING = PESData.empty()


def rattled(atoms, count, **metadata):
    random = np.random.default_rng(3)
    copies = []
    for _ in range(count):
        copy = atoms.copy()
        copy.positions += random.normal(0, 0.05, copy.positions.shape)
        copies.append(copy)
    return PESData.from_atoms(copies, **metadata)


def copper(count=6, **metadata):
    return rattled(bulk("Cu", cubic=True), count, **{"origin": "rattle", **metadata})


def label(augmented, store, parameters, *, selected=NOTHING, labelled=NOTHING):
    """All nodes of the pipeline, in order."""
    candidates = nodes.choose_candidates(augmented, selected, labelled, parameters, CAMPAIGN)
    screened, screened_out = nodes.screen_candidates(candidates, augmented, labelled, parameters)
    outcomes = nodes.compute_labels(screened, store, parameters)
    labels = nodes.collect_labels(screened, outcomes, NOTHING)
    return labels, nodes.report_labelling(screened, screened_out, outcomes)


@pytest.fixture
def store(tmp_path):
    return LabelStore(tmp_path / "labels.db")


def test_structures_of_every_periodicity_are_labelled_by_tblite(store):
    parameters = LabellingParameters(executor=LocalExecutor(workers=2))
    structures = [molecule("H2O"), bulk("C", cubic=True), graphene(vacuum=5.0)]
    augmented = PESData.from_atoms(structures, origin=["initial", "rattle", "rattle"])
    labels, report = label(augmented, store, parameters)
    assert labels.id.tolist() == augmented.id.tolist()
    assert labels.origin.tolist() == augmented.origin.tolist()
    assert labels.iteration.tolist() == [1, 1, 1]
    assert set(labels.level_of_theory) == {parameters.engine.level_of_theory().hash}
    assert np.isnan(labels.stress).all(axis=1).tolist() == [True, False, False]
    assert labels.pbc.tolist() == augmented.pbc.tolist()
    for atoms, energy in zip(structures, labels.energy, strict=True):
        assert energy == pytest.approx(compute_label(TBLiteEngine(), atoms).energy, abs=1e-6)
    assert report.status.tolist() == ["computed"] * 3
    assert (report.seconds > 0).all()


def test_a_second_run_computes_nothing_and_gives_the_same_bits(store, counted):
    parameters, calls = counted
    first, _ = label(copper(), store, parameters())
    assert len(calls()) == 6
    again, report = label(copper(), store, parameters())
    assert len(calls()) == 6
    assert again.energy.tobytes() == first.energy.tobytes()
    assert again.forces.tobytes() == first.forces.tobytes()
    assert again.stress.tobytes() == first.stress.tobytes()
    assert report.status.tolist() == ["from store"] * 6


def test_another_level_of_theory_is_computed_anew(store, counted):
    parameters, calls = counted
    label(copper(2), store, parameters())
    label(copper(2), store, parameters(pause=0.001))
    assert len(calls()) == 4


def test_a_few_failures_are_reported_remembered_and_stop_nothing(store, counted, caplog):
    parameters, calls = counted
    mixed = PESData.concatenate([copper(3), rattled(bulk("Au", cubic=True), 2)])
    with caplog.at_level(logging.INFO):
        labels, report = label(mixed, store, parameters())
    assert labels.id.tolist() == mixed.id[:3].tolist()
    assert report.status.tolist() == ["computed"] * 3 + ["failed"] * 2
    assert report.reason.tolist()[3:] == ["crash"] * 2
    assert report.message.tolist()[3] == "RuntimeError: gold is too dear"
    assert "2 of 5 structures failed" in caplog.text
    _, report = label(mixed, store, parameters())
    assert report.status.tolist() == ["from store"] * 3 + ["failed before"] * 2
    assert len(store) == 5
    _, report = label(mixed, store, parameters(retry_failed=True))
    assert report.status.tolist()[3:] == ["failed"] * 2
    assert len(store) == 7 and len(calls()) == 3


def test_if_every_label_fails_the_message_says_why(store, counted):
    parameters, _ = counted
    with pytest.raises(InputError, match=r"all 2 structures failed(.|\n)*2 × crash: .*too dear"):
        label(rattled(bulk("Au", cubic=True), 2), store, parameters())


def test_nothing_to_label_gives_empty_labels(store, counted):
    parameters, calls = counted
    labelled = copper(2)
    labels, report = label(copper(2), store, parameters(), labelled=labelled)
    assert len(labels) == 0 and not calls()
    assert isinstance(report, pd.DataFrame) and not len(report)
    assert "status" in report.columns


def test_later_iterations_label_what_was_selected_and_is_not_labelled_yet(store, counted):
    parameters, _ = counted
    structures = copper(6)
    labelled, _ = label(structures[:2], store, parameters())
    flags = [{"audit": True}, {"audit": False}]
    selected = structures[3:5].replace(origin="md", info=flags)
    labels, _ = label(
        structures,
        store,
        parameters(),
        selected=PESData.concatenate([selected, structures[:1]]),
        labelled=labelled,
    )
    assert labels.id.tolist() == selected.id.tolist()
    assert labels.iteration.tolist() == [2, 2]
    assert [info["audit"] for info in labels.info] == [True, False]


def test_labels_that_structures_bring_along_are_not_taken_over(store, counted):
    parameters, calls = counted
    brought = copper(2).replace(energy=-1e6, level_of_theory="somebody else's")
    labels, _ = label(brought, store, parameters())
    assert len(calls()) == 2
    assert labels.energy.min() > -100


def test_one_dataset_holds_one_level_of_theory(store, counted, caplog):
    parameters, _ = counted
    labelled, _ = label(copper(2), store, parameters())
    with pytest.raises(InputError, match="One dataset holds one level"):
        label(copper(4), store, parameters(pause=0.001), labelled=labelled)
    label(NOTHING, store, parameters(), labelled=labelled.replace(level_of_theory=""))
    assert "unknown level of theory" in caplog.text


def test_if_screening_drops_everything_the_message_says_why(store, counted):
    parameters, calls = counted
    crushed = copper(2).replace(cell=copper(2).cell / 4, positions=copper(2).positions / 4)
    with pytest.raises(InputError, match=r"drops all 2 structures \(2 atoms too close\)"):
        label(crushed, store, parameters())
    assert not calls()


def test_what_is_screened_is_in_the_report(store, counted):
    parameters, _ = counted
    data = PESData.concatenate([copper(2), copper(1)])
    labels, report = label(data, store, parameters())
    assert len(labels) == 2
    assert report.status.tolist() == ["computed", "computed", "screened"]
    assert report.reason.tolist()[2] == "duplicate"


SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
from potwright.execution import LocalExecutor
from potwright.pes import PESData
from potwright.pipelines.labelling import nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import LabelStore
parameters = LabellingParameters.model_validate_json({parameters!r})
nodes.compute_labels(PESData.read({data!r}), LabelStore({store!r}), parameters)
"""


def test_a_kill_in_the_middle_loses_at_most_what_was_in_flight(tmp_path, store, counted):
    parameters, calls = counted
    slow = parameters(pause=0.1)
    structures = copper(16)
    structures.write(tmp_path / "structures.h5")
    script = textwrap.dedent(SCRIPT).format(
        folder=str(tmp_path),
        parameters=slow.model_dump_json(),
        data=str(tmp_path / "structures.h5"),
        store=store.url,
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    level = slow.engine.level_of_theory()
    while len(store.find(structures.id.tolist(), level)) < 4 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # the workers end with their parent
    stored = store.find(structures.id.tolist(), level)
    before = calls()
    assert 4 <= len(stored) < 16
    assert len(before) <= len(stored) + 4

    labels, report = label(structures, store, slow)
    assert len(labels) == 16
    assert (report.status == "from store").sum() == len(stored)
    assert len(calls()) - len(before) == 16 - len(stored)
    assert len(store) == 16
