"""The label store forgets nothing and changes nothing."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import graphene, molecule
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from potwright.errors import InputError
from potwright.pes import PESData
from potwright.quantum import (
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
def store(tmp_path):
    return LabelStore(tmp_path / "new folder" / "labels.db")


def label(energy=-1.0, n=2, stress=True):
    return Label(energy, np.full((n, 3), 0.1), np.arange(6) / 7 if stress else None, 1.5)


@settings(max_examples=25, deadline=None)
@given(energy=finite, forces=hnp.arrays(float, (3, 3), elements=finite), with_stress=st.booleans())
def test_labels_come_back_bit_by_bit(tmp_path_factory, energy, forces, with_stress):
    path = tmp_path_factory.mktemp("store") / "labels.db"
    stress = forces.ravel()[:6] if with_stress else None
    atoms = graphene(vacuum=5.0)[[0, 1, 1]]
    LabelStore(path).add(ID, atoms, LEVEL, Label(energy, forces, stress, 1.0))
    found = LabelStore(path).find([ID], LEVEL)[ID]
    assert found.energy == energy
    assert found.forces.tobytes() == forces.tobytes()
    assert (
        (found.stress is None) if stress is None else (found.stress.tobytes() == stress.tobytes())
    )


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


def test_the_true_periodicity_is_kept(store):
    store.add(ID, graphene(vacuum=5.0), LEVEL, label())
    (row,) = store._database.select()
    assert row.pbc.tolist() == [True, True, False]


def test_ase_opens_it(store):
    store.add(ID, molecule("CO"), LEVEL, label())
    store.add("f" * 32, molecule("CO"), LEVEL, FAILURE)
    command = [sys.executable, "-m", "ase", "db", store.url, "-c", "+status,reason,level"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "labelled" in output and "not_converged" in output and f"l{LEVEL.hash}" in output


def test_finding_does_not_slow_down_as_the_store_grows(store):
    ids = [f"{i:032x}" for i in range(3000)]
    with store._database:
        for id in ids:
            store.add(id, Atoms("H2"), LEVEL, label(float(int(id, 16))))
    start = time.perf_counter()
    found = store.find(ids, LEVEL)
    seconds = time.perf_counter() - start
    assert [found[id].energy for id in ids] == list(range(3000))
    assert seconds < 6.0  # a scan per structure would take half a minute


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        LabelStore(tmp_path)


def test_a_purchase_belongs_to_its_campaign_and_iteration(tmp_path):
    mine = LabelStore(tmp_path / "labels.db", campaign="mine")
    mine.add(ID, Atoms("H2"), LEVEL, label(), iteration=1)
    mine.add("1" * 32, Atoms("H2"), LEVEL, FAILURE, iteration=2)
    ids = [ID, "1" * 32]
    assert mine.bought(ids, LEVEL, 1) == {ID}
    assert mine.bought(ids, LEVEL, 2) == {"1" * 32}
    assert LabelStore(mine.url, campaign="yours").bought(ids, LEVEL, 1) == set()
    assert LabelStore(mine.url).bought(ids, LEVEL, 1) == set()
