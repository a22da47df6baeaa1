"""The label store forgets nothing and changes nothing, in a file and on a server."""

from __future__ import annotations

import json
import subprocess
import sys

import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.build import graphene, molecule
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from potwright.pes import PESData
from potwright.quantum import (
    Attempt,
    Label,
    LabelFailure,
    LabelStore,
    LevelOfTheory,
    TBLiteEngine,
    compute_label,
)

LEVEL = LevelOfTheory("tblite", "0.8.0", {"method": "GFN1-xTB"})
OTHER = LevelOfTheory("tblite", "0.8.0", {"method": "GFN2-xTB"})
FAILURE = LabelFailure("not_converged", "SCF not converged", "last lines", 2.0)
ID = "0123456789abcdef0123456789abcdef"

finite = st.floats(-1e6, 1e6)


@pytest.fixture
def store(place):
    store = LabelStore(place)
    yield store
    store.close()


def label(energy=-1.0, n=2, stress=True):
    return Label(energy, np.full((n, 3), 0.1), np.arange(6) / 7 if stress else None, 1.5)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(energy=finite, forces=hnp.arrays(float, (3, 3), elements=finite), with_stress=st.booleans())
def test_labels_come_back_to_the_last_digit(store, energy, forces, with_stress):
    stress = forces.ravel()[:6] if with_stress else None
    atoms = graphene(vacuum=5.0)[[0, 1, 1]]
    id = f"{len(store):032x}"
    store.add(id, atoms, LEVEL, Label(energy, forces, stress, 1.0))
    found = store.find([id], LEVEL)[id]
    assert found.energy == energy
    np.testing.assert_array_equal(found.forces, forces, strict=True)
    if stress is None:
        assert found.stress is None
    else:
        np.testing.assert_array_equal(found.stress, stress, strict=True)


def test_forces_stay_derivatives_of_energies_through_pesdata_and_store(store):
    step = 1e-3
    base = molecule("H2O")
    images = [base.copy(), base.copy(), base.copy()]
    images[1].positions[0, 2] += step
    images[2].positions[0, 2] -= step
    engine = TBLiteEngine(accuracy=0.01)
    level = engine.level_of_theory()
    pes = PESData.from_atoms(images)
    for id, atoms in zip(pes.id, pes.to_atoms(), strict=True):
        store.add(str(id), atoms, level, compute_label(engine, atoms))
    found = store.find(pes.id.tolist(), level)
    centre, plus, minus = (found[id] for id in pes.id)
    derivative = (plus.energy - minus.energy) / (2 * step)
    assert centre.forces[0, 2] == pytest.approx(-derivative, abs=1e-4)


def test_a_label_belongs_to_one_structure_at_one_level(store):
    store.add(ID, Atoms("H2"), LEVEL, label())
    assert store.find([ID], OTHER) == {}
    assert store.find(["f" * 32], LEVEL) == {}
    assert list(store.find([ID, "f" * 32], LEVEL)) == [ID]


def test_an_id_of_digits_only_is_no_number(store):
    store.add("1" * 32, Atoms("H2"), LEVEL, label())
    assert "1" * 32 in store.find(["1" * 32], LEVEL)


def test_failures_are_kept_with_their_reason_until_a_label_replaces_them(store):
    store.add(ID, Atoms("H2"), LEVEL, FAILURE)
    assert store.find([ID], LEVEL) == {}
    assert store.failures([ID], LEVEL) == {ID: FAILURE}
    assert store.failures([ID], OTHER) == {}
    store.add(ID, Atoms("H2"), LEVEL, label())
    assert store.failures([ID], LEVEL) == {}
    assert store.find([ID], LEVEL)[ID].energy == -1.0


def test_of_several_failures_the_latest_and_of_several_labels_the_first_counts(store):
    """So that a dataset stays the same, whoever computes one of its structures again."""
    for seconds in (1.0, 2.0):
        store.add(ID, Atoms("H2"), LEVEL, LabelFailure("crash", "", "", seconds))
    assert store.failures([ID], LEVEL)[ID].seconds == 2.0
    for energy in (-1.0, -1.1):
        store.add(ID, Atoms("H2"), LEVEL, label(energy))
    store.add(ID, Atoms("H2"), LEVEL, FAILURE)
    assert store.find([ID], LEVEL)[ID].energy == -1.0
    assert store.failures([ID], LEVEL) == {}


def test_attempts_recovery_and_the_workers_host_are_kept(store):
    attempts = (
        Attempt("", "not_converged", "80 steps", "…", 3.0),
        Attempt("small mixing", "not_converged", "80 steps", "…", 4.0),
    )
    good = Label(-1.0, np.zeros((2, 3)), None, 9.0, "node7", "many steps", attempts)
    bad = LabelFailure("walltime", "", "", 9.0, "node8", attempts)
    store.add(ID, Atoms("H2"), LEVEL, good)
    store.add("f" * 32, Atoms("H2"), LEVEL, bad)
    found = store.find([ID], LEVEL)[ID]
    assert (found.host, found.recovery, found.attempts) == ("node7", "many steps", attempts)
    assert store.failures(["f" * 32], LEVEL)["f" * 32] == bad


def test_whatever_a_crashing_program_prints_can_be_kept(store):
    noise = "Σ \x00\x01 \\ 'quoted' \"% ?\" \ufffd"
    store.add(ID, Atoms("H2"), LEVEL, LabelFailure("crash", noise, noise, 1.0))
    kept = store.failures([ID], LEVEL)[ID]
    assert kept.message == kept.details == noise.replace("\x00", "\ufffd")


def test_the_true_periodicity_is_kept(store, place):
    store.add(ID, graphene(vacuum=5.0), LEVEL, label())
    (row,) = ase.db.connect(place).select()
    assert row.pbc.tolist() == [True, True, False]


def test_ase_opens_it(store, place):
    store.add(ID, molecule("CO"), LEVEL, label())
    store.add("f" * 32, molecule("CO"), LEVEL, FAILURE)
    command = [sys.executable, "-m", "ase", "db", place, "-c", "+status,reason,level"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "labelled" in output and "not_converged" in output and f"l{LEVEL.hash}" in output
    (row,) = ase.db.connect(place).select(status="labelled", structure=f"s{ID}")
    assert row.toatoms().get_potential_energy() == -1.0
    assert row.data.level_of_theory == json.loads(LEVEL.canonical)
    assert row.data.exact_version == "0.8.0"


def test_structures_are_not_looked_up_one_by_one(store, monkeypatch):
    monkeypatch.setattr("potwright.quantum.store.CHUNK", 100)
    ids = [f"{i:032x}" for i in range(300)]
    numbers = [label(float(i)) for i in range(300)]
    store.add_imported(ids, [Atoms("H2")] * 300, LEVEL, numbers, "somewhere")
    statements = []
    read = store.database.read
    monkeypatch.setattr(
        store.database, "read", lambda *given: statements.append(given) or read(*given)
    )
    found = store.look([*ids, "f" * 32], LEVEL)
    assert [found[id].result.energy for id in ids] == list(range(300))
    assert len(found) == 300 and len(statements) == 4


def test_a_purchase_belongs_to_its_campaign_and_iteration(place):
    mine = LabelStore(place, campaign="mine")
    mine.add(ID, Atoms("H2"), LEVEL, label(), iteration=1)
    mine.add("1" * 32, Atoms("H2"), LEVEL, FAILURE, iteration=2)
    ids = [ID, "1" * 32]
    assert mine.bought(ids, LEVEL, 1) == {ID}
    assert mine.bought(ids, LEVEL, 2) == {"1" * 32}
    assert LabelStore(place, campaign="yours").bought(ids, LEVEL, 1) == set()
    assert LabelStore(place).bought(ids, LEVEL, 1) == set()


def test_wall_times_are_those_of_labels_of_one_level_computed_by_anybody(place):
    """Not of other elements, of failures, of labels made elsewhere, nor of atoms in their boxes."""
    yours, mine = LabelStore(place, campaign="yours"), LabelStore(place, campaign="mine")
    assert [len(column) for column in mine.wall_times(LEVEL, {1})] == [0, 0]
    yours.add("1" * 32, Atoms("H2"), LEVEL, label())
    mine.add("2" * 32, Atoms("H4"), LEVEL, Label(-2.0, np.zeros((4, 3)), None, 6.0))
    mine.add("3" * 32, Atoms("H2"), LEVEL, FAILURE)
    mine.add("4" * 32, Atoms("H2"), OTHER, label())
    mine.add("5" * 32, Atoms("H"), LEVEL, label(n=1))
    mine.add("7" * 32, Atoms("WH"), LEVEL, label())
    made_elsewhere = Label(-1.0, np.zeros((2, 3)), None, 0.0)
    mine.add_imported(["6" * 32], [Atoms("H2")], LEVEL, [made_elsewhere], "theirs.extxyz")
    n_atoms, seconds = mine.wall_times(LEVEL, {1})
    assert n_atoms.tolist() == [4, 2]
    assert mine.wall_times(LEVEL, {1, 74})[0].tolist() == [2, 4, 2]
    assert seconds.tolist() == [6.0, 1.5]
    assert mine.wall_times(LEVEL, {1}, limit=1)[0].tolist() == [4]


def test_a_store_of_an_earlier_version_is_read_and_continued(tmp_path):
    """Its rows name neither attempts nor a recovery, and it has neither our index nor a log."""
    path = tmp_path / "labels.db"
    old = ase.db.connect(path, use_lock_file=False)
    keys = {"structure": f"s{ID}", "level": f"l{LEVEL.hash}", "engine": "tblite 0.8"}
    failed = {"status": "failed", "reason": "crash", "seconds": 2.0, "bought_by": "a, iteration 1"}
    data = {"host": "here", "message": "no", "details": ""}
    old.write(Atoms("H2"), {**keys, **failed}, data=data)
    old.write(Atoms("H2"), {"structure": "of somebody else"})
    store = LabelStore(path)
    assert store.failures([ID], LEVEL)[ID] == LabelFailure("crash", "no", "", 2.0, "here")
    store.add(ID, Atoms("H2"), LEVEL, label())
    assert store.find([ID], LEVEL)[ID].energy == -1.0
    assert len(store) == 3
