"""A level of theory that nothing here can compute."""

from __future__ import annotations

import pickle

import pytest
from ase.build import molecule

from potwright.errors import InputError
from potwright.quantum import Engine, ImportedEngine, LabelFailure, try_label


def engine(**settings):
    return ImportedEngine(type="imported", name="VASP", version="6.4.2", settings=settings)


def test_its_level_is_what_is_declared():
    one: Engine = engine(functional="PBE", cutoff_ev=520)
    assert one.level_of_theory() == pickle.loads(pickle.dumps(one)).level_of_theory()
    assert (
        one.level_of_theory().hash == engine(cutoff_ev=520, functional="PBE").level_of_theory().hash
    )
    assert one.level_of_theory().hash != engine(functional="PBE").level_of_theory().hash
    assert str(one.level_of_theory()) == "VASP 6.4 (functional PBE, cutoff_ev 520)"


def test_it_says_what_to_do_instead_of_computing():
    engine().verify()
    with pytest.raises(InputError, match="kedro campaign labels import"):
        engine().make_calculator()
    failure = try_label(engine(), molecule("H2O"))
    assert isinstance(failure, LabelFailure)
    assert failure.reason == "bad_input"


@pytest.mark.parametrize("settings", [{"cutoff": float("nan")}, {"a": {1, 2}}])
def test_settings_are_words_and_numbers(settings):
    with pytest.raises(ValueError, match="only text, numbers, lists and blocks"):
        engine(**settings)
