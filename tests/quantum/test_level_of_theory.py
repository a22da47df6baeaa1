"""A level of theory is what changes the numbers, and nothing else."""

from __future__ import annotations

import pytest

from potwright.quantum import ASEEngine, LevelOfTheory, TBLiteEngine


def level(version="0.8.0", **settings):
    return LevelOfTheory("tblite", version, settings or {"method": "GFN1-xTB", "accuracy": 1.0})


def test_the_order_of_settings_does_not_matter():
    assert level(a=1, b=2).hash == level(b=2, a=1).hash


def test_a_patch_release_keeps_the_level_and_a_minor_one_changes_it():
    assert level("0.8.3").hash == level("0.8.0").hash != level("0.9.0").hash
    assert level("0.8.3").exact_version == "0.8.3"


@pytest.mark.parametrize(
    "changed",
    [{"method": "GFN2-xTB"}, {"accuracy": 0.1}, {"electronic_temperature_kelvin": 1000.0}],
)
def test_settings_that_change_the_numbers_change_the_level(changed):
    assert TBLiteEngine(**changed).level_of_theory().hash != TBLiteEngine().level_of_theory().hash


@pytest.mark.parametrize(
    "changed", [{"max_iterations": 500}, {"mixer_damping": 0.4}, {"min_length_angstrom": None}]
)
def test_settings_that_do_not_change_the_numbers_keep_the_level(changed):
    assert TBLiteEngine(**changed).level_of_theory().hash == TBLiteEngine().level_of_theory().hash


def test_an_argument_that_names_a_file_enters_by_its_content(tmp_path):
    def hash_with(name, text):
        (tmp_path / name).write_text(text)
        engine = ASEEngine(
            type="ase",
            calculator="ase.calculators.emt.EMT",
            arguments={"model": str(tmp_path / name)},
        )
        return engine.level_of_theory().hash

    assert hash_with("a", "weights") == hash_with("b", "weights") != hash_with("a", "others")
