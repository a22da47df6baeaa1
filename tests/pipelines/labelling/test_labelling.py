"""The labelling stage as function calls: real engines, real processes, a real kill."""

from __future__ import annotations

import logging
import signal
import socket
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
from potwright.pipelines.labelling import initial_labels, nodes
from potwright.pipelines.labelling.parameters import LabellingParameters
from potwright.quantum import Attempt, Label, LabelFailure, LabelStore, TBLiteEngine, compute_label

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


def label(
    augmented, store, parameters, *, selected=NOTHING, labelled=NOTHING, initial_labels=NOTHING
):
    """All nodes of the pipeline, in order."""
    brought, known = nodes.take_initial_labels(initial_labels, labelled, parameters, CAMPAIGN)
    candidates = nodes.choose_candidates(augmented, selected, known, parameters, CAMPAIGN)
    screened, screened_out = nodes.screen_candidates(candidates, augmented, known, parameters)
    outcomes = nodes.compute_labels(screened, store, parameters)
    labels = nodes.collect_labels(screened, outcomes, brought)
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
    assert report.attempts.tolist() == [1] * 3
    assert set(report.host) == {socket.gethostname()}


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


def test_failures_by_circumstance_are_tried_again_and_those_by_physics_are_not(store, counted):
    parameters, calls = counted
    data = copper(4)
    level = parameters().engine.level_of_theory()
    atoms = data.to_atoms()
    reasons = ("killed", "walltime", "not_converged")
    for id, structure, reason in zip(data.id, atoms, reasons, strict=False):
        store.add(str(id), structure, level, LabelFailure(reason, "", "", 1.0))
    _, report = label(data, store, parameters())
    assert report.status.tolist() == ["computed", "computed", "failed before", "computed"]
    assert len(calls()) == 3
    for retry, status in ((False, "failed before"), (["not_converged"], "computed")):
        _, report = label(data, store, parameters(retry_failed=retry))
        assert report.status.tolist()[2] == status


def test_the_report_tells_of_recoveries_and_attempts_and_adds_up(store, counted, caplog):
    parameters, _ = counted
    data = copper(4, origin=["rattle", "rattle", "rattle", "initial"])
    level, atoms = parameters().engine.level_of_theory(), data.to_atoms()
    tries = (
        Attempt("", "not_converged", "", "", 2.0),
        Attempt("slow", "not_converged", "", "", 3.0),
    )
    recovered = Label(-1.0, np.zeros((4, 3)), None, 9.0, "node7", "slower", tries)
    store.add(str(data.id[0]), atoms[0], level, recovered)
    store.add(str(data.id[1]), atoms[1], level, LabelFailure("crash", "no", "", 5.0, "node8"))
    with caplog.at_level(logging.INFO):
        _, report = label(PESData.concatenate([data, data[:1]]), store, parameters())
        summary = nodes.summarise_labelling(report)
    by_id = report[report.status != "screened"].set_index("id").loc[data.id]
    assert by_id.recovery.tolist() == ["slower", "", "", ""]
    assert by_id.attempts.tolist() == [3, 1, 1, 1]
    assert by_id.host.tolist() == ["node7", "node8"] + [socket.gethostname()] * 2
    assert summary.structures.sum() == len(report) == 5
    assert summary.seconds.sum() == pytest.approx(report.seconds.sum())
    (row,) = summary[summary.recovery == "slower"].itertuples()
    assert (row.origin, row.status, row.structures, row.attempts) == ("rattle", "from store", 1, 3)
    assert "1 rattle: from store, by recovery slower, 9.0 s" in caplog.text
    assert "1 rattle: failed before, crash, 5.0 s" in caplog.text


def test_a_campaign_may_begin_with_labels_and_compute_nothing(store, counted):
    """Although one of them is a molecule, whose vacuum augmentation has changed."""
    parameters, calls = counted
    water = molecule("H2O")
    padded = molecule("H2O", vacuum=7.5)
    structures = [*copper(3).to_atoms(), water]
    initial = PESData.from_atoms(structures, origin="initial").replace(energy=-1.0, forces=0.1)
    inputs = PESData.from_atoms([*copper(3).to_atoms(), padded], origin="initial")
    inputs = inputs.replace(parent=["", "", "", str(initial.id[3])])
    labels, report = label(inputs, store, parameters(), initial_labels=initial)
    assert not calls() and not len(report)
    assert labels.id.tolist() == initial.id.tolist()
    assert labels.energy.tolist() == [-1.0] * 4
    assert set(labels.level_of_theory) == {parameters().engine.level_of_theory().hash}
    assert set(labels.iteration) == {initial_labels.BEFORE_THE_FIRST}


def test_initial_labels_come_beside_what_is_labelled_and_only_once(store, counted):
    parameters, calls = counted
    initial = rattled(bulk("Ag", cubic=True), 2).replace(energy=-1.0, forces=0.1)
    labels, _ = label(copper(3), store, parameters(), initial_labels=initial)
    assert sorted(labels.iteration.tolist()) == [0, 0, 1, 1, 1]
    assert len(calls()) == 3
    flagged = copper(5)[3:].replace(info=[{"audit": False}] * 2)
    more, _ = label(
        NOTHING, store, parameters(), selected=flagged, labelled=labels, initial_labels=initial
    )
    assert more.iteration.tolist() == [2, 2]


def test_initial_labels_that_cannot_be_used_are_refused(store, counted):
    parameters, _ = counted
    bare = copper(2).replace(
        info=[{"REF_energy": -1.0, "arrays": {"REF_forces": [[0.0] * 3] * 4}}] * 2
    )
    with pytest.raises(InputError, match=r"none of 2 structures.*REF_energy, REF_forces"):
        label(copper(2), store, parameters(), initial_labels=bare)
    foreign = copper(2).replace(energy=-1.0, forces=0.0, level_of_theory="f" * 32)
    with pytest.raises(InputError, match=f"level of theory {'f' * 32}, which is not ase"):
        label(copper(2), store, parameters(), initial_labels=foreign)


def test_labels_that_can_only_be_imported_are_asked_for(store):
    engine = {"type": "imported", "name": "VASP", "settings": {"functional": "PBE"}}
    parameters = LabellingParameters(engine=engine)
    with pytest.raises(InputError, match=r"2 structures have no label, and labels at level VASP"):
        label(copper(2), store, parameters)
    level = parameters.engine.level_of_theory()
    numbers = [Label(float(i), np.zeros((4, 3)), None, 0.0) for i in range(2)]
    data = copper(2)
    store.add_imported(data.id.tolist(), data.to_atoms(), level, numbers, "by hand")
    labels, report = label(data, store, parameters)
    assert labels.energy.tolist() == [0.0, 1.0]
    assert report.status.tolist() == ["from store"] * 2


def relabel(labelled, store, parameters):
    candidates = nodes.choose_to_relabel(labelled, parameters)
    outcomes = nodes.relabel(candidates, store, parameters)
    relabelled = nodes.collect_relabelled(candidates, outcomes)
    return relabelled, nodes.report_relabelling(candidates, outcomes)


def test_data_are_labelled_again_at_another_level_and_keep_groups_and_splits(store, counted):
    parameters, calls = counted
    other = {"type": "tblite", "min_length_angstrom": None}
    settings = parameters(levels={"xtb": other}, relabel_to="xtb")
    labelled, _ = label(copper(3), store, settings)
    labelled = labelled.replace(
        split=["training", "validation", "test"], group=["a", "a", "b"], iteration=[1, 1, 2]
    )
    again, report = relabel(labelled, store, settings)
    assert len(calls()) == 3
    assert again.energy.tolist() != labelled.energy.tolist()
    assert set(again.level_of_theory) == {TBLiteEngine().level_of_theory().hash}
    for name in ("id", "split", "group", "iteration", "origin", "source"):
        assert getattr(again, name).tolist() == getattr(labelled, name).tolist()
    assert report.status.tolist() == ["computed"] * 3
    resumed, report = relabel(labelled, store, settings)
    assert resumed.energy.tolist() == again.energy.tolist()
    assert len(store) == 6


def test_relabelling_needs_another_level(store, counted):
    parameters, _ = counted
    engine = parameters().engine.model_dump()
    settings = parameters(levels={"same": engine}, relabel_to="same")
    labelled, _ = label(copper(1), store, settings)
    with pytest.raises(InputError, match=r"already; in labelling\.levels that is called 'same'"):
        relabel(labelled, store, settings)
    with pytest.raises(InputError, match=r"kedro campaign relabel --level NAME"):
        relabel(labelled, store, parameters())


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
    slow = parameters(pause=0.1, executor=LocalExecutor(workers=2))
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
