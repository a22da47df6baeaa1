"""All that a store knows of a structure, and what of a store is handed on, lose nothing."""

from __future__ import annotations

import time
from datetime import datetime

import numpy as np
import pytest
from ase.build import molecule

from potwright.quantum import Attempt, Label, LabelFailure, LabelStore, LevelOfTheory
from potwright.quantum.stored_calculations import calculations_of, copy_calculations

LEVEL = LevelOfTheory("tblite", "0.8.0", {"method": "GFN1-xTB"})
OTHER = LevelOfTheory("tblite", "0.8.0", {"method": "GFN2-xTB"})
FIRST = Attempt("", "not_converged", "80 steps", "…", 3.0)
ATTEMPTS = (FIRST, Attempt("mixing", "crash", "x", "", 1.0))
FAILURE = LabelFailure("crash", "a signal", "last lines", 4.0, "node7", ATTEMPTS)
LABEL = Label(-1.25, np.full((3, 3), 0.1), None, 2.0, "node8", "mixing", ATTEMPTS[:1])
ID, SECOND = "0" * 31 + "1", "0" * 31 + "2"
WATER = molecule("H2O")


@pytest.fixture
def store(place):
    """Two campaigns: the first failed where the second succeeded; one bought another level."""
    first, second = LabelStore(place, "first"), LabelStore(place, "second")
    first.add(ID, WATER, LEVEL, FAILURE, iteration=1)
    second.add(ID, WATER, LEVEL, LABEL, iteration=3)
    second.add(ID, WATER, OTHER, LABEL, iteration=4)
    second.add_imported([SECOND], [WATER], LEVEL, [LABEL], "elsewhere.xyz")
    first.close()
    yield second
    second.close()


def test_every_calculation_is_told_with_its_buyer_and_reason(store):
    failed, labelled, other = calculations_of(store, ID)
    assert (failed.status, failed.reason, failed.message) == ("failed", "crash", "a signal")
    assert (failed.campaign, failed.iteration, failed.host) == ("first", 1, "node7")
    assert failed.energy_ev is None and len(failed.attempts) == 2
    assert (labelled.energy_ev, labelled.recovery, labelled.seconds) == (-1.25, "mixing", 2.0)
    assert labelled.attempts[0]["reason"] == "not_converged"
    assert (labelled.campaign, labelled.iteration) == ("second", 3)
    assert labelled.settings == {"method": "GFN1-xTB"} and labelled.level == LEVEL.hash
    assert other.settings == {"method": "GFN2-xTB"}
    assert abs(datetime.fromisoformat(labelled.date).timestamp() - time.time()) < 120
    (imported,) = calculations_of(store, SECOND)
    assert (imported.campaign, imported.iteration) == ("second", None)
    assert calculations_of(store, "f" * 32) == []


def test_a_copy_has_the_same_of_what_is_asked_for_and_no_more(store, tmp_path):
    target = LabelStore(tmp_path / "copy.db")
    assert copy_calculations(store, target, [ID, ID, "f" * 32], {LEVEL.hash}) == 2
    here = [c for c in calculations_of(store, ID) if c.level == LEVEL.hash]
    there = calculations_of(target, ID)
    assert [vars(c) | {"row": 0} for c in there] == [vars(c) | {"row": 0} for c in here]
    assert len(target) == 2  # neither the other level nor the other structure
    label = target.find([ID], LEVEL)[ID]
    np.testing.assert_array_equal(label.forces, LABEL.forces)
    assert label.energy == LABEL.energy and label.stress is None
    target.close()
