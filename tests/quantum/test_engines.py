"""Engines refuse what they cannot do before anything runs."""

from __future__ import annotations

import pickle

import ase
import pytest
from pydantic import TypeAdapter

from potwright.errors import InputError
from potwright.quantum import ASEEngine, EngineParameters, TBLiteEngine

EMT = "ase.calculators.emt.EMT"


def emt(calculator=EMT, **fields):
    return ASEEngine(type="ase", calculator=calculator, **fields)


@pytest.mark.parametrize("engine", [TBLiteEngine(), emt()])
def test_engines_travel_to_workers_and_verify(engine):
    engine.verify()
    assert pickle.loads(pickle.dumps(engine)) == engine


def test_the_type_chooses_the_engine():
    adapter = TypeAdapter(EngineParameters)
    assert adapter.validate_python({"type": "tblite"}) == TBLiteEngine()
    assert adapter.validate_python({"type": "ase", "calculator": EMT}) == emt()


def test_tblite_says_what_it_contains_and_knows():
    engine = TBLiteEngine()
    assert engine.includes_dispersion and engine.gamma_only
    assert engine.elements() == frozenset(range(1, 87))


def test_any_ase_calculator_has_the_version_of_its_package():
    assert emt().level_of_theory().exact_version == ase.__version__
    assert emt(supported_elements=["Cu", "Au"]).elements() == {29, 79}
    assert emt().elements() is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"calculator": "EMT"}, "full path"),
        ({"calculator": "no.such.package.EMT"}, "is its package installed"),
        ({"calculator": "ase.calculators.emt.EMTT"}, "did you mean ase.calculators.emt.EMT"),
        ({"calculator": "ase.calculators.emt.units"}, "no class 'units'"),
        ({"arguments": {"asap_cutof": True}}, "did you mean 'asap_cutoff'"),
        (
            {
                "calculator": "ase.calculators.singlepoint.SinglePointCalculator",
                "arguments": {"energy": 1.0},
            },
            "missing 1 required positional argument",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_hint(fields, message):
    with pytest.raises(InputError, match=message):
        emt(**fields).verify()
