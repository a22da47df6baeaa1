"""The level of theory of pw.x: all that changes the numbers, and nothing else."""

from __future__ import annotations

import json
import pickle

import pytest

from potwright.quantum import QuantumEspressoEngine


@pytest.mark.parametrize(
    "changed",
    [
        {"protocol": "fast"},
        {"kpoint_distance_per_angstrom": 0.2},
        {"smearing_width_ry": 0.01},
        {"smearing": "gaussian"},
        {"scf_threshold_ry_per_atom": 1e-9},
        {"scf_threshold_ry": 1e-8},
        {"wavefunction_cutoff_ry": 60},
        {"density_cutoff_ry": 500},
        {"species": ["C", "O"]},
        {"starting_magnetisation": {"C": 0.1}},
        {"hubbard_u_ev": {"C-2p": 2.0}},
        {"hubbard_u_ev": {"C-2p": 2.0}, "hubbard_projectors": "ortho-atomic"},
        {"vdw_corr": "grimme-d3"},
        {"assume_isolated": ["2D"]},
        {"min_vacuum_angstrom": 20},
        {"further_input": {"system": {"nosym": True}}},
        {"version": "7.2"},
    ],
)
def test_what_changes_the_numbers_changes_the_level(paper_engine, changed):
    levels = {paper_engine().level_of_theory().hash, paper_engine(**changed).level_of_theory().hash}
    assert len(levels) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"mixing_beta": 0.2},
        {"electron_maxstep": 200},
        {"walltime_seconds": 60},
        {"recoveries": []},
        {"command": "mpirun -np 64 pw.x -nk 4"},
        {"scratch_folder": "/scratch"},
        {"keep_failed_folder": "failed"},
        {"version": "6.7.1"},
        {"protocol": "fast", "kpoint_distance_per_angstrom": 0.10, "smearing_width_ry": 0.0125}
        | {"scf_threshold_ry_per_atom": 0.1e-9},
        {"wavefunction_cutoff_ry": 30, "density_cutoff_ry": 240},
        {"further_input": {"control": {"disk_io": "low"}, "electrons": {"mixing_ndim": 4}}},
    ],
)
def test_what_does_not_change_the_numbers_keeps_the_level(paper_engine, changed):
    assert paper_engine(**changed).level_of_theory().hash == paper_engine().level_of_theory().hash


def test_a_pseudopotential_counts_by_its_checksum_not_by_its_name(paper_engine, tmp_path):
    before = paper_engine().level_of_theory().hash
    path = tmp_path / "pseudo" / "family.json"
    family = json.loads(path.read_text())
    family["C"]["filename"] = "renamed.UPF"
    path.write_text(json.dumps(family))
    assert paper_engine().level_of_theory().hash == before
    family["C"]["md5"] = "0" * 32
    path.write_text(json.dumps(family))
    assert paper_engine().level_of_theory().hash != before
    family["C"]["md5"] = "1" * 32
    family["O"]["md5"] = "2" * 32  # of an element that is not in the campaign
    path.write_text(json.dumps(family))
    with_carbon = paper_engine().level_of_theory().settings["pseudopotentials"]
    assert with_carbon == {"C": "1" * 32}


def test_a_larger_wavefunction_cutoff_takes_the_density_along(paper_engine):
    settings = paper_engine(wavefunction_cutoff_ry=45).level_of_theory().settings
    assert settings["density_cutoff_ry"] == pytest.approx(360)


def test_the_protocol_enters_by_its_figures(paper_engine):
    settings = paper_engine(protocol="balanced").level_of_theory().settings
    assert settings["kpoint_distance_per_angstrom"] == 0.15
    assert settings["smearing_width_ry"] == 0.02
    assert settings["scf_threshold_ry_per_atom"] == 0.2e-9
    assert "protocol" not in settings


@pytest.mark.parametrize(
    ("fields", "contains"),
    [
        ({}, False),
        ({"vdw_corr": "grimme-d2"}, True),
        ({"vdw_corr": "grimme-d3"}, True),
        ({"further_input": {"system": {"input_dft": "vdw-df2-b86r"}}}, True),
        ({"further_input": {"system": {"input_dft": "rVV10"}}}, True),
        ({"further_input": {"system": {"input_dft": "pbesol"}}}, False),
    ],
)
def test_labels_with_dispersion_say_so(paper_engine, fields, contains):
    """Adding D2 or D3 in dynamics on top would count it twice."""
    assert paper_engine(**fields).includes_dispersion is contains


def test_the_version_is_asked_once_and_travels_along(espresso):
    engine = espresso()
    level = engine.level_of_theory()
    assert (level.engine, level.version, level.exact_version) == (
        "quantum_espresso",
        "6.7",
        "6.7.MaX",
    )
    travelled = pickle.loads(pickle.dumps(engine))
    assert engine.version is None and travelled.version == "6.7.MaX"
    assert travelled.level_of_theory().hash == level.hash


def test_engines_travel_and_are_equal_to_what_their_yaml_says(paper_engine):
    engine = paper_engine(species=["C", "O"])
    assert pickle.loads(pickle.dumps(engine)) == engine
    assert QuantumEspressoEngine.model_validate(engine.model_dump(mode="json")) == engine
    assert engine.elements() == {6, 8}
    assert not engine.gamma_only
